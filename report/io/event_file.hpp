#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "report/io/outlet.hpp"

// The file of --events. It only ever holds whole lines: a reader may follow it.

namespace dagz::report {

class EventFile {
 public:
  // What a reader may be behind.
  static constexpr std::size_t kBacklogMax = 16U << 20;

  // Empties the file, or makes it. A pipe or a terminal will do, too.
  explicit EventFile(const std::string& path);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  // Why it cannot be opened: a sentence for the user; empty when it is open. Once a write has
  // failed, why.
  const std::string& error() const { return error_; }
  // Another process on this host writes the same file: nothing is written here.
  bool is_taken() const { return taken_; }

  // Waits for no reader: what was not taken yet is written by later calls. False once, when lines
  // could not be written; nothing is written from then on.
  bool write(std::string_view lines);
  // To be polled for writing; -1: nothing waits.
  int poll_fd() const { return outlet_ && outlet_->pending() > 0 ? outlet_->fd() : -1; }
  // Writes until nothing waits. False when nobody took any for so long, or `wake` can be read.
  bool drain(int wake, int stall_ms);

 private:
  bool fail(const std::string& reason);

  int descriptor_ = -1;
  bool regular_ = false;
  bool taken_ = false;
  int64_t size_ = 0;
  std::string error_;
  std::optional<Outlet> outlet_;
};

// Why a file could not be put there at the end of a run, as far as that can be known before.
// Nothing is left behind.
std::optional<std::string> why_not_writable(const std::string& path);

}  // namespace dagz::report
