#pragma once

#include <cstdint>
#include <string_view>

// What one execution (attempt) of one test came to. Values are on the wire and in the history:
// append only.

namespace dagz::report {

enum class Outcome : uint8_t {
  kPassed = 0,
  kFailed = 1,
  kError = 2,  // set-up or tear-down failed
  kSkipped = 3,
  kXfailed = 4,  // marked as expected to fail, and did
  kXpassed = 5,  // marked as expected to fail, and passed
  kTimedOut = 6,
  kCrashed = 7,  // took its worker process down
  kStopped = 8,  // ended with the job, while it ran: no result
};
inline constexpr uint8_t kOutcomeCount = 9;

// passed failed error skipped xfailed xpassed timeout crashed stopped
std::string_view to_string(Outcome outcome);

// Failed, error, timeout, crashed.
bool is_failure(Outcome outcome);

}  // namespace dagz::report
