#include "sched/estimate.hpp"

#include <algorithm>

#include "mesh/check.hpp"

namespace dagz::sched {

Estimates::Estimates(const std::vector<KnownDuration>& history) {
  history_.reserve(history.size());
  for (const KnownDuration& one : history) {
    history_[one.id] = std::max(one.duration, Duration::microseconds(1));
    Duration& file = history_of_files_[one.id.substr(0, one.id.find("::"))];
    file = std::min(file + one.duration, kLongest);
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

Duration Estimates::of_path(uint32_t path) const {
  for (const Mean* mean : {&paths_[path], &suite_, &known_}) {
    if (mean->count > 0) return {std::max<int64_t>(1000, mean->total_ns / mean->count)};
  }
  return kGuess;
}

Duration Estimates::of(report::TestIndex test) const {
  const Entry& entry = tests_[test];
  return entry.known.ns > 0 ? entry.known : of_path(entry.path);
}

}  // namespace dagz::sched
