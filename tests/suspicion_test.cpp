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

TEST_CASE("suspicion: nobody waits for more accusers than there can be", "[mesh]") {
  const Config config;
  Suspicion suspicion(test::at_ms(100), config);
  suspicion.confirm(numbered_id(1), false);
  CHECK(suspicion.dead_at(1) == test::at_ms(100) + config.suspicion_min);
  CHECK(suspicion.dead_at(2) == test::at_ms(100) + config.suspicion_max);
  suspicion.confirm(numbered_id(2), false);
  CHECK(suspicion.dead_at(2) == test::at_ms(100) + config.suspicion_min);
}

TEST_CASE("suspicion: a stall of this node is not the suspect's fault", "[mesh]") {
  const Config config;
  Suspicion suspicion(test::at_ms(100), config);
  suspicion.excuse(Duration::seconds(5));
  CHECK(suspicion.dead_at(20) == test::at_ms(5100) + config.suspicion_max);
}

TEST_CASE("suspicion: refusals make certain, but never one alone where others could tell",
          "[mesh]") {
  const NodeId me = numbered_id(1);
  const Config config;
  Suspicion suspicion(test::at_ms(0), config);
  suspicion.confirm(numbered_id(2), true);
  CHECK_FALSE(suspicion.is_certain(me, 5));
  SECTION("this node was refused, too") {
    CHECK(suspicion.confirm(me, true));
    CHECK(suspicion.is_certain(me, 5));
  }
  SECTION("this node only heard nothing") {
    suspicion.confirm(me, false);
    CHECK_FALSE(suspicion.is_certain(me, 5));
  }
  SECTION("three others say so to one that never had a link") {
    suspicion.confirm(numbered_id(3), true);
    CHECK_FALSE(suspicion.is_certain(me, 5));
    suspicion.confirm(numbered_id(4), true);
    CHECK(suspicion.is_certain(me, 5));
  }
  SECTION("of two members the other's word is the only one there can be") {
    Suspicion own(test::at_ms(0), config);
    own.confirm(me, true);
    CHECK(own.is_certain(me, 1));
    CHECK_FALSE(own.is_certain(me, 2));
  }
}
