#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "mesh/io/descriptor.hpp"
#include "sched/runner.hpp"
#include "sched/runners/pytest_driver.hpp"

namespace dagz::sched {

// The private directory of one RunnerHost: the listening socket, the driver's modules and for each
// worker a log and its tickets. Only our user can look into it; it is removed with this object. It
// is locked, so that the next process of this user can tell and remove what was left behind by one
// that was killed.
class RunnerFiles {
 public:
  static constexpr std::size_t kLogTailMax = 16 << 10;  // bytes

  RunnerFiles() = default;
  RunnerFiles(const RunnerFiles&) = delete;
  RunnerFiles& operator=(const RunnerFiles&) = delete;
  ~RunnerFiles() { remove(); }

  // Under $TMPDIR or, where that is unusable or too long for a socket's name, under /tmp. A
  // sentence on failure.
  std::optional<std::string> create(std::span<const DriverModule> driver);
  // Everything of it; may be called again.
  void remove();

  const std::string& directory() const { return directory_; }
  std::string socket_path() const { return directory_ + "/s"; }
  std::string module_directory() const { return directory_ + "/lib"; }
  std::string log_path(Slot slot) const;
  std::string tickets_path(Slot slot) const;

  // From now on another pytest of the command is an ordinary one, or no longer so.
  void mark_taken() const;
  void unmark_taken() const;
  // A pytest of the command has left word that it only shows something: --collect-only and its kin.
  bool asked_for_text() const;

  int listen_fd() const { return listen_fd_.get(); }
  void stop_listening() { listen_fd_.reset(); }

  // A peer of our own user, or nothing (none is waiting, or it was a stranger's and is closed).
  struct Peer {
    Descriptor socket;
    pid_t pid = 0;  // as the kernel knows it
  };
  std::optional<Peer> accept_peer();

  // Empties the worker's log, or makes it.
  void begin_log(Slot slot);
  // The end of it.
  std::string log_tail(Slot slot) const;

 private:
  std::optional<std::string> create_under(const std::string& parent,
                                          std::span<const DriverModule> driver);
  bool write_modules(std::span<const DriverModule> driver) const;
  bool listen();

  std::string directory_;
  Descriptor lock_;
  Descriptor listen_fd_;
};

}  // namespace dagz::sched
