#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Standard output: whether to colour, whether a live area may be drawn, and writes that neither
// tear lines nor end the job when nobody reads them.

namespace dagz::report {

enum class ColorChoice : uint8_t { kAuto, kAlways, kNever };  // --color

// What the decisions rest on, read once.
struct TerminalTraits {
  bool is_tty = false;
  bool in_ci = false;
  bool dumb = false;           // TERM=dumb or unset
  bool no_color = false;       // NO_COLOR, not empty
  bool forbids_color = false;  // FORCE_COLOR=0 or false
  bool forces_color = false;   // FORCE_COLOR or CLICOLOR_FORCE, not empty and not 0
  uint32_t columns = 80;
  uint32_t rows = 24;
};

// From the descriptor and the environment. `in_ci`: what the caller knows of CI beyond CI=….
TerminalTraits read_terminal_traits(int descriptor, bool in_ci);

// --color decides; else NO_COLOR, then FORCE_COLOR and CLICOLOR_FORCE, then whether it is a
// terminal.
bool use_color(ColorChoice choice, const TerminalTraits& traits);
// Cursor movement: only on a terminal that can, and outside CI.
bool may_draw_live(const TerminalTraits& traits);
// `line`, which may hold SGR sequences, cut to `columns` code points.
std::string fit_line(std::string_view line, std::size_t columns);

// Prints in batches. With a live area its lines stay below everything that is printed.
class Terminal {
 public:
  static constexpr std::size_t kLiveLinesMax = 16;

  // The descriptor stays the caller's.
  Terminal(int descriptor, bool live, uint32_t columns, uint32_t rows);
  // Takes the live area off the screen.
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // Adds whole lines to the batch; a line end is added where it is missing.
  void print(std::string_view lines);
  // Replaces the live area; ignored where there is none.
  void set_live(const std::vector<std::string>& lines);
  // One write for all since the last flush. False when bytes were lost: the reader is gone (EPIPE)
  // or takes nothing, the disk is full, … Later flushes try again, but for a reader that is gone.
  bool flush();

  bool live() const { return live_; }
  uint64_t lost_bytes() const { return lost_bytes_; }
  // The errno of the last loss; 0: nothing was lost.
  int error() const { return error_; }

 private:
  bool write_out(std::string_view bytes);

  int descriptor_;
  bool live_;
  uint32_t columns_;
  std::size_t live_max_;
  std::string batch_;
  std::vector<std::string> live_lines_;
  std::size_t drawn_ = 0;  // lines of the live area on the screen
  bool live_changed_ = false;
  bool gone_ = false;
  uint64_t lost_bytes_ = 0;
  int error_ = 0;
};

}  // namespace dagz::report
