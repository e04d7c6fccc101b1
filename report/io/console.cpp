#include "report/io/console.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "report/io/write_all.hpp"

namespace dagz::report {
namespace {

// One place that somebody reads. A file takes all at once, so there the order is kept anyway.
bool same_reader(int a, int b) {
  struct stat first = {};
  struct stat second = {};
  if (::fstat(a, &first) != 0 || ::fstat(b, &second) != 0 || S_ISREG(first.st_mode)) return false;
  return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

}  // namespace

Console::Console(int output, int errors, bool live, uint32_t columns, uint32_t rows)
    : together_(same_reader(output, errors)),
      output_(output, live, columns, rows),
      errors_(errors, false, columns, rows) {}

void Console::say(const std::string& line) {
  flush();
  (together_ ? output_ : errors_).print("dagz: " + line);
  flush();
}

void Console::flush() {
  if (!output_.flush()) tell_loss();
  errors_.flush();
}

// Who has closed the pipe wants no more; anybody else is told once.
void Console::tell_loss() {
  const int error = output_.error();
  if (loss_told_ || error == EPIPE) return;
  loss_told_ = true;
  if (error == ETIMEDOUT || error == ECANCELED) {
    errors_.print("dagz: nobody reads standard output any more: the rest of it is lost");
  } else {
    errors_.print(
        "dagz: standard output could not be written: " + std::string(std::strerror(error)) +
        "; a part of it is lost, and the job goes on");
  }
}

void Console::append_poll_items(std::vector<pollfd>& items) const {
  for (const int fd : {output_.poll_fd(), errors_.poll_fd()}) {
    if (fd >= 0) items.push_back({fd, POLLOUT, 0});
  }
}

void Console::drain(int wake) {
  if (!output_.drain(wake, kStallMaxMs)) tell_loss();
  errors_.drain(wake, kStallMaxMs);
}

}  // namespace dagz::report
