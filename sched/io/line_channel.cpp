#include "sched/io/line_channel.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace dagz::sched {

LineChannel::LineChannel(Descriptor socket, std::size_t line_max)
    : socket_(std::move(socket)), line_max_(line_max) {
  fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
}

void LineChannel::send(std::string_view text) {
  if (!open()) return;
  if (unsent_.size() - sent_ + text.size() > kUnsentMax) return close();
  unsent_.append(text);
  flush();
}

void LineChannel::flush() {
  while (wants_write()) {
    const ssize_t n =
        ::send(fd(), unsent_.data() + sent_, unsent_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      sent_ += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      // The peer is gone. What it wrote before may still be read; only writing is over.
      break;
    }
  }
  unsent_.clear();
  sent_ = 0;
}

bool LineChannel::receive(std::size_t most) {
  received_.erase(0, read_);
  searched_ -= std::min(searched_, read_);
  read_ = 0;
  std::array<char, 1 << 16> buffer;
  for (std::size_t taken = 0; open() && taken < most;) {
    const ssize_t n = recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n > 0) {
      received_.append(buffer.data(), static_cast<std::size_t>(n));
      taken += static_cast<std::size_t>(n);
    } else if (n < 0 && errno == EAGAIN) {
      return false;
    } else if (n == 0 || errno != EINTR) {
      close();
    }
  }
  return open();
}

std::optional<std::string_view> LineChannel::next_line() {
  if (overlong_) return std::nullopt;
  const std::size_t end = received_.find('\n', std::max(read_, searched_));
  const bool complete = end != std::string::npos;
  const std::size_t length = (complete ? end : received_.size()) - read_;
  if (length > line_max_) {
    overlong_ = true;
    close();
    return std::nullopt;
  }
  searched_ = complete ? end + 1 : received_.size();
  if (!complete) return std::nullopt;
  const std::string_view line = std::string_view(received_).substr(read_, length);
  read_ = end + 1;
  return line;
}

}  // namespace dagz::sched
