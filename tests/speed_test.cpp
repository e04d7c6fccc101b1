#include "sched/speed.hpp"

#include <catch2/catch.hpp>

using namespace dagz;
using namespace dagz::sched;

namespace {

constexpr Duration kTest = Duration::milliseconds(100);

NodeSpeed after(int tests, Duration took) {
  NodeSpeed speed;
  for (int i = 0; i < tests; ++i) speed.learn(kTest, took);
  return speed;
}

}  // namespace

TEST_CASE("speed: a node is normal until it has shown something else", "[sched]") {
  CHECK(NodeSpeed{}.permille() == NodeSpeed::kNormal);
  CHECK(after(1000, kTest).permille() == NodeSpeed::kNormal);
  CHECK(after(1, kTest * 2).permille() > 850);
  CHECK(after(1000, kTest * 2).permille() == Approx(500).margin(15));
  CHECK(after(1000, kTest / 2).permille() == Approx(2000).margin(60));
}

TEST_CASE("speed: work is scaled by it", "[sched]") {
  CHECK(at_speed(kTest, NodeSpeed::kNormal) == kTest);
  CHECK(at_speed(kTest, 500) == kTest * 2);
  CHECK(at_speed(Duration::seconds(1'000'000'000), 250) == Duration::seconds(4'000'000'000));
}

TEST_CASE("speed: who has shown nothing is as fast as is usual", "[sched]") {
  CHECK(NodeSpeed{}.permille(500) == 500);
  CHECK(after(1, kTest).permille(500) == Approx(545).margin(2));
  CHECK(after(10'000, kTest).permille(500) == Approx(1000).margin(5));
}

TEST_CASE("speed: one test that hangs, and times that are none, say little", "[sched]") {
  NodeSpeed speed = after(1000, kTest);
  speed.learn(kTest, Duration::seconds(36'000));
  CHECK(speed.permille() > 980);
  speed.learn({}, Duration::seconds(36'000));
  speed.learn(Duration{-5}, Duration::seconds(36'000));
  CHECK(speed.permille() > 980);
  CHECK(after(100'000, Duration::seconds(10)).permille() ==
        NodeSpeed::kNormal / NodeSpeed::kFactorMax);
  CHECK(after(100'000, {}).permille() == NodeSpeed::kNormal * NodeSpeed::kFactorMax);
}

TEST_CASE("speed: many tests that agree say more than one that is long", "[sched]") {
  NodeSpeed speed = after(20, kTest);
  speed.learn(kTest * 100, kTest * 200);
  CHECK(speed.permille() > 950);
  CHECK(speed.permille() < NodeSpeed::kNormal);
}
