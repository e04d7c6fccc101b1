#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "mesh/io/descriptor.hpp"

namespace dagz::sched {

// One connected stream socket that carries lines both ways, without ever blocking. A peer that
// sends a line over the limit, or does not read what it is sent, ends as closed.
class LineChannel {
 public:
  static constexpr std::size_t kUnsentMax = 256 << 20;  // bytes

  // `line_max` is without the line break.
  LineChannel(Descriptor socket, std::size_t line_max);

  void set_line_max(std::size_t line_max) { line_max_ = line_max; }
  int fd() const { return socket_.get(); }
  bool open() const { return socket_.valid(); }
  void close() { socket_.reset(); }
  bool wants_write() const { return open() && sent_ < unsent_.size(); }

  // Queues `text` (whole lines) and sends what fits. Nothing happens once closed.
  void send(std::string_view text);
  void flush();

  // Takes in up to about `most` bytes; true if there may be more. Closes at the peer's end, but the
  // lines that came before it stay readable.
  bool receive(std::size_t most);
  // The next complete line, valid until the next `receive`. A last line without a break is dropped:
  // its writer died within it.
  std::optional<std::string_view> next_line();
  // A line went over its limit: nothing after it was read.
  bool overlong() const { return overlong_; }

 private:
  Descriptor socket_;
  std::size_t line_max_;
  std::string received_;
  std::size_t read_ = 0;      // of received_, handed out as lines
  std::size_t searched_ = 0;  // of received_, known to hold no further break
  std::string unsent_;
  std::size_t sent_ = 0;  // of unsent_
  bool overlong_ = false;
};

}  // namespace dagz::sched
