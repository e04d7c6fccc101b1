#include "mesh/suspicion.hpp"

#include <catch2/catch.hpp>

#include "tests/support/members.hpp"

using namespace dagz;
using namespace dagz::mesh;
using test::numbered_id;

namespace {

constexpr Duration kMin = Duration::seconds(2);
constexpr Duration kMax = Duration::seconds(6);

}  // namespace

TEST_CASE("suspicion: the time shrinks from max to min with each confirmation", "[mesh]") {
  CHECK(suspicion_timeout(kMin, kMax, 0, 3) == kMax);
  CHECK(suspicion_timeout(kMin, kMax, 3, 3) == kMin);
  CHECK(suspicion_timeout(kMin, kMax, 100, 3) == kMin);
  // max - (max - min) * log(2) / log(4), and with log(3).
  CHECK(suspicion_timeout(kMin, kMax, 1, 3).ms() == 4000);
  CHECK(suspicion_timeout(kMin, kMax, 2, 3).ms() == Approx(2830).margin(15));
}

TEST_CASE("suspicion: nobody to wait for means the shortest time", "[mesh]") {
  CHECK(suspicion_timeout(kMin, kMax, 0, 0) == kMin);
}

TEST_CASE("suspicion: more confirmations never lengthen it, for any number wanted", "[mesh]") {
  for (uint32_t wanted = 1; wanted < 200; ++wanted) {
    Duration before = kMax;
    for (uint32_t have = 0; have <= wanted; ++have) {
      const Duration now = suspicion_timeout(kMin, kMax, have, wanted);
      REQUIRE(now <= before);
      REQUIRE(now >= kMin);
      before = now;
    }
  }
}

TEST_CASE("suspicion: an accuser counts once, and the first is no confirmation", "[mesh]") {
  const Config config;
  const Instant start = test::at_ms(100);
  Suspicion suspicion(start, config);
  CHECK(suspicion.confirm(numbered_id(1), false));
  CHECK(suspicion.dead_at(20) == start + config.suspicion_max);
  CHECK_FALSE(suspicion.confirm(numbered_id(1), false));
  CHECK(suspicion.dead_at(20) == start + config.suspicion_max);
  CHECK(suspicion.confirm(numbered_id(2), false));
  CHECK(suspicion.dead_at(20) < start + config.suspicion_max);
  for (uint8_t i = 3; i < 20; ++i) CHECK(suspicion.confirm(numbered_id(i), false));
  CHECK(suspicion.dead_at(20) == start + config.suspicion_min);
}
