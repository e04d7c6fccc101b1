#include "sched/io/orphans.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <vector>

namespace dagz::sched {
namespace {

constexpr int kRoundsMax = 200;
constexpr int kRoundMs = 10;

std::vector<pid_t> children() {
  std::ifstream file(fmt::format("/proc/self/task/{}/children", gettid()));
  std::vector<pid_t> found;
  for (pid_t pid = 0; file >> pid;) found.push_back(pid);
  return found;
}

}  // namespace

void end_orphans(pid_t spared) {
  for (int round = 0; round < kRoundsMax; ++round) {
    bool any = false;
    for (const pid_t pid : children()) {
      if (pid == spared || waitpid(pid, nullptr, WNOHANG) != 0) continue;
      any = true;
      if (getpgid(pid) == pid) kill(-pid, SIGKILL);
      kill(pid, SIGKILL);
    }
    // An orphan's children come to us only once it has been seen to end.
    if (!any && children().size() <= (spared > 0 ? 1U : 0U)) return;
    ::poll(nullptr, 0, kRoundMs);
  }
}

}  // namespace dagz::sched
