#include "report/verdict.hpp"

#include <array>

namespace dagz::report {

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPending:
      return "PENDING";
    case Verdict::kRetry:
      return "RETRY";
    case Verdict::kOk:
      return "OK";
    case Verdict::kOkFlaky:
      return "OK_FLAKY";
    case Verdict::kFailed:
      return "FAILED";
    case Verdict::kError:
      return "ERROR";
    case Verdict::kSkipped:
      return "SKIPPED";
    case Verdict::kXfail:
      return "XFAIL";
    case Verdict::kXpass:
      return "XPASS";
    case Verdict::kTimeout:
      return "TIMEOUT";
    case Verdict::kCrashed:
      return "CRASHED";
    case Verdict::kRedundant:
      return "REDUNDANT";
  }
  return "UNKNOWN";
}

bool is_failure(Verdict verdict) {
  return verdict == Verdict::kFailed || verdict == Verdict::kError ||
         verdict == Verdict::kTimeout || verdict == Verdict::kCrashed;
}

Bucket bucket_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
    case Verdict::kXpass:
      return Bucket::kPassed;
    case Verdict::kOkFlaky:
      return Bucket::kFlaky;
    case Verdict::kFailed:
    case Verdict::kTimeout:
    case Verdict::kCrashed:
      return Bucket::kFailed;
    case Verdict::kError:
      return Bucket::kErrors;
    case Verdict::kSkipped:
    case Verdict::kXfail:
      return Bucket::kSkipped;
    case Verdict::kRedundant:
      return Bucket::kRedundant;
    case Verdict::kPending:
    case Verdict::kRetry:
      return Bucket::kUnfinished;
  }
  return Bucket::kUnfinished;
}

Verdict decide(const std::vector<Outcome>& outcomes, bool final) {
  std::array<bool, kOutcomeCount> seen{};
  bool failed = false;
  for (const Outcome outcome : outcomes) {
    const auto index = static_cast<std::size_t>(outcome);
    if (index < seen.size()) seen[index] = true;
    failed = failed || is_failure(outcome);
  }
  const auto has = [&seen](Outcome outcome) { return seen[static_cast<std::size_t>(outcome)]; };
  const bool good = has(Outcome::kPassed) || has(Outcome::kXpassed);

  if (failed && good) return Verdict::kOkFlaky;
  if (failed && !final) return Verdict::kRetry;
  if (has(Outcome::kCrashed)) return Verdict::kCrashed;
  if (has(Outcome::kTimedOut)) return Verdict::kTimeout;
  if (has(Outcome::kError)) return Verdict::kError;
  if (has(Outcome::kFailed)) return Verdict::kFailed;
  if (has(Outcome::kPassed)) return Verdict::kOk;
  if (has(Outcome::kXpassed)) return Verdict::kXpass;
  if (has(Outcome::kXfailed)) return Verdict::kXfail;
  if (has(Outcome::kSkipped)) return Verdict::kSkipped;
  return Verdict::kPending;
}

}  // namespace dagz::report
