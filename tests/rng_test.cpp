#include "mesh/rng.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <set>

using dagz::Rng;

TEST_CASE("rng: the first numbers of a seed are those of xoshiro256**", "[rng]") {
  // From an independent implementation: splitmix64(1) fills the state.
  Rng rng(1);
  CHECK(rng.next() == 0xb3f2af6d0fc710c5);
  CHECK(rng.next() == 0x853b559647364cea);
  CHECK(rng.next() == 0x92f89756082a4514);
}

TEST_CASE("rng: equal seeds give equal numbers, others do not", "[rng]") {
  Rng a(42);
  Rng b(42);
  Rng c(43);
  int equal = 0;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = a.next();
    CHECK(value == b.next());
    equal += value == c.next() ? 1 : 0;
  }
  CHECK(equal == 0);
}

TEST_CASE("rng: below stays below and reaches every value evenly", "[rng]") {
  Rng rng(7);
  std::array<int, 6> counts{};
  for (int i = 0; i < 60'000; ++i) {
    const uint64_t value = rng.below(6);
    REQUIRE(value < 6);
    ++counts[value];
  }
  for (const int count : counts) {
    CHECK(count > 9'500);
    CHECK(count < 10'500);
  }
  CHECK(rng.below(1) == 0);
  // Nearly half of all draws are rejected at this bound.
  const uint64_t bound = (uint64_t{1} << 63) + 1;
  for (int i = 0; i < 1000; ++i) REQUIRE(rng.below(bound) < bound);
}

TEST_CASE("rng: between includes both ends, also below nought and over the whole range", "[rng]") {
  Rng rng(7);
  std::set<int64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(rng.between(-2, 2));
  CHECK(seen == std::set<int64_t>{-2, -1, 0, 1, 2});
  CHECK(rng.between(5, 5) == 5);
  for (int i = 0; i < 100; ++i) {
    CHECK(rng.between(INT64_MIN / 2, INT64_MAX / 2) <= INT64_MAX / 2);
  }
}

TEST_CASE("rng: chance keeps its ratio", "[rng]") {
  Rng rng(9);
  int hits = 0;
  for (int i = 0; i < 10'000; ++i) hits += rng.chance(3, 10) ? 1 : 0;
  CHECK(hits > 2'800);
  CHECK(hits < 3'200);
  CHECK_FALSE(rng.chance(0, 5));
  CHECK(rng.chance(5, 5));
}

TEST_CASE("rng: shuffle keeps every item and reaches every order", "[rng]") {
  Rng rng(3);
  std::set<std::vector<int>> orders;
  for (int i = 0; i < 500; ++i) {
    std::vector<int> items{1, 2, 3, 4};
    rng.shuffle(items);
    orders.insert(items);
    std::sort(items.begin(), items.end());
    REQUIRE(items == std::vector<int>{1, 2, 3, 4});
  }
  CHECK(orders.size() == 24);
  std::vector<int> none;
  rng.shuffle(none);
  CHECK(none.empty());
}
