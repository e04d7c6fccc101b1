#include "report/io/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

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

Terminal::Terminal(int descriptor, bool live, uint32_t columns, uint32_t rows,
                   std::size_t backlog_max)
    : outlet_(descriptor),
      live_(live),
      columns_(columns),
      live_max_(std::min<std::size_t>(kLiveLinesMax, rows / 2)),
      backlog_max_(backlog_max) {}

Terminal::~Terminal() {
  set_live({});
  flush();
}

void Terminal::print(std::string_view lines) {
  if (lines.empty()) return;
  tell_left_out();
  batch_ += lines;
  if (batch_.back() != '\n') batch_.push_back('\n');
}

void Terminal::print_progress(std::string_view lines) {
  if (lines.empty()) return;
  if (left_out_ == 0 && batch_.size() + lines.size() <= backlog_max_) return print(lines);
  const bool open_end = lines.back() != '\n';
  left_out_ += static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n')) + open_end;
}

void Terminal::tell_left_out() {
  if (left_out_ == 0) return;
  batch_ += "dagz: " + counted(std::exchange(left_out_, 0), "line") +
            " left out here: what came before was not read in time\n";
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

// Only once all before is on the screen: the cursor is where it was left.
void Terminal::compose() {
  tell_left_out();
  std::string bytes;
  // Up to the first line of the live area, and clear to the end of the screen.
  if (drawn_ > 0) bytes = "\x1b[" + std::to_string(drawn_) + "A\r\x1b[J";
  bytes += batch_;
  for (const std::string& line : live_lines_) bytes += line + "\n";
  drawn_ = live_lines_.size();
  batch_.clear();
  live_changed_ = false;
  outlet_.add(bytes);
}

bool Terminal::flush() {
  const uint64_t lost_before = lost_bytes();
  outlet_.write();
  if (outlet_.pending() == 0 && (!batch_.empty() || left_out_ > 0 || live_changed_)) {
    compose();
    outlet_.write();
  }
  return lost_bytes() == lost_before;
}

bool Terminal::drain(int wake, int stall_ms) {
  for (;;) {
    if (!flush()) return false;
    if (outlet_.pending() == 0) return true;
    const int reason = outlet_.wait(wake, stall_ms);
    if (reason == 0) continue;
    compose();
    outlet_.give_up(reason);
    return false;
  }
}

}  // namespace dagz::report
