#include "mesh/claim.hpp"

#include <catch2/catch.hpp>

#include "mesh/archive.hpp"
#include "mesh/rng.hpp"
#include "tests/support/members.hpp"

using namespace dagz;
using namespace dagz::mesh;

namespace {

// From a small set of values, so that ties are frequent.
Claim draw(Rng& rng) {
  const auto birth = [&rng] {
    return Birth{rng.between(0, 2), test::numbered_id(static_cast<uint8_t>(rng.between(1, 2)))};
  };
  return {birth(), rng.below(4), birth()};
}

}  // namespace

TEST_CASE("claim: any claim is better than none", "[mesh]") {
  const Claim none;
  const Claim some{{5, test::numbered_id(1)}, 1, {5, test::numbered_id(1)}};
  CHECK(is_better(some, none));
  CHECK_FALSE(is_better(none, some));
  CHECK_FALSE(is_better(none, none));
  CHECK_FALSE(none.exists());
}

TEST_CASE("claim: lineage goes before term, term before birth", "[mesh]") {
  const Birth old{1, test::numbered_id(1)};
  const Birth young{2, test::numbered_id(2)};
  CHECK(is_better({old, 1, young}, {young, 9, young}));
  CHECK(is_better({old, 3, young}, {old, 2, old}));
  CHECK(is_better({old, 2, old}, {old, 2, young}));
}

TEST_CASE("claim: better is a strict total order", "[mesh]") {
  Rng rng(5);
  for (int round = 0; round < 20'000; ++round) {
    const Claim a = draw(rng);
    const Claim b = draw(rng);
    const Claim c = draw(rng);
    REQUIRE_FALSE(is_better(a, a));
    REQUIRE_FALSE((is_better(a, b) && is_better(b, a)));
    // All that is no claim is one and the same.
    if (a != b && (a.exists() || b.exists())) {
      REQUIRE((is_better(a, b) || is_better(b, a)));
    }
    if (is_better(a, b) && is_better(b, c)) REQUIRE(is_better(a, c));
  }
}

TEST_CASE("claim: stale is what is worse than what was obeyed", "[mesh]") {
  Rng rng(6);
  for (int round = 0; round < 5'000; ++round) {
    const Claim claim = draw(rng);
    const Claim accepted = draw(rng);
    REQUIRE(is_stale(claim, accepted) == is_better(accepted, claim));
  }
  const Claim one{{1, {}}, 1, {1, {}}};
  CHECK_FALSE(is_stale(one, one));
  CHECK_FALSE(is_stale(one, {}));
}

TEST_CASE("claim: it survives a journey", "[mesh]") {
  const Claim claim{{-5, test::numbered_id(1)}, 7, {6, test::numbered_id(2)}};
  Claim back;
  REQUIRE(decode(encode(claim), back));
  CHECK(back == claim);
}
