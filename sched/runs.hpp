#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "report/job_state.hpp"

namespace dagz::sched {

// Adds one more test to a list of runs: the neighbour of the last one makes that run longer.
inline void add_place(std::vector<report::Run>& runs, const report::Place& place) {
  if (!runs.empty() && runs.back().file == place.file &&
      runs.back().first + runs.back().count == place.index) {
    ++runs.back().count;
  } else {
    runs.push_back({place.file, place.index, 1});
  }
}

// Calls back with each test of these runs that is known; a run ends with its file.
template <class Visit>
void for_each_test(const report::JobState& job, const std::vector<report::Run>& runs, Visit visit) {
  for (const report::Run& run : runs) {
    const auto file = job.files().find(run.file);
    if (file == job.files().end()) continue;
    const std::vector<report::TestIndex>& tests = file->second.tests;
    const uint64_t end = std::min<uint64_t>(uint64_t{run.first} + run.count, tests.size());
    for (uint64_t i = run.first; i < end; ++i) {
      if (tests[i] != report::kNone) visit(tests[i]);
    }
  }
}

// Tests that passed in an earlier attempt, as entries that fit.
class RedundantRuns {
 public:
  explicit RedundantRuns(int64_t attempt_wall_ms) : attempt_wall_ms_(attempt_wall_ms) {}

  void add(const report::Place& place, Duration expected) {
    if (entries_.empty() || entries_.back().runs.size() == report::kRunsWrittenMax) {
      entries_.push_back({attempt_wall_ms_, {}, {}});
      total_ = {};
      count_ = 0;
    }
    report::Redundant& last = entries_.back();
    add_place(last.runs, place);
    total_ += expected;
    last.each = total_ / ++count_;
  }
  std::vector<report::Redundant> take() { return std::exchange(entries_, {}); }

 private:
  int64_t attempt_wall_ms_;
  std::vector<report::Redundant> entries_;
  Duration total_;  // of the last one
  int64_t count_ = 0;
};

}  // namespace dagz::sched
