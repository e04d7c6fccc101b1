#include "report/exit_code.hpp"

#include <string_view>

namespace dagz::report {
namespace {

bool failed_on(const TestSummary& test, std::string_view node) {
  for (const AttemptSummary& attempt : test.attempts) {
    if (attempt.node == node && is_failure(attempt.outcome)) return true;
  }
  return false;
}

// The failures and flaky tests that `node` had a part in.
Counts own_counts(const JobSummary& summary, std::string_view node) {
  Counts own;
  own.errors = summary.collection_errors.size();
  for (const TestSummary& test : summary.tests) {
    if (!failed_on(test, node)) continue;
    if (is_failure(test.verdict)) ++own.failed;
    if (test.verdict == Verdict::kOkFlaky) ++own.flaky;
  }
  return own;
}

}  // namespace

int exit_code(const JobSummary& summary, const ExitPolicy& policy) {
  const bool whole = policy.own_node.empty();
  const Counts counts = whole ? summary.counts : own_counts(summary, policy.own_node);
  const bool differ = fails_by_collections(summary);
  const bool unexplained =
      whole && summary.status == JobStatus::kFailed && !differ && !fails_by_flaky_tests(summary);
  const bool failed =
      counts.failed + counts.errors > 0 || !summary.collection_errors.empty() || unexplained;

  if (summary.status == JobStatus::kInterrupted) return kExitInterrupted;
  if (failed) return kExitFailed;
  if (differ) return kExitCollectionsDiffer;
  if (summary.status == JobStatus::kIncomplete || summary.status == JobStatus::kRunning) {
    return kExitIncomplete;
  }
  if (summary.status == JobStatus::kEmpty) return kExitEmpty;
  if (summary.flaky_fails && counts.flaky > 0) return kExitFlaky;
  return policy.max_warnings ? kExitMaxWarnings : kExitPassed;
}

}  // namespace dagz::report
