#include "report/summary.hpp"

namespace dagz::report {
namespace {

// Does this outcome explain the verdict?
bool explains(Outcome outcome, Verdict verdict) {
  switch (verdict) {
    case Verdict::kFailed:
      return outcome == Outcome::kFailed;
    case Verdict::kError:
      return outcome == Outcome::kError;
    case Verdict::kTimeout:
      return outcome == Outcome::kTimedOut;
    case Verdict::kCrashed:
      return outcome == Outcome::kCrashed;
    case Verdict::kRetry:
    case Verdict::kOkFlaky:
      return is_failure(outcome);
    default:
      return true;
  }
}

}  // namespace

std::string_view to_string(JobStatus status) {
  switch (status) {
    case JobStatus::kRunning:
      return "RUNNING";
    case JobStatus::kPassed:
      return "PASSED";
    case JobStatus::kFailed:
      return "FAILED";
    case JobStatus::kInterrupted:
      return "INTERRUPTED";
    case JobStatus::kIncomplete:
      return "INCOMPLETE";
    case JobStatus::kEmpty:
      return "EMPTY";
  }
  return "UNKNOWN";
}

Counts count_tests(const std::vector<TestSummary>& tests, std::size_t collection_errors) {
  Counts counts;
  counts.errors = collection_errors;
  counts.total = tests.size();
  for (const TestSummary& test : tests) {
    switch (bucket_of(test.verdict)) {
      case Bucket::kPassed:
        ++counts.passed;
        break;
      case Bucket::kFailed:
        ++counts.failed;
        break;
      case Bucket::kFlaky:
        ++counts.flaky;
        break;
      case Bucket::kErrors:
        ++counts.errors;
        break;
      case Bucket::kSkipped:
        ++counts.skipped;
        break;
      case Bucket::kRedundant:
        ++counts.redundant;
        break;
      case Bucket::kUnfinished:
        ++counts.unfinished;
        break;
    }
    if (test.verdict == Verdict::kRetry) ++counts.retrying;
  }
  return counts;
}

bool fails_by_collections(const JobSummary& summary) {
  return summary.strict_collection && summary.collections_differ;
}

bool fails_by_flaky_tests(const JobSummary& summary) {
  return summary.flaky_fails && summary.counts.flaky > 0;
}

void tell_why_failed(JobSummary& summary) {
  if (summary.status != JobStatus::kFailed) return;
  if (fails_by_collections(summary)) {
    summary.notes.emplace_back("--strict-collection: different collections fail the job");
  }
  if (fails_by_flaky_tests(summary)) {
    const uint64_t flaky = summary.counts.flaky;
    summary.notes.push_back("--flaky fail: " + std::to_string(flaky) +
                            (flaky == 1 ? " flaky test fails" : " flaky tests fail") + " the job");
  }
}

JobStatus final_status(const JobSummary& summary, bool interrupted) {
  const Counts& counts = summary.counts;
  if (interrupted) return JobStatus::kInterrupted;
  if (counts.failed + counts.errors > 0) return JobStatus::kFailed;
  if (fails_by_collections(summary)) return JobStatus::kFailed;
  if (counts.unfinished > 0) return JobStatus::kIncomplete;
  if (counts.total == 0) return JobStatus::kEmpty;
  return fails_by_flaky_tests(summary) ? JobStatus::kFailed : JobStatus::kPassed;
}

const AttemptSummary* shown_attempt(const TestSummary& test) {
  const AttemptSummary* shown = nullptr;
  const AttemptSummary* failed = nullptr;
  for (const AttemptSummary& attempt : test.attempts) {
    if (explains(attempt.outcome, test.verdict)) shown = &attempt;
    if (is_failure(attempt.outcome)) failed = &attempt;
  }
  if (shown != nullptr) return shown;
  if (failed != nullptr) return failed;
  return test.attempts.empty() ? nullptr : &test.attempts.back();
}

bool was_stopped(const TestSummary& test) {
  return test.verdict == Verdict::kPending && !test.attempts.empty() &&
         test.attempts.back().outcome == Outcome::kStopped;
}

TryNumber try_number(const TestSummary& test, std::size_t index) {
  std::vector<std::size_t> numbers;
  TryNumber result;
  for (std::size_t i = 0; i < test.attempts.size(); ++i) {
    const AttemptSummary& one = test.attempts[i];
    std::size_t number = 0;
    for (std::size_t j = 0; j < i && one.outcome == Outcome::kError; ++j) {
      const AttemptSummary& before = test.attempts[j];
      if (before.node == one.node && before.run == one.run) number = numbers[j];
    }
    numbers.push_back(number > 0 ? number : ++result.count);
  }
  result.number = numbers.at(index);
  return result;
}

}  // namespace dagz::report
