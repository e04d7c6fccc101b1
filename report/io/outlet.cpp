#include "report/io/outlet.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "report/io/pipe_guard.hpp"

namespace dagz::report {
namespace {

constexpr std::size_t kCompactFrom = 1U << 20;

// Another description of the same pipe or terminal, whose flags nobody shares. Below zero where
// that is not permitted, or the reader is gone.
int reopened(int descriptor) {
  const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  return ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

}  // namespace

Outlet::Outlet(int descriptor) : descriptor_(descriptor) {
  struct stat status = {};
  if (::fstat(descriptor, &status) != 0) return;
  if (S_ISSOCK(status.st_mode)) way_ = Way::kSocket;
  if (!S_ISFIFO(status.st_mode) && ::isatty(descriptor) != 1) return;
  if ((::fcntl(descriptor, F_GETFL) & O_NONBLOCK) != 0) {
    way_ = Way::kOwn;
    return;
  }
  const int own = reopened(descriptor);
  way_ = own >= 0 ? Way::kOwn : Way::kShared;
  is_ours_ = own >= 0;
  if (is_ours_) descriptor_ = own;
}

Outlet::~Outlet() {
  if (is_ours_) ::close(descriptor_);
}

void Outlet::add(std::string_view bytes) {
  if (gone_) {
    lost_bytes_ += bytes.size();
    return;
  }
  if (at_ == bytes_.size() || at_ > kCompactFrom) {
    bytes_.erase(0, at_);
    at_ = 0;
  }
  bytes_ += bytes;
}

// A pipe that is ready takes so much without blocking, and at one go: lines of several processes
// on one pipe stay whole.
std::string_view Outlet::next_piece() const {
  const std::string_view rest = std::string_view(bytes_).substr(at_);
  if (way_ == Way::kFile || rest.size() <= PIPE_BUF) return rest;
  const std::size_t line_end = rest.rfind('\n', PIPE_BUF - 1);
  return rest.substr(0, line_end == std::string_view::npos ? PIPE_BUF : line_end + 1);
}

bool Outlet::is_ready() const {
  pollfd item{descriptor_, POLLOUT, 0};
  return ::poll(&item, 1, 0) > 0;
}

bool Outlet::write() {
  if (pending() == 0) return true;
  const PipeGuard guard;
  while (pending() > 0) {
    if (way_ == Way::kShared && !is_ready()) return true;
    const std::string_view piece = next_piece();
    const ssize_t written = way_ == Way::kSocket
                                ? ::send(descriptor_, piece.data(), piece.size(), MSG_DONTWAIT)
                                : ::write(descriptor_, piece.data(), piece.size());
    if (written >= 0) {
      at_ += static_cast<std::size_t>(written);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
    lose(errno);
    return false;
  }
  return true;
}

int Outlet::wait(int wake, int stall_ms) const {
  pollfd items[] = {{descriptor_, POLLOUT, 0}, {wake, POLLIN, 0}};
  const int ready = ::poll(items, 2, stall_ms);
  if ((ready < 0 && errno == EINTR) || items[0].revents != 0) return 0;
  return ready > 0 ? ECANCELED : ETIMEDOUT;
}

void Outlet::give_up(int error) {
  lose(error);
  gone_ = true;
}

void Outlet::lose(int error) {
  error_ = error;
  gone_ = error == EPIPE || error == EBADF;
  lost_bytes_ += pending();
  bytes_.clear();
  at_ = 0;
}

}  // namespace dagz::report
