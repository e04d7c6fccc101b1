#include "report/io/terminal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

// What is written to standard output, and that no reader can end the job.

namespace {

using namespace dagz::report;

class Pipe {
 public:
  explicit Pipe(int size = 0) {
    REQUIRE(pipe(ends_.data()) == 0);
    if (size > 0) REQUIRE(fcntl(ends_[1], F_SETPIPE_SZ, size) == size);
  }
  ~Pipe() {
    close_reader();
    close(ends_[1]);
  }
  int reader() const { return ends_[0]; }
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

TEST_CASE("terminal: each word for colour, in a pipe and on a terminal", "[report]") {
  const Pipe pipe;
  const char* names[] = {"NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"};
  // Whether there is colour: '+', '-', or '=' as if the variable were not set.
  const std::pair<const char*, const char*> rows[] = {
      {"", "==="}, {"0", "--="}, {"1", "-++"}, {"false", "--="}, {"true", "-++"}};
  for (const auto& [value, expected] : rows) {
    for (std::size_t i = 0; i < 3; ++i) {
      for (const char* name : names) unsetenv(name);
      setenv(names[i], value, 1);
      TerminalTraits traits = read_terminal_traits(pipe.writer(), false);
      INFO(names[i] << "=" << value);
      CHECK(use_color(ColorChoice::kAuto, traits) == (expected[i] == '+'));
      traits.is_tty = true;
      traits.dumb = false;
      CHECK(use_color(ColorChoice::kAuto, traits) == (expected[i] != '-'));
    }
  }
  setenv("NO_COLOR", "1", 1);
  setenv("FORCE_COLOR", "1", 1);
  CHECK_FALSE(use_color(ColorChoice::kAuto, read_terminal_traits(pipe.writer(), false)));
  for (const char* name : names) unsetenv(name);
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

TEST_CASE("terminal: a reader that stands still is not waited for, and gets all in order later",
          "[report]") {
  Pipe pipe(4'096);
  Terminal terminal(pipe.writer(), false, 80, 24);
  std::string all;
  for (int i = 0; i < 2'000; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    all += line;
    terminal.print_progress(line);
    REQUIRE(terminal.flush());
  }
  CHECK(terminal.poll_fd() >= 0);
  std::string read;
  while (read.size() < all.size()) {
    const std::string piece = pipe.take();
    REQUIRE_FALSE(piece.empty());
    read += piece;
    REQUIRE(terminal.flush());
  }
  CHECK(read == all);
  CHECK(terminal.poll_fd() == -1);
  CHECK(terminal.lost_bytes() == 0);
}

TEST_CASE("terminal: what waits is bounded, and a line says how many are left out", "[report]") {
  Pipe pipe(4'096);
  Terminal terminal(pipe.writer(), false, 80, 24, 5'000);
  const std::string line(99, 'x');
  for (int i = 0; i < 100; ++i) {
    terminal.print_progress(line);  // 40 fill the pipe, 1 is on its way
    CHECK(terminal.flush());
  }
  terminal.print("report");
  std::string read;
  while (read.find("report\n") == std::string::npos) {
    read += pipe.take();
    CHECK(terminal.flush());
  }
  const auto kept = static_cast<std::size_t>(std::count(read.begin(), read.end(), 'x')) / 99;
  CHECK(kept >= 50);
  CHECK(kept < 100);
  CHECK(read.ends_with("x\ndagz: " + std::to_string(100 - kept) +
                       " lines left out here: what came before was not read in time\nreport\n"));
  terminal.print_progress(line);
  CHECK(terminal.flush());
  CHECK(pipe.take() == line + "\n");
}

TEST_CASE("terminal: the cursor moves only once all before is on the screen", "[report]") {
  Pipe pipe(4'096);
  Terminal terminal(pipe.writer(), true, 80, 24);
  const std::string text(5'000, 'x');
  terminal.print(text);
  for (const char* live : {"1", "2", "3"}) {
    terminal.set_live({live});
    CHECK(terminal.flush());
  }
  std::string read = pipe.take();
  CHECK(terminal.flush());
  CHECK(read + pipe.take() == text + "\n1\n\x1b[1A\r\x1b[J3\n");
}

TEST_CASE("terminal: at the end a reader that takes nothing is given up", "[report]") {
  Pipe pipe(4'096);
  Terminal terminal(pipe.writer(), false, 80, 24);
  terminal.print(std::string(4'095, 'x'));
  CHECK(terminal.drain(-1, 0));
  terminal.print("on its way");
  CHECK(terminal.flush());
  terminal.print("later");
  CHECK_FALSE(terminal.drain(-1, 0));
  CHECK(terminal.error() == ETIMEDOUT);
  CHECK(terminal.lost_bytes() == 17);
  CHECK(terminal.poll_fd() == -1);
}

TEST_CASE("terminal: at the end the user may stop the waiting", "[report]") {
  Pipe pipe(4'096);
  const Pipe signal;
  REQUIRE(write(signal.writer(), "!", 1) == 1);
  Terminal terminal(pipe.writer(), false, 80, 24);
  terminal.print(std::string(5'000, 'x'));
  CHECK_FALSE(terminal.drain(signal.reader(), 60'000));
  CHECK(terminal.error() == ECANCELED);
}

TEST_CASE("terminal: the flags of a descriptor that others share are left alone", "[report]") {
  Pipe pipe;
  {
    Terminal terminal(pipe.writer(), false, 80, 24);
    terminal.print(std::string(100'000, 'x'));
    CHECK(terminal.flush());
    CHECK((fcntl(pipe.writer(), F_GETFL) & O_NONBLOCK) == 0);
  }
  CHECK((fcntl(pipe.writer(), F_GETFL) & O_NONBLOCK) == 0);
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
