#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sched/runner.hpp"

// What it means that the user's command ended before all of its tests were handed out. Codes are
// those of `dagz run`; pytest's own (2 interrupted, 3 internal, 4 usage, 5 nothing collected, 6
// warnings) mean the same and pass through.

namespace dagz::sched {

struct CommandEnd {
  std::vector<std::string> argv;
  int wait_status = 0;
  bool connected = false;  // the driver said hello: pytest was started and saw PYTEST_PLUGINS
  bool collected = false;  // the whole catalog was told
  bool text_only = false;  // pytest was asked for text, and says so (its own options are not seen)
  std::optional<std::string> failure;      // what the driver said when it gave up
  std::string collecting;                  // the file or directory that it last began to collect
  std::string output;                      // standard output and error, bounded
  bool session_ended = false;              // pytest said so, and did not just vanish
  std::optional<std::string> exit_reason;  // pytest.exit was called before all was collected
};

// Exit code 0 is possible: `--version` or `--collect-only` end well without a catalog, and `text`
// is what they printed.
RunnerFailed explain_command_end(const CommandEnd& end);

// The command could not be started; `reason` is the system's word for it.
RunnerFailed explain_start_failure(const std::vector<std::string>& argv, bool not_found,
                                   const std::string& reason);

}  // namespace dagz::sched
