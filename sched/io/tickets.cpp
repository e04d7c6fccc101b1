#include "sched/io/tickets.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace dagz::sched {

// Open for both, so that it has a reader before the worker comes, and a writer as long as we live.
Tickets::Tickets(const std::string& path) {
  unlink(path.c_str());
  if (mkfifo(path.c_str(), 0600) != 0) return;
  pipe_.reset(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
}

bool Tickets::put(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i, ++next_) {
    for (uint32_t shift = 0; shift < 32; shift += 8) {
      text += static_cast<char>((next_ >> shift) & 0xff);
    }
  }
  ssize_t n = 0;
  do {
    n = write(pipe_.get(), text.data(), text.size());
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(text.size());
}

std::size_t Tickets::take_back() {
  std::array<char, 4096> buffer;
  std::size_t bytes = 0;
  while (pipe_.valid()) {
    const ssize_t n = read(pipe_.get(), buffer.data(), buffer.size());
    if (n > 0) bytes += static_cast<std::size_t>(n);
    if (n == 0 || (n < 0 && errno != EINTR)) break;
  }
  return bytes / kBytesEach;
}

}  // namespace dagz::sched
