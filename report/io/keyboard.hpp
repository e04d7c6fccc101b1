#pragma once

#include <termios.h>

// Single keys from a terminal, while this process is in its foreground.

namespace dagz::report {

class Keyboard {
 public:
  Keyboard() = default;
  Keyboard(const Keyboard&) = delete;
  Keyboard& operator=(const Keyboard&) = delete;
  ~Keyboard() { close(); }

  // From now on keys come without a line's end and are not shown; signals like Ctrl-C stay. Does
  // nothing if it is no terminal, or another process has it. The descriptor stays the caller's.
  void open(int descriptor);
  // The terminal is as it was found from now on, and no key comes any more.
  void close();
  // To be polled for reading; -1: there is nothing to read from at this time.
  int fd() const;
  // Whether the key is among those that were pressed since the last call. Never blocks.
  bool take(char key);

 private:
  int descriptor_ = -1;
  termios before_{};
};

}  // namespace dagz::report
