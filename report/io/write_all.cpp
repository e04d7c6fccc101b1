#include "report/io/write_all.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "report/io/pipe_guard.hpp"

namespace dagz::report {

int write_all(int descriptor, std::string_view bytes, std::size_t& lost) {
  const PipeGuard guard;
  int error = 0;
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    error = errno;
    if (error == EINTR) continue;
    if (error != EAGAIN && error != EWOULDBLOCK) break;
    pollfd waiting{descriptor, POLLOUT, 0};
    const int ready = ::poll(&waiting, 1, kStallMaxMs);
    if (ready > 0 || (ready < 0 && errno == EINTR)) continue;
    error = ETIMEDOUT;
    break;
  }
  lost = bytes.size();
  return lost == 0 ? 0 : error;
}

}  // namespace dagz::report
