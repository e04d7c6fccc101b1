#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "report/outcome.hpp"

// What the job says of a test: a pure function of the set of its outcomes, whatever their order and
// whichever side of a split they come from.

namespace dagz::report {

enum class Verdict : uint8_t {
  kPending = 0,  // no outcome yet
  kRetry = 1,    // failed, and tries are left
  kOk = 2,
  kOkFlaky = 3,  // failed and passed
  kFailed = 4,
  kError = 5,
  kSkipped = 6,
  kXfail = 7,
  kXpass = 8,
  kTimeout = 9,
  kCrashed = 10,
  kRedundant = 11,  // passed in the attempt before this rerun
};

// The word in progress lines and reports: OK, OK_FLAKY, FAILED, RETRY, SKIPPED, XFAIL, XPASS,
// ERROR, TIMEOUT, CRASHED, REDUNDANT, PENDING.
std::string_view to_string(Verdict verdict);

// Failed, error, timeout or crashed: fails the job.
bool is_failure(Verdict verdict);

// The counters of the console: every finished test is in exactly one of them.
enum class Bucket : uint8_t {
  kPassed,
  kFailed,
  kFlaky,
  kErrors,
  kSkipped,
  kRedundant,
  kUnfinished
};
// XFAIL counts as skipped and XPASS as passed, as pytest's JUnit files have it.
Bucket bucket_of(Verdict verdict);

// `final` says that no further try will be made.
// Failures rank crashed > timeout > error > failed, so that the verdict names the worst of them.
// Passed and xpassed make up for a failure; skipped and xfailed do not: they show nothing, and a
// suite may skip or expect to fail whatever follows a failure. Without a failure passed > xpassed >
// xfailed > skipped. No outcome is kPending, final or not.
Verdict decide(const std::vector<Outcome>& outcomes, bool final);

}  // namespace dagz::report
