#include "report/io/outlet.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <string>

// Nobody who reads, whatever it is, can hold up who writes.

namespace {

using dagz::report::Outlet;

std::string take(int descriptor) {
  std::array<char, 4'096> buffer{};
  const ssize_t size = read(descriptor, buffer.data(), buffer.size());
  return {buffer.data(), static_cast<std::size_t>(size > 0 ? size : 0)};
}

std::string lines(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "line " + std::to_string(i) + "\n";
  return text;
}

void check_all_comes(int reader, int writer) {
  Outlet outlet(writer);
  const std::string text = lines(100'000);
  outlet.add(text);
  CHECK(outlet.write());
  REQUIRE(outlet.pending() > 0);
  std::string got;
  while (got.size() < text.size()) {
    const std::string piece = take(reader);
    REQUIRE_FALSE(piece.empty());
    got += piece;
    REQUIRE(outlet.write());
  }
  CHECK(got == text);
  CHECK(outlet.pending() == 0);
  CHECK(outlet.lost_bytes() == 0);
}

}  // namespace

TEST_CASE("outlet: a pipe that nobody reads takes the rest later", "[report]") {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  check_all_comes(ends[0], ends[1]);
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("outlet: a socket that nobody reads takes the rest later", "[report]") {
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
  check_all_comes(ends[0], ends[1]);
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("outlet: a terminal that nobody reads takes the rest later", "[report]") {
  const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) return;
  const int terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
  REQUIRE(terminal >= 0);
  Outlet outlet(terminal);
  const std::string text = lines(100'000);
  outlet.add(text);
  CHECK(outlet.write());
  REQUIRE(outlet.pending() > 0);
  std::string got;
  // A terminal adds a carriage return to each line's end.
  while (got.size() < text.size() + 100'000) {
    got += take(master);
    REQUIRE(outlet.write());
  }
  std::erase(got, '\r');
  CHECK(got == text);
  close(terminal);
  close(master);
}

TEST_CASE("outlet: a line on a pipe stays whole", "[report]") {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  REQUIRE(fcntl(ends[1], F_SETPIPE_SZ, 4'096) == 4'096);
  Outlet outlet(ends[1]);
  outlet.add(lines(1'000));
  CHECK(outlet.write());
  CHECK(take(ends[0]).ends_with("\n"));
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("outlet: who has closed the pipe gets nothing, and ends nothing", "[report]") {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  Outlet outlet(ends[1]);
  close(ends[0]);
  outlet.add("lost");
  CHECK_FALSE(outlet.write());
  CHECK(outlet.error() == EPIPE);
  outlet.add("too");
  CHECK(outlet.pending() == 0);
  CHECK(outlet.lost_bytes() == 7);
  close(ends[1]);
}
