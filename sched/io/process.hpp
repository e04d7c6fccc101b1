#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "mesh/io/descriptor.hpp"
#include "sched/bounded_output.hpp"

// One child process in a process group of its own, with its output captured. All calls are made by
// one thread, and that thread must live as long as the child: the child dies with it.

namespace dagz::sched {

// This process's environment: "NAME=value".
std::vector<std::string> own_environment();

struct ProcessSpec {
  std::vector<std::string> argv;
  std::vector<std::string> env;  // "NAME=value"; argv[0] is looked up in this PATH
  std::string cwd;               // empty: ours
  std::size_t head_max = 64 << 10;
  std::size_t tail_max = 64 << 10;
};

struct SpawnError {
  int error = 0;  // errno
  bool not_found = false;
  std::string text;  // "pytest: command not found"
};

class Process {
 public:
  Process() = default;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  // If the child still runs: kills its group and waits for it, which after SIGKILL takes
  // milliseconds.
  ~Process();

  // The child gets /dev/null as its input, our pipe as output and error, default signals, no other
  // descriptor, and SIGKILL when our thread ends. Once only. On an error there is no child.
  std::optional<SpawnError> start(const ProcessSpec& spec);

  // To be polled for reading; -1: nothing to wait for (never started, or at its end).
  int output_fd() const { return output_fd_.get(); }
  // Readable when the child has ended; -1 also where the kernel has no pidfd: call `reap` at times.
  int exit_fd() const { return exit_fd_.get(); }

  // Takes in what the pipe holds, at most about `most` bytes. Never blocks.
  void read_output(std::size_t most = 1 << 20);
  BoundedOutput& output() { return output_; }

  // The raw wait status once the child has ended, then always. Never blocks.
  std::optional<int> reap();
  bool running() const { return pid_ > 0 && !status_; }
  pid_t pid() const { return pid_; }

  // To every process of the group. Also right after `reap` told the child's end, for what it left
  // behind; not later, as its number may then belong to others. No fault if none is left.
  void kill_group(int signal);

 private:
  pid_t pid_ = -1;
  Descriptor output_fd_;
  Descriptor exit_fd_;
  std::optional<int> status_;
  BoundedOutput output_{0, 0};
};

// -1 where the kernel has none; closed on exec.
Descriptor open_pidfd(pid_t pid);

// What the process has in memory, in bytes: pages that it shares with others count in full. Nothing
// if there is no such process.
std::optional<uint64_t> resident_memory(pid_t pid);

// The path of `name` in the PATH of `env`; nothing if there is no such command. A name with a slash
// is taken as it is.
std::optional<std::string> find_executable(const std::string& name,
                                           const std::vector<std::string>& env);

}  // namespace dagz::sched
