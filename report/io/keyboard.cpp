#include "report/io/keyboard.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>

namespace dagz::report {
namespace {

// In the background a read or a change of the terminal would stop this process.
bool in_foreground(int descriptor) { return tcgetpgrp(descriptor) == getpgrp(); }

}  // namespace

void Keyboard::close() {
  if (fd() >= 0) tcsetattr(descriptor_, TCSANOW, &before_);
  descriptor_ = -1;
}

void Keyboard::open(int descriptor) {
  if (!isatty(descriptor) || !in_foreground(descriptor)) return;
  if (tcgetattr(descriptor, &before_) != 0) return;
  termios keys = before_;
  keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  keys.c_cc[VMIN] = 0;
  keys.c_cc[VTIME] = 0;
  if (tcsetattr(descriptor, TCSANOW, &keys) == 0) descriptor_ = descriptor;
}

int Keyboard::fd() const {
  return descriptor_ >= 0 && in_foreground(descriptor_) ? descriptor_ : -1;
}

bool Keyboard::take(char key) {
  if (fd() < 0) return false;
  char keys[64];
  pollfd item{descriptor_, POLLIN, 0};
  if (::poll(&item, 1, 0) <= 0) return false;
  const ssize_t count = read(descriptor_, keys, sizeof keys);
  // Hung up: it would be ready for ever.
  if (count <= 0) descriptor_ = -1;
  return count > 0 && std::find(keys, keys + count, key) != keys + count;
}

}  // namespace dagz::report
