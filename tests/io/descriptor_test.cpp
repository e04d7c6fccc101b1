#include "mesh/io/descriptor.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <utility>

using dagz::Descriptor;

namespace {

Descriptor opened() { return Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

}  // namespace

TEST_CASE("descriptor: it closes what it owns, once", "[io]") {
  int fd = -1;
  {
    Descriptor first = opened();
    fd = first.get();
    REQUIRE(first.valid());
    const Descriptor second = std::move(first);
    CHECK_FALSE(first.valid());
    CHECK(second.get() == fd);
    CHECK(is_open(fd));
  }
  CHECK_FALSE(is_open(fd));
}

TEST_CASE("descriptor: one that is moved into or reset closes at once what it had", "[io]") {
  Descriptor target = opened();
  Descriptor source = opened();
  const int replaced = target.get();
  const int moved = source.get();
  target = std::move(source);
  CHECK(target.get() == moved);
  CHECK_FALSE(is_open(replaced));
  CHECK_FALSE(source.valid());
  target.reset();
  CHECK_FALSE(is_open(moved));
  CHECK_FALSE(target.valid());
}
