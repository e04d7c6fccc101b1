#include "sched/io/orphans.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>
#include <string_view>
#include <utility>

namespace dagz::sched {
namespace {

constexpr int kRoundsMax = 200;
constexpr int kRoundMs = 10;
constexpr std::size_t kReadMax = 128 << 10;
constexpr std::size_t kCommandMax = 80;

// With bare calls on a file that stays open, as this is read after nearly every test.
std::vector<pid_t> children() {
  static const int file =
      open(fmt::format("/proc/self/task/{}/children", gettid()).c_str(), O_RDONLY | O_CLOEXEC);
  std::vector<pid_t> found;
  std::array<char, 4096> buffer;
  pid_t pid = 0;
  off_t at = 0;
  for (ssize_t n = 0; (n = pread(file, buffer.data(), buffer.size(), at)) > 0; at += n) {
    for (const char c : std::string_view(buffer.data(), static_cast<std::size_t>(n))) {
      if (c >= '0' && c <= '9') {
        pid = pid * 10 + (c - '0');
      } else if (pid > 0) {
        found.push_back(std::exchange(pid, 0));
      }
    }
  }
  if (pid > 0) found.push_back(pid);
  return found;
}

std::string contents_of(pid_t pid, const char* name) {
  std::ifstream file(fmt::format("/proc/{}/{}", pid, name), std::ios::binary);
  std::string text(kReadMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

std::string command_of(pid_t pid) {
  std::string text = contents_of(pid, "cmdline").substr(0, kCommandMax);
  while (!text.empty() && text.back() == '\0') text.pop_back();
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\0' || c == '\n'; }, ' ');
  return text;
}

// pytest says what it runs: "PYTEST_CURRENT_TEST=tests/test_a.py::test_x (call)".
std::string test_of(pid_t pid) {
  static constexpr std::string_view kName("\0PYTEST_CURRENT_TEST=", 21);
  const std::string text = '\0' + contents_of(pid, "environ");
  std::size_t at = text.find(kName);
  if (at == std::string::npos) return "";
  at += kName.size();
  std::string value = text.substr(at, text.find('\0', at) - at);
  return value.substr(0, value.rfind(" ("));
}

}  // namespace

std::vector<Orphan> Orphans::look(pid_t spared) {
  std::vector<Orphan> found;
  std::set<pid_t> present;
  for (const pid_t pid : children()) {
    if (pid == spared || waitpid(pid, nullptr, WNOHANG) != 0) continue;
    present.insert(pid);
    if (!known_.contains(pid)) found.push_back({pid, command_of(pid), test_of(pid)});
  }
  known_ = std::move(present);
  return found;
}

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
