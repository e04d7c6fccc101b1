#include "sched/retry.hpp"

namespace dagz::sched {

bool is_landslide(const report::JobState& job, const RetryLimits& limits) {
  // Of a suite that is still being collected nobody knows what a tenth is.
  if (job.uncollected() > 0) return false;
  const report::Counts& counts = job.counts();
  const uint64_t failing = counts.failed + counts.errors + job.retrying();
  return failing > limits.failing_max && failing * 100 > counts.total * limits.failing_max_percent;
}

bool is_out_of_proportion(Duration took, Duration even_share, const RetryLimits& limits) {
  return took > limits.long_test && took > even_share / 100 * int64_t{limits.long_test_percent};
}

}  // namespace dagz::sched
