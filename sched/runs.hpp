#pragma once

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

}  // namespace dagz::sched
