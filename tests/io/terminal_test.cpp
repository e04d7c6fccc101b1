#include "report/io/terminal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>

// What is written to standard output, and that no reader can end the job.

namespace {

using namespace dagz::report;

class Pipe {
 public:
  Pipe() { REQUIRE(pipe(ends_.data()) == 0); }
  ~Pipe() {
    close_reader();
    close(ends_[1]);
  }
  int writer() const { return ends_[1]; }
  void close_reader() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }
  std::string take() {
    std::array<char, 4'096> buffer{};
    const ssize_t size = read(ends_[0], buffer.data(), buffer.size());
    return {buffer.data(), static_cast<std::size_t>(size > 0 ? size : 0)};
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

}  // namespace

TEST_CASE("terminal: colour follows the option, then the environment, then the terminal",
          "[report]") {
  TerminalTraits traits;
  CHECK_FALSE(use_color(ColorChoice::kAuto, traits));
  CHECK(use_color(ColorChoice::kAlways, traits));
  traits.is_tty = true;
  CHECK(use_color(ColorChoice::kAuto, traits));
  CHECK_FALSE(use_color(ColorChoice::kNever, traits));
  traits.dumb = true;
  CHECK_FALSE(use_color(ColorChoice::kAuto, traits));
  traits.forces_color = true;
  CHECK(use_color(ColorChoice::kAuto, traits));
  traits.no_color = true;
  CHECK_FALSE(use_color(ColorChoice::kAuto, traits));
  CHECK(use_color(ColorChoice::kAlways, traits));
}

TEST_CASE("terminal: the environment's words for colour", "[report]") {
  const Pipe pipe;
  for (const char* name : {"NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "CI"}) unsetenv(name);
  CHECK_FALSE(read_terminal_traits(pipe.writer(), false).forces_color);
  setenv("FORCE_COLOR", "1", 1);
  CHECK(read_terminal_traits(pipe.writer(), false).forces_color);
  setenv("FORCE_COLOR", "0", 1);
  CHECK(read_terminal_traits(pipe.writer(), false).forbids_color);
  unsetenv("FORCE_COLOR");
  setenv("CLICOLOR_FORCE", "1", 1);
  CHECK(read_terminal_traits(pipe.writer(), false).forces_color);
  unsetenv("CLICOLOR_FORCE");
  setenv("NO_COLOR", "", 1);
  CHECK_FALSE(read_terminal_traits(pipe.writer(), false).no_color);
  setenv("NO_COLOR", "1", 1);
  CHECK(read_terminal_traits(pipe.writer(), false).no_color);
  unsetenv("NO_COLOR");
  setenv("CI", "true", 1);
  CHECK(read_terminal_traits(pipe.writer(), false).in_ci);
  unsetenv("CI");
  CHECK(read_terminal_traits(pipe.writer(), true).in_ci);
  CHECK_FALSE(read_terminal_traits(pipe.writer(), false).is_tty);
}

TEST_CASE("terminal: a live area needs a terminal and no CI", "[report]") {
  TerminalTraits traits;
  traits.is_tty = true;
  CHECK(may_draw_live(traits));
  traits.in_ci = true;
  CHECK_FALSE(may_draw_live(traits));
  traits.in_ci = false;
  traits.is_tty = false;
  CHECK_FALSE(may_draw_live(traits));
}

TEST_CASE("terminal: a batch is one write and ends with a line end", "[report]") {
  Pipe pipe;
  Terminal terminal(pipe.writer(), false, 80, 24);
  terminal.print("one\n");
  terminal.print("two");
  terminal.print("");
  terminal.set_live({"never shown"});
  CHECK(terminal.flush());
  CHECK(pipe.take() == "one\ntwo\n");
  CHECK(terminal.flush());
}

TEST_CASE("terminal: the live area stays below what is printed", "[report]") {
  Pipe pipe;
  {
    Terminal terminal(pipe.writer(), true, 10, 24);
    terminal.set_live({"worker 0 is busy", "w1"});
    CHECK(terminal.flush());
    CHECK(pipe.take() == "worker 0 \nw1\n");
    terminal.print("OK");
    CHECK(terminal.flush());
    CHECK(pipe.take() == "\x1b[2A\r\x1b[JOK\nworker 0 \nw1\n");
  }
  CHECK(pipe.take() == "\x1b[2A\r\x1b[J");
}

TEST_CASE("terminal: the live area takes at most half of the screen", "[report]") {
  Pipe pipe;
  Terminal terminal(pipe.writer(), true, 80, 6);
  terminal.set_live({"1", "2", "3", "4", "5"});
  CHECK(terminal.flush());
  CHECK(pipe.take() == "1\n2\n3\n");
}

TEST_CASE("terminal: lines are cut without their colours counting", "[report]") {
  CHECK(fit_line("abcdef", 3) == "abc");
  CHECK(fit_line("é█x", 2) == "é█");
  CHECK(fit_line("\x1b[31mred\x1b[0m", 2) == "\x1b[31mre\x1b[0m");
  CHECK(fit_line("\x1b[31", 2) == "\x1b[31\x1b[0m");
}

TEST_CASE("terminal: a reader that is gone ends nothing", "[report]") {
  Pipe pipe;
  Terminal terminal(pipe.writer(), false, 80, 24);
  pipe.close_reader();
  terminal.print("lost");
  CHECK_FALSE(terminal.flush());
  CHECK(terminal.lost_bytes() == 5);
  terminal.print("too");
  CHECK_FALSE(terminal.flush());
  CHECK(terminal.lost_bytes() == 9);
}

TEST_CASE("terminal: a full disk ends nothing", "[report]") {
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  if (full < 0) return;
  Terminal terminal(full, false, 80, 24);
  terminal.print("lost");
  CHECK_FALSE(terminal.flush());
  CHECK(terminal.lost_bytes() == 5);
  close(full);
}
