#include "report/io/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "report/io/write_all.hpp"
#include "report/text.hpp"

namespace dagz::report {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

bool is_false(std::string_view value) { return value == "0" || value == "false"; }

bool is_set(const char* name) { return !variable(name).empty() && !is_false(variable(name)); }

}  // namespace

TerminalTraits read_terminal_traits(int descriptor, bool in_ci) {
  TerminalTraits traits;
  traits.is_tty = isatty(descriptor) == 1;
  traits.in_ci = in_ci || is_set("CI");
  traits.dumb = variable("TERM").empty() || variable("TERM") == "dumb";
  traits.no_color = !variable("NO_COLOR").empty();
  traits.forbids_color = is_false(variable("FORCE_COLOR"));
  traits.forces_color = is_set("FORCE_COLOR") || is_set("CLICOLOR_FORCE");
  winsize size{};
  if (traits.is_tty && ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    traits.columns = size.ws_col;
    traits.rows = size.ws_row;
  }
  return traits;
}

bool use_color(ColorChoice choice, const TerminalTraits& traits) {
  if (choice != ColorChoice::kAuto) return choice == ColorChoice::kAlways;
  if (traits.no_color || traits.forbids_color) return false;
  return traits.forces_color || (traits.is_tty && !traits.dumb);
}

bool may_draw_live(const TerminalTraits& traits) {
  return traits.is_tty && !traits.in_ci && !traits.dumb && traits.columns >= 20 && traits.rows >= 5;
}

std::string fit_line(std::string_view line, std::size_t columns) {
  std::string out;
  bool colored = false;
  for (std::size_t at = 0, column = 0; at < line.size();) {
    if (line[at] == '\x1b') {
      const std::size_t end = std::min(line.find('m', at), line.size() - 1) + 1;
      colored = true;
      out += line.substr(at, end - at);
      at = end;
      continue;
    }
    if (column++ == columns) break;
    char32_t code = 0;
    const std::size_t length = std::max<std::size_t>(decode_utf8(line, at, code), 1);
    out += line.substr(at, length);
    at += length;
  }
  return colored ? out + "\x1b[0m" : out;
}

Terminal::Terminal(int descriptor, bool live, uint32_t columns, uint32_t rows)
    : descriptor_(descriptor),
      live_(live),
      columns_(columns),
      live_max_(std::min<std::size_t>(kLiveLinesMax, rows / 2)) {}

Terminal::~Terminal() {
  set_live({});
  flush();
}

void Terminal::print(std::string_view lines) {
  if (lines.empty()) return;
  batch_ += lines;
  if (batch_.back() != '\n') batch_.push_back('\n');
}

void Terminal::set_live(const std::vector<std::string>& lines) {
  if (!live_) return;
  live_lines_.clear();
  for (const std::string& line : lines) {
    if (live_lines_.size() == live_max_) break;
    // One column less, so that no terminal wraps.
    live_lines_.push_back(fit_line(line, columns_ - 1));
  }
  live_changed_ = true;
}

bool Terminal::flush() {
  if (batch_.empty() && !live_changed_) return true;
  std::string bytes;
  // Up to the first line of the live area, and clear to the end of the screen.
  if (drawn_ > 0) bytes = "\x1b[" + std::to_string(drawn_) + "A\r\x1b[J";
  bytes += batch_;
  for (const std::string& line : live_lines_) bytes += line + "\n";
  drawn_ = live_lines_.size();
  batch_.clear();
  live_changed_ = false;
  return write_out(bytes);
}

bool Terminal::write_out(std::string_view bytes) {
  std::size_t lost = bytes.size();
  if (!gone_) {
    const int error = write_all(descriptor_, bytes, lost);
    if (error != 0) error_ = error;
    gone_ = error == EPIPE || error == EBADF;
  }
  lost_bytes_ += lost;
  return lost == 0;
}

}  // namespace dagz::report
