#pragma once

#include <optional>
#include <string>

// How a process ended, read from the status that waitpid gives on Linux.

namespace dagz::sched {

// The exit code; nothing if a signal ended it.
std::optional<int> exit_code_of(int wait_status);

// "exit status 3", "SIGSEGV", "signal 35"
std::string describe_exit(int wait_status);

}  // namespace dagz::sched
