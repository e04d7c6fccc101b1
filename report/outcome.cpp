#include "report/outcome.hpp"

namespace dagz::report {

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPassed:
      return "passed";
    case Outcome::kFailed:
      return "failed";
    case Outcome::kError:
      return "error";
    case Outcome::kSkipped:
      return "skipped";
    case Outcome::kXfailed:
      return "xfailed";
    case Outcome::kXpassed:
      return "xpassed";
    case Outcome::kTimedOut:
      return "timeout";
    case Outcome::kCrashed:
      return "crashed";
    case Outcome::kStopped:
      return "stopped";
  }
  return "unknown";
}

bool is_failure(Outcome outcome) {
  return outcome == Outcome::kFailed || outcome == Outcome::kError ||
         outcome == Outcome::kTimedOut || outcome == Outcome::kCrashed;
}

}  // namespace dagz::report
