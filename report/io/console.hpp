#pragma once

#include <poll.h>

#include <string>
#include <string_view>
#include <vector>

#include "report/io/terminal.hpp"

// What a node says to people: on standard output and, in between, on standard error. It waits for
// no reader before the end.

namespace dagz::report {

class Console {
 public:
  // The descriptors stay the caller's. `live` is for standard output.
  Console(int output, int errors, bool live, uint32_t columns, uint32_t rows);

  // See Terminal.
  void print(std::string_view lines) { output_.print(lines); }
  void print_progress(std::string_view lines) { output_.print_progress(lines); }
  void set_live(const std::vector<std::string>& lines) { output_.set_live(lines); }
  bool live() const { return output_.live(); }

  // A diagnostic; where both go to the same place, after what was printed before it.
  void say(const std::string& line);
  void flush();
  // Those that are to be flushed once they can be written to.
  void append_poll_items(std::vector<pollfd>& items) const;
  // Until all is read, unless nobody reads on for kStallMaxMs, or `wake` can be read. Nothing may
  // be said afterwards.
  void drain(int wake);

 private:
  void tell_loss();

  bool together_;  // one terminal or pipe for both
  Terminal output_;
  Terminal errors_;
  bool loss_told_ = false;
};

}  // namespace dagz::report
