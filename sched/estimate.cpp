#include "sched/estimate.hpp"

#include <algorithm>
#include <utility>

#include "mesh/check.hpp"

namespace dagz::sched {

namespace {

std::string file_of(const std::string& id) { return id.substr(0, id.find("::")); }

bool is_in_file(const std::string& id) { return id.find("::") != std::string::npos; }

}  // namespace

Estimates::Estimates(const std::vector<KnownDuration>& history) {
  history_.reserve(history.size());
  for (const KnownDuration& one : history) {
    history_[one.id] = std::max(one.duration, Duration::microseconds(1));
    Duration& file = history_of_files_[file_of(one.id)];
    file = std::min(file + one.duration, kLongest);
    if (!is_in_file(one.id)) continue;
    known_.total_ns += one.duration.ns;
    ++known_.count;
  }
}

Duration Estimates::of_collection(const report::Test& collection) const {
  const auto found = history_of_files_.find(collection.id);
  if (found != history_of_files_.end()) return std::max(found->second, kGuess);
  const auto kilobytes = static_cast<int64_t>(std::min<uint64_t>(collection.bytes >> 10, 10'000));
  return kGuessPerFile + kGuessPerKilobyte * kilobytes;
}

void Estimates::add(const report::Test& test) {
  Entry entry;
  entry.path = test.path;
  if (const auto found = history_.find(test.id); found != history_.end()) {
    entry.known = found->second;
  }
  if (paths_.size() <= test.path) paths_.resize(test.path + 1);
  if (is_in_file(test.id) && !std::exchange(paths_[test.path].looked_up, true)) {
    const auto setup = history_.find(file_of(test.id));
    if (setup != history_.end()) paths_[test.path].setup = std::min(setup->second, kLongest);
  }
  if (test.collects) {
    entry.known = of_collection(test);
    tests_.push_back(entry);
    return;
  }
  if (entry.known.ns > 0) {
    // Its neighbours may be new: what is known of the file speaks for them.
    paths_[test.path].total_ns += entry.known.ns;
    ++paths_[test.path].count;
  }
  tests_.push_back(entry);
}

void Estimates::learn(report::TestIndex test, Duration duration) {
  CHECK(test < tests_.size());
  duration = std::clamp(duration, Duration{}, kLongest);
  Mean& mean = paths_[tests_[test].path];
  mean.total_ns += duration.ns;
  ++mean.count;
  suite_.total_ns += duration.ns;
  ++suite_.count;
}

Duration Estimates::of_id(const std::string& id) const {
  if (const auto found = history_.find(id); found != history_.end()) return found->second;
  for (const Mean* mean : {&suite_, &known_}) {
    if (mean->count > 0) return {std::max<int64_t>(1000, mean->total_ns / mean->count)};
  }
  return kGuess;
}

Duration Estimates::of_path(uint32_t path) const {
  const Mean& own = paths_[path];
  for (const Mean* mean : {&own, &suite_, &known_}) {
    if (mean->count > 0) return {std::max<int64_t>(1000, mean->total_ns / mean->count)};
  }
  return kGuess;
}

Duration Estimates::of(report::TestIndex test) const {
  const Entry& entry = tests_[test];
  return entry.known.ns > 0 ? entry.known : of_path(entry.path);
}

}  // namespace dagz::sched
