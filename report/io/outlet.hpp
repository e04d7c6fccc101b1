#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// What goes out by a descriptor, in order, and without ever waiting for whoever reads it.

namespace dagz::report {

class Outlet {
 public:
  // The descriptor stays the caller's, and so do its flags: other processes share them.
  explicit Outlet(int descriptor);
  ~Outlet();
  Outlet(const Outlet&) = delete;
  Outlet& operator=(const Outlet&) = delete;

  void add(std::string_view bytes);
  // Writes what is taken at this moment. False when bytes were lost: the reader is gone (EPIPE),
  // the disk is full, … Later calls try again, but for a reader that is gone.
  bool write();
  std::size_t pending() const { return bytes_.size() - at_; }
  // To be polled for writing while something is pending.
  int fd() const { return descriptor_; }

  // Waits until something may be taken again, and returns 0; ETIMEDOUT after so long, ECANCELED
  // once `wake` (-1: nothing) can be read.
  int wait(int wake, int stall_ms) const;
  // What is pending, and all that is added later, is lost for this reason.
  void give_up(int error);

  uint64_t lost_bytes() const { return lost_bytes_; }
  // The errno of the last loss; 0: nothing was lost.
  int error() const { return error_; }

 private:
  enum class Way : uint8_t {
    kFile,    // nobody reads it: it takes everything at once
    kSocket,  // takes what it can when asked so
    kOwn,     // does not block
    kShared,  // may block, and may not be changed
  };

  bool is_ready() const;
  std::string_view next_piece() const;
  void lose(int error);

  int descriptor_;
  bool is_ours_ = false;  // to close
  Way way_ = Way::kFile;
  bool gone_ = false;
  std::string bytes_;
  std::size_t at_ = 0;  // of what is pending, in bytes_
  uint64_t lost_bytes_ = 0;
  int error_ = 0;
};

}  // namespace dagz::report
