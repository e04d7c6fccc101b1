#include "sched/io/tickets.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <optional>
#include <string>

#include "mesh/io/descriptor.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace dagz;
using namespace dagz::sched;

namespace {

std::optional<uint32_t> draw(const Descriptor& worker) {
  uint8_t bytes[Tickets::kBytesEach];
  if (read(worker.get(), bytes, sizeof bytes) != sizeof bytes) return std::nullopt;
  return bytes[0] | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 | uint32_t{bytes[3]} << 24;
}

Descriptor worker_at(const std::string& path) {
  return Descriptor(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

}  // namespace

TEST_CASE("tickets: each is drawn or taken back, and numbers go on", "[io]") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.path + "/tickets";
  Tickets tickets(path);
  REQUIRE(tickets.put(300));
  const Descriptor worker = worker_at(path);
  CHECK(draw(worker) == 0U);
  CHECK(draw(worker) == 1U);
  CHECK(tickets.take_back() == 298);
  CHECK(tickets.take_back() == 0);
  CHECK_FALSE(draw(worker).has_value());
  REQUIRE(tickets.put(1));
  CHECK(draw(worker) == 300U);
  CHECK(tickets.take_back() == 0);
}

TEST_CASE("tickets: a pipe that somebody has filled takes no more", "[io]") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.path + "/tickets";
  Tickets tickets(path);
  const Descriptor stranger(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  const std::string much(1 << 20, 'x');
  REQUIRE(write(stranger.get(), much.data(), much.size()) > 0);
  CHECK_FALSE(tickets.put(1));
}

TEST_CASE("tickets: without a place for the pipe nothing is put, and nothing comes back", "[io]") {
  Tickets tickets("/proc/no/such/place");
  CHECK_FALSE(tickets.open());
  CHECK_FALSE(tickets.put(1));
  CHECK(tickets.take_back() == 0);
}
