#include "mesh/time.hpp"

#include <catch2/catch.hpp>

using namespace dagz;

namespace {

constexpr Duration kLongest{INT64_MAX};
constexpr Duration kShortest{INT64_MIN};

}  // namespace

TEST_CASE("time: arithmetic ends at the limits", "[mesh]") {
  CHECK(kLongest + Duration{1} == kLongest);
  CHECK(kShortest + Duration{-1} == kShortest);
  CHECK(kLongest - Duration{-1} == kLongest);
  CHECK(kShortest - Duration{1} == kShortest);
  CHECK(Duration{0} - kShortest == kLongest);
  CHECK(kLongest * 2 == kLongest);
  CHECK(kLongest * -2 == kShortest);
  CHECK(kShortest * 2 == kShortest);
  CHECK(kShortest * -1 == kLongest);
  Duration sum = kLongest;
  sum += kLongest;
  CHECK(sum == kLongest);
  sum -= kShortest;
  CHECK(sum == kLongest);
  CHECK(Duration::milliseconds(int64_t{1} << 45) == kLongest);
  CHECK(Duration::seconds(INT64_MIN) == kShortest);
  CHECK(Instant::never() + Duration{1} == Instant::never());
  CHECK(Instant{INT64_MIN} - Duration{1} == Instant{INT64_MIN});
  CHECK(Instant::never() - Instant{-1} == kLongest);
}

TEST_CASE("time: within the limits nothing is changed", "[mesh]") {
  static_assert(Duration::seconds(2) + Duration::milliseconds(500) == Duration::milliseconds(2500));
  static_assert(Duration::seconds(2) - Duration::seconds(5) == Duration::seconds(-3));
  static_assert(Duration::microseconds(-7) * 3 == Duration::nanoseconds(-21'000));
  static_assert(Instant{5} - Instant{8} == Duration{-3});
  CHECK(kLongest + kShortest == Duration{-1});
  CHECK(kLongest - kLongest == Duration{});
}
