#include "sched/io/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "mesh/check.hpp"

namespace dagz::sched {
namespace {

constexpr int kExecFailed = 127;
constexpr int kFirstOtherFd = 3;
constexpr int kFdsMax = 1 << 16;
constexpr std::string_view kDefaultPath = "/usr/local/bin:/usr/bin:/bin";

struct Pipe {
  Descriptor read_end;
  Descriptor write_end;
};

std::optional<Pipe> make_pipe() {
  std::array<int, 2> fds{};
  if (pipe2(fds.data(), O_CLOEXEC) != 0) return std::nullopt;
  return Pipe{Descriptor(fds[0]), Descriptor(fds[1])};
}

std::vector<char*> c_strings(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& s : strings) pointers.push_back(const_cast<char*>(s.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// ---- in the child, between fork and exec: async-signal-safe calls only ------------------------

struct ChildPlan {
  const char* path;
  char* const* argv;
  char* const* env;
  const char* cwd;  // nullptr: stay
  int output;
  int report;  // the CLOEXEC pipe that carries errno
  pid_t parent;
};

[[noreturn]] void give_up(const ChildPlan& plan) {
  const int error = errno;
  // Nothing is left to do if even this fails: the parent sees a child that ended with 127.
  [[maybe_unused]] ssize_t written = write(plan.report, &error, sizeof error);
  _exit(kExecFailed);
}

void reset_signals() {
  for (int signal = 1; signal < NSIG; ++signal) std::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void close_on_exec_all() {
#ifdef SYS_close_range
  constexpr unsigned kCloseOnExec = 1U << 2;
  if (syscall(SYS_close_range, kFirstOtherFd, ~0U, kCloseOnExec) == 0) return;
#endif
  for (int fd = kFirstOtherFd; fd < kFdsMax; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
}

[[noreturn]] void run_child(const ChildPlan& plan) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != plan.parent) _exit(kExecFailed);  // died before the line above
  reset_signals();
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(plan.output, STDOUT_FILENO) < 0 ||
      dup2(plan.output, STDERR_FILENO) < 0) {
    give_up(plan);
  }
  close_on_exec_all();
  if (plan.cwd != nullptr && chdir(plan.cwd) != 0) give_up(plan);
  execve(plan.path, plan.argv, plan.env);
  give_up(plan);
}

// ---- in the parent -----------------------------------------------------------------------------

// Our signal handlers must not run in the child; it unblocks once they are gone.
pid_t fork_without_signals() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t pid = fork();
  const int error = errno;
  if (pid != 0) sigprocmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

// The child's errno if it never got to the program, 0 once it runs.
int wait_for_exec(int report) {
  int error = 0;
  ssize_t n = 0;
  do {
    n = read(report, &error, sizeof error);
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(sizeof error) ? error : 0;
}

SpawnError system_error(std::string_view what, int error) {
  return {error, false, fmt::format("{}: {}", what, std::strerror(error))};
}

int wait_blocking(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

bool is_executable_file(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::vector<std::string> own_environment() {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) entries.emplace_back(*entry);
  return entries;
}

Descriptor open_pidfd(pid_t pid) {
#ifdef SYS_pidfd_open
  return Descriptor(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
#else
  static_cast<void>(pid);
  return Descriptor();
#endif
}

std::optional<std::string> find_executable(const std::string& name,
                                           const std::vector<std::string>& env) {
  if (name.find('/') != std::string::npos) return name;
  if (name.empty()) return std::nullopt;
  std::string_view path = kDefaultPath;
  for (const std::string& entry : env) {
    if (entry.starts_with("PATH=")) path = std::string_view(entry).substr(5);
  }
  for (;;) {
    const std::string_view directory = path.substr(0, path.find(':'));
    std::string candidate = fmt::format("{}/{}", directory.empty() ? "." : directory, name);
    if (is_executable_file(candidate)) return candidate;
    if (directory.size() == path.size()) return std::nullopt;
    path.remove_prefix(directory.size() + 1);
  }
}

Process::~Process() {
  if (!running()) return;
  kill_group(SIGKILL);
  wait_blocking(pid_);
}

std::optional<SpawnError> Process::start(const ProcessSpec& spec) {
  CHECK(pid_ < 0 && !spec.argv.empty());
  const std::string& name = spec.argv.front();
  const std::optional<std::string> path = find_executable(name, spec.env);
  if (!path) return SpawnError{ENOENT, true, fmt::format("{}: command not found", name)};

  std::optional<Pipe> output = make_pipe();
  std::optional<Pipe> report = make_pipe();
  if (!output || !report) return system_error("pipe", errno);
  const std::vector<char*> argv = c_strings(spec.argv);
  const std::vector<char*> env = c_strings(spec.env);
  const ChildPlan plan{path->c_str(),
                       argv.data(),
                       env.data(),
                       spec.cwd.empty() ? nullptr : spec.cwd.c_str(),
                       output->write_end.get(),
                       report->write_end.get(),
                       getpid()};
  const pid_t pid = fork_without_signals();
  if (pid < 0) return system_error("fork", errno);
  if (pid == 0) run_child(plan);

  setpgid(pid, pid);  // the child does it, too: whoever comes first
  report->write_end.reset();
  if (const int error = wait_for_exec(report->read_end.get()); error != 0) {
    wait_blocking(pid);
    if (error == ENOENT && access(path->c_str(), F_OK) != 0) {
      return SpawnError{error, true, fmt::format("{}: command not found", name)};
    }
    return system_error(name, error);
  }
  pid_ = pid;
  exit_fd_ = open_pidfd(pid);
  output_fd_ = std::move(output->read_end);
  fcntl(output_fd_.get(), F_SETFL, O_NONBLOCK);
  output_ = BoundedOutput(spec.head_max, spec.tail_max);
  return std::nullopt;
}

void Process::read_output(std::size_t most) {
  std::array<char, 1 << 16> buffer;
  for (std::size_t taken = 0; output_fd_.valid() && taken < most;) {
    const ssize_t n = read(output_fd_.get(), buffer.data(), buffer.size());
    if (n > 0) {
      output_.append({buffer.data(), static_cast<std::size_t>(n)});
      taken += static_cast<std::size_t>(n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      output_fd_.reset();
    } else if (errno == EAGAIN) {
      return;
    }
  }
}

std::optional<int> Process::reap() {
  if (!running()) return status_;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == pid_) {
    status_ = status;
    exit_fd_.reset();
  }
  return status_;
}

void Process::kill_group(int signal) {
  if (pid_ > 0) kill(-pid_, signal);
}

std::optional<uint64_t> resident_memory(pid_t pid) {
  const Descriptor file(open(fmt::format("/proc/{}/statm", pid).c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 128> text{};
  if (pid <= 0 || !file.valid() || read(file.get(), text.data(), text.size() - 1) <= 0) {
    return std::nullopt;
  }
  unsigned long long size = 0;
  unsigned long long resident = 0;
  if (std::sscanf(text.data(), "%llu %llu", &size, &resident) != 2) return std::nullopt;
  return uint64_t{resident} * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace dagz::sched
