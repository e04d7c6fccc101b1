#include "sched/exit_status.hpp"

#include <fmt/format.h>

#include <csignal>
#include <string_view>

namespace dagz::sched {
namespace {

struct SignalName {
  int signal;
  std::string_view name;
};

constexpr SignalName kSignalNames[] = {
    {SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},       {SIGQUIT, "SIGQUIT"}, {SIGILL, "SIGILL"},
    {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"},     {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
    {SIGKILL, "SIGKILL"}, {SIGUSR1, "SIGUSR1"},     {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},
    {SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"},     {SIGTERM, "SIGTERM"}, {SIGXCPU, "SIGXCPU"},
    {SIGXFSZ, "SIGXFSZ"}, {SIGVTALRM, "SIGVTALRM"}, {SIGPROF, "SIGPROF"}, {SIGSYS, "SIGSYS"},
};

// As WIFSIGNALED and its kin, which live in a system header that cores do without.
int signal_of(int wait_status) { return wait_status & 0x7F; }

}  // namespace

std::optional<int> exit_code_of(int wait_status) {
  if (signal_of(wait_status) != 0) return std::nullopt;
  return (wait_status >> 8) & 0xFF;
}

std::string describe_exit(int wait_status) {
  if (const auto code = exit_code_of(wait_status)) return fmt::format("exit status {}", *code);
  for (const SignalName& entry : kSignalNames) {
    if (entry.signal == signal_of(wait_status)) return std::string(entry.name);
  }
  return fmt::format("signal {}", signal_of(wait_status));
}

}  // namespace dagz::sched
