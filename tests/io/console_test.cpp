#include "report/io/console.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <string>

// What stands where on a terminal or in a pipe, for people.

namespace {

using dagz::report::Console;

struct Pipe {
  std::array<int, 2> ends{-1, -1};
  Pipe() { REQUIRE(pipe2(ends.data(), O_NONBLOCK) == 0); }
  ~Pipe() {
    close(ends[0]);
    close(ends[1]);
  }
  std::string take() const {
    std::string text(100'000, '\0');
    const ssize_t size = read(ends[0], text.data(), text.size());
    text.resize(static_cast<std::size_t>(size > 0 ? size : 0));
    return text;
  }
};

}  // namespace

TEST_CASE("console: one pipe for both keeps the order", "[report]") {
  const Pipe pipe;
  Console console(pipe.ends[1], pipe.ends[1], false, 80, 24);
  console.print("one");
  console.say("two");
  console.print("three");
  console.flush();
  CHECK(pipe.take() == "one\ndagz: two\nthree\n");
}

TEST_CASE("console: a diagnostic on the same terminal stays above the live area", "[report]") {
  const Pipe pipe;
  Console console(pipe.ends[1], pipe.ends[1], true, 80, 24);
  console.set_live({"live"});
  console.flush();
  console.say("two");
  CHECK(pipe.take() == "live\n\x1b[1A\r\x1b[Jdagz: two\nlive\n");
}

TEST_CASE("console: standard error is heard while standard output stands still", "[report]") {
  const Pipe output;
  const Pipe errors;
  Console console(output.ends[1], errors.ends[1], false, 80, 24);
  console.print(std::string(1'000'000, 'x'));
  console.say("still here");
  CHECK(errors.take() == "dagz: still here\n");
  std::vector<pollfd> items;
  console.append_poll_items(items);
  REQUIRE(items.size() == 1);
  CHECK(items[0].fd == output.ends[1]);
}

TEST_CASE("console: what is lost is said once", "[report]") {
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  if (full < 0) return;
  const Pipe errors;
  Console console(full, errors.ends[1], false, 80, 24);
  for (int i = 0; i < 3; ++i) {
    console.print("lost");
    console.flush();
  }
  CHECK(errors.take() ==
        "dagz: standard output could not be written: No space left on device; a part of it is "
        "lost, and the job goes on\n");
  close(full);
}
