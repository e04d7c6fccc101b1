#include "sched/estimate.hpp"

#include <algorithm>
#include <utility>

#include "mesh/check.hpp"

namespace dagz::sched {

namespace {

std::string file_of(const std::string& id) { return id.substr(0, id.find("::")); }

// Without its parameters; empty if it has none.
std::string function_of(const std::string& id) {
  const std::size_t end = id.find('[');
  return end == std::string::npos ? std::string{} : id.substr(0, end);
}

bool is_in_file(const std::string& id) { return id.find("::") != std::string::npos; }

}  // namespace

Estimates::Estimates(const std::vector<KnownDuration>& history) {
  history_.reserve(history.size());
  for (const KnownDuration& one : history) {
    history_[one.id] = std::max(one.duration, Duration::microseconds(1));
    File& file = history_of_files_[file_of(one.id)];
    file.total = std::min(file.total + one.duration, kLongest);
    if (!is_in_file(one.id)) continue;
    file.tests.add(one.duration);
    if (const std::string function = function_of(one.id); !function.empty()) {
      history_of_functions_[function].add(one.duration);
    }
    known_.add(one.duration);
  }
}

Duration Estimates::of_collection(const report::Test& collection) const {
  const auto found = history_of_files_.find(collection.id);
  if (found != history_of_files_.end()) return std::max(found->second.total, kGuess);
  const auto kilobytes = static_cast<int64_t>(std::min<uint64_t>(collection.bytes >> 10, 10'000));
  return kGuessPerFile + kGuessPerKilobyte * kilobytes;
}

// Of a test that is not in it; 0: none.
Duration Estimates::guess_from_history(const report::Test& test) const {
  const auto siblings = history_of_functions_.find(function_of(test.id));
  if (siblings != history_of_functions_.end()) return siblings->second.mean();
  if (test.times_usual == 1 || known_.count == 0) return {};
  // Slow is meant beside the others of its file, or beside all.
  Duration usual = known_.mean();
  const auto file = history_of_files_.find(file_of(test.id));
  if (file != history_of_files_.end() && file->second.tests.count > 0) {
    usual = std::max(usual, file->second.tests.mean());
  }
  return std::min(kLongest, usual * test.times_usual);
}

void Estimates::add(const report::Test& test) {
  Entry entry;
  entry.path = test.path;
  entry.times_usual = static_cast<uint16_t>(test.times_usual);
  if (const auto found = history_.find(test.id); found != history_.end()) {
    entry.fixed = found->second;
  } else if (has_history()) {
    entry.fixed = guess_from_history(test);
    entry.is_guess = entry.fixed.ns > 0;
  }
  if (paths_.size() <= test.path) paths_.resize(test.path + 1);
  if (is_in_file(test.id) && !std::exchange(paths_[test.path].looked_up, true)) {
    Path& path = paths_[test.path];
    const auto setup = history_.find(file_of(test.id));
    if (setup != history_.end()) path.setup = std::min(setup->second, kLongest);
    path.is_in_history = history_of_files_.contains(file_of(test.id));
  }
  if (test.collects) {
    entry.fixed = of_collection(test);
    entry.is_guess = !history_of_files_.contains(test.id);
    tests_.push_back(entry);
    return;
  }
  ++all_tests_;
  if (entry.fixed.ns == 0 || entry.is_guess) ++new_tests_;
  if (test.times_usual > 1) paths_[test.path].add_foretold();
  // Its neighbours may be new: what is known of the file speaks for them.
  if (entry.fixed.ns > 0 && !entry.is_guess) paths_[test.path].add(entry.fixed);
  tests_.push_back(entry);
}

void Estimates::learn(report::TestIndex test, Duration duration) {
  CHECK(test < tests_.size());
  // What is said to be slow tells nothing of the others.
  if (tests_[test].times_usual > 1) return;
  duration = std::clamp(duration, Duration{}, kLongest);
  paths_[tests_[test].path].add(duration);
  suite_.add(duration);
}

void Estimates::learn_setup(report::TestIndex test, Duration setup) {
  CHECK(test < tests_.size());
  Path& path = paths_[tests_[test].path];
  if (path.is_in_history) return;
  setup = std::clamp(setup, Duration{}, kLongest);
  if (!std::exchange(path.was_set_up, true)) setups_.add({});
  if (setup <= path.setup) return;
  setups_.total += setup - path.setup;
  path.setup = setup;
}

Duration Estimates::setup_of_path(uint32_t path) const {
  const Path& one = paths_[path];
  if (one.is_in_history || one.was_set_up || setups_.total.ns == 0) return one.setup;
  return setups_.mean();
}

Duration Estimates::of_id(const std::string& id) const {
  if (const auto found = history_.find(id); found != history_.end()) return found->second;
  for (const Mean* mean : {&suite_, &known_}) {
    if (mean->count > 0) return mean->mean();
  }
  return kGuess;
}

Duration Estimates::of_path(uint32_t path) const {
  const Mean& own = paths_[path];
  for (const Mean* mean : {&own, &suite_, &known_}) {
    if (mean->count > 0) return mean->mean();
  }
  return kGuess;
}

void Estimates::Path::add_foretold() {
  ++foretold;
  const auto fourth_power = [](uint64_t n) { return n * n * n * n; };
  while (fourth_power(foretold_root + 1) <= foretold * fourth_power(kRootOfOne)) ++foretold_root;
}

Duration Estimates::foretold_of_path(uint32_t path, uint64_t times) const {
  const auto factor = static_cast<int64_t>(std::min<uint64_t>(times, INT64_MAX));
  const Duration all = std::min(kLongest, of_path(path) * factor);
  return all * kRootOfOne / static_cast<int64_t>(paths_[path].foretold_root);
}

Duration Estimates::of(report::TestIndex test) const {
  const Entry& entry = tests_[test];
  if (entry.fixed.ns > 0) return entry.fixed;
  if (entry.times_usual == 1) return of_path(entry.path);
  return foretold_of_path(entry.path, entry.times_usual);
}

}  // namespace dagz::sched
