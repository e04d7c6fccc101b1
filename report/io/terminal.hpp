#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "report/io/outlet.hpp"

// Standard output: whether to colour, whether a live area may be drawn, and writes that neither
// tear lines nor end or delay the job when nobody reads them.

namespace dagz::report {

enum class ColorChoice : uint8_t { kAuto, kAlways, kNever };  // --color

// What the decisions rest on, read once.
struct TerminalTraits {
  bool is_tty = false;
  bool in_ci = false;
  bool dumb = false;           // TERM=dumb or unset
  bool no_color = false;       // NO_COLOR, not empty
  bool forbids_color = false;  // FORCE_COLOR=0 or false
  bool forces_color = false;   // FORCE_COLOR or CLICOLOR_FORCE, not empty, 0 or false
  uint32_t columns = 80;
  uint32_t rows = 24;
};

// From the descriptor and the environment. `in_ci`: what the caller knows of CI beyond CI=….
TerminalTraits read_terminal_traits(int descriptor, bool in_ci);

// --color decides; else NO_COLOR (no-color.org), then FORCE_COLOR (force-color.org, but 0 and false
// are a no, as for most programs of JavaScript) and CLICOLOR_FORCE (bixense.com/clicolors), then
// whether it is a terminal.
bool use_color(ColorChoice choice, const TerminalTraits& traits);
// Cursor movement: only on a terminal that can, and outside CI.
bool may_draw_live(const TerminalTraits& traits);
// `line`, which may hold SGR sequences, cut to `columns` code points.
std::string fit_line(std::string_view line, std::size_t columns);

// Prints in batches, and never waits for whoever reads. With a live area its lines stay below
// everything that is printed.
class Terminal {
 public:
  static constexpr std::size_t kLiveLinesMax = 16;
  // Of progress, while its reader stands still.
  static constexpr std::size_t kBacklogMax = 16U << 20;

  // The descriptor stays the caller's.
  Terminal(int descriptor, bool live, uint32_t columns, uint32_t rows,
           std::size_t backlog_max = kBacklogMax);
  // Takes the live area off the screen.
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // Adds whole lines to the batch; a line end is added where it is missing.
  void print(std::string_view lines);
  // The same for what may be left out: once too much waits to be read, until all that waits is on
  // its way. A line says then how many were.
  void print_progress(std::string_view lines);
  // Replaces the live area; ignored where there is none.
  void set_live(const std::vector<std::string>& lines);
  // One write for all since the last flush, as far as it is taken at this moment. False when bytes
  // were lost: the reader is gone (EPIPE), the disk is full, … Later flushes try again, but for a
  // reader that is gone.
  bool flush();
  // To be polled for writing, and flushed then; -1: nothing waits.
  int poll_fd() const { return outlet_.pending() > 0 ? outlet_.fd() : -1; }
  // Flushes until nothing waits. False when bytes were lost: nobody took any for so long
  // (ETIMEDOUT), or `wake` can be read (ECANCELED; -1: nothing).
  bool drain(int wake, int stall_ms);

  bool live() const { return live_; }
  uint64_t lost_bytes() const { return outlet_.lost_bytes(); }
  // The errno of the last loss; 0: nothing was lost.
  int error() const { return outlet_.error(); }

 private:
  void compose();
  void tell_left_out();

  Outlet outlet_;
  bool live_;
  uint32_t columns_;
  std::size_t live_max_;
  std::size_t backlog_max_;
  std::string batch_;
  uint64_t left_out_ = 0;  // lines, at the end of the batch
  std::vector<std::string> live_lines_;
  std::size_t drawn_ = 0;  // lines of the live area on the screen
  bool live_changed_ = false;
};

}  // namespace dagz::report
