#pragma once

#include <cstdint>

#include "mesh/time.hpp"
#include "report/job_state.hpp"

// When a failed test is not tried again although tries are left. Pure functions of the fold, so
// that the scheduler and all nodes come to the same answer.

namespace dagz::sched {

struct RetryLimits {
  // More failing tests than this, and more than this share of all: something is broken.
  uint64_t failing_max = 10;
  uint32_t failing_max_percent = 10;
  // A test that takes longer than this, and longer than this share of what each worker has to do in
  // the whole job, is out of proportion.
  Duration long_test = Duration::seconds(10);
  uint32_t long_test_percent = 25;
};

// So many tests fail that it is no flakiness.
bool is_landslide(const report::JobState& job, const RetryLimits& limits);

// A second retry would cost too much. `even_share`: of all tests' time, for each worker.
bool is_out_of_proportion(Duration took, Duration even_share, const RetryLimits& limits);

}  // namespace dagz::sched
