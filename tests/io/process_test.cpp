#include "sched/io/process.hpp"

#include <poll.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <string>

#include "sched/exit_status.hpp"

// Real children: how they start, what they inherit, how their end is seen.

namespace {

using namespace dagz::sched;

constexpr int kPatienceMs = 20'000;

ProcessSpec shell(const std::string& script) {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", script};
  spec.env = {"PATH=/usr/bin:/bin"};
  return spec;
}

int wait_for_end(Process& process) {
  pollfd item{process.exit_fd(), POLLIN, 0};
  if (process.running()) REQUIRE(::poll(&item, 1, kPatienceMs) == 1);
  const auto status = process.reap();
  REQUIRE(status);
  return *status;
}

std::string output_until_end(Process& process) {
  while (process.output_fd() >= 0) {
    pollfd item{process.output_fd(), POLLIN, 0};
    REQUIRE(::poll(&item, 1, kPatienceMs) == 1);
    process.read_output();
  }
  return process.output().text();
}

std::string output_of(const ProcessSpec& spec) {
  Process process;
  REQUIRE_FALSE(process.start(spec));
  std::string output = output_until_end(process);
  wait_for_end(process);
  return output;
}

}  // namespace

TEST_CASE("process: output of both streams and the exit status", "[sched]") {
  Process process;
  REQUIRE_FALSE(process.start(shell("echo out; echo err >&2; exit 3")));
  CHECK(output_until_end(process) == "out\nerr\n");
  CHECK(describe_exit(wait_for_end(process)) == "exit status 3");
  CHECK_FALSE(process.running());
  CHECK(process.reap().has_value());
}

TEST_CASE("process: environment, directory and input are what was asked for", "[sched]") {
  ProcessSpec spec = shell("echo \"$A-$B\"; pwd; wc -c");
  spec.env.push_back("A=1 2");
  spec.cwd = "/usr";
  CHECK(output_of(spec) == "1 2-\n/usr\n0\n");
}

TEST_CASE("process: no descriptor of ours is inherited, signals are as new", "[sched]") {
  const int leaked = dup(STDERR_FILENO);  // without CLOEXEC
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  const auto old_pipe = std::signal(SIGPIPE, SIG_IGN);
  const auto old_limit = std::signal(SIGXFSZ, SIG_IGN);  // as main does
  ProcessSpec spec = shell("");
  spec.argv = {"ls", "/proc/self/fd"};
  const std::string descriptors = output_of(spec);
  spec.argv = {"grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"};
  const std::string signals = output_of(spec);
  std::signal(SIGXFSZ, old_limit);
  std::signal(SIGPIPE, old_pipe);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  close(leaked);
  CHECK(descriptors == "0\n1\n2\n3\n");  // 3 is what ls itself opens
  CHECK(signals == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_CASE("process: it leads a group of its own", "[sched]") {
  Process process;
  REQUIRE_FALSE(process.start(shell("echo ready; exec sleep 600")));
  CHECK(getpgid(process.pid()) == process.pid());
  process.kill_group(SIGTERM);
  CHECK(describe_exit(wait_for_end(process)) == "SIGTERM");
}

TEST_CASE("process: the whole group is killed, also after its leader's end", "[sched]") {
  Process process;
  REQUIRE_FALSE(process.start(shell("sleep 600 & exit 0")));
  wait_for_end(process);
  CHECK(process.output_fd() >= 0);  // the sleeper holds the pipe
  process.kill_group(SIGKILL);
  CHECK(output_until_end(process).empty());
}

TEST_CASE("process: its end kills the child", "[sched]") {
  pid_t pid = 0;
  {
    Process process;
    REQUIRE_FALSE(process.start(shell("trap '' TERM INT HUP; while :; do sleep 600; done")));
    pid = process.pid();
    CHECK(kill(pid, 0) == 0);
  }
  CHECK(kill(pid, 0) == -1);
  CHECK(errno == ESRCH);
}

TEST_CASE("process: what cannot be started is an error with its reason", "[sched]") {
  ProcessSpec spec = shell("");
  auto error_of = [&spec](const std::string& name) {
    spec.argv = {name};
    Process process;
    const auto error = process.start(spec);
    REQUIRE(error);
    CHECK_FALSE(process.running());
    CHECK(process.output_fd() == -1);
    return *error;
  };
  CHECK(error_of("no-such-command").text == "no-such-command: command not found");
  CHECK(error_of("no-such-command").not_found);
  CHECK(error_of("/no/such/command").not_found);
  CHECK(error_of("/etc/passwd").text == "/etc/passwd: Permission denied");
  CHECK_FALSE(error_of("/etc/passwd").not_found);
  CHECK(error_of("").not_found);
  spec.cwd = "/no/such/directory";
  CHECK_FALSE(error_of("true").not_found);
}

TEST_CASE("process: a flood of output is bounded", "[sched]") {
  ProcessSpec spec = shell("echo begin; head -c 3000000 /dev/zero; echo end");
  spec.head_max = 6;
  spec.tail_max = 4;
  CHECK(output_of(spec) == "begin\n[... 3000000 bytes left out ...]\nend\n");
}

TEST_CASE("process: the memory of a process is known while it lives", "[sched]") {
  const auto own = resident_memory(getpid());
  REQUIRE(own);
  CHECK(*own > 1 << 20);
  CHECK_FALSE(resident_memory(0));
  CHECK_FALSE(resident_memory(-1));
  Process process;
  REQUIRE_FALSE(process.start(shell("true")));
  const pid_t pid = process.pid();
  while (!process.reap()) {
  }
  CHECK_FALSE(resident_memory(pid));
}
