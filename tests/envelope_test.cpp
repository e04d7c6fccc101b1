#include "mesh/envelope.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <set>

#include "mesh/rng.hpp"
#include "tests/support/members.hpp"

using namespace dagz;
using namespace dagz::mesh;
using test::Actor;

TEST_CASE("envelope: sealed by one, opened by another", "[mesh]") {
  const Actor a(1);
  const Actor b(2);
  const Buffer bytes = seal_envelope(a.crypto, EnvelopeKind::kMessage, b.id(), 5, {1, 2, 3});
  Envelope envelope;
  REQUIRE(decode(bytes, envelope));
  CHECK(envelope.from == a.id());
  CHECK(envelope.to == b.id());
  CHECK(envelope.sequence == 5);
  CHECK(envelope.content == Buffer{1, 2, 3});
  CHECK(verify_envelope(b.crypto, a.profile.key, envelope));
  CHECK_FALSE(verify_envelope(b.crypto, b.profile.key, envelope));
}

TEST_CASE("envelope: every field is under the signature", "[mesh]") {
  const Actor a(1);
  const Actor b(2);
  Envelope good;
  REQUIRE(decode(seal_envelope(a.crypto, EnvelopeKind::kMessage, b.id(), 5, {1, 2}), good));
  const std::vector<std::function<void(Envelope&)>> changes{
      [](Envelope& e) { e.kind = EnvelopeKind::kHello; },
      [&](Envelope& e) { e.from = b.id(); },
      [&](Envelope& e) { e.to = a.id(); },
      [](Envelope& e) { ++e.sequence; },
      [](Envelope& e) { e.content.push_back(3); },
      [](Envelope& e) { e.content[0] ^= 1; },
      [](Envelope& e) { e.signature.bytes[0] ^= 1; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    INFO("change " << i);
    Envelope forged = good;
    changes[i](forged);
    CHECK_FALSE(verify_envelope(b.crypto, a.profile.key, forged));
  }
}

TEST_CASE("envelope: every field of upkeep is under its MAC", "[mesh]") {
  const Actor a(1);
  const Actor b(2);
  const SharedKey key = b.crypto.shared_key(a.profile.key);
  CHECK(key == a.crypto.shared_key(b.profile.key));
  Envelope good;
  REQUIRE(decode(seal_upkeep(a.crypto, key, b.id(), 5, {1, 2}), good));
  CHECK(verify_upkeep(b.crypto, key, good));
  CHECK_FALSE(verify_envelope(b.crypto, a.profile.key, good));
  CHECK_FALSE(verify_upkeep(b.crypto, Actor(3).crypto.shared_key(a.profile.key), good));
  const std::vector<std::function<void(Envelope&)>> changes{
      [](Envelope& e) { e.kind = EnvelopeKind::kMessage; },
      [&](Envelope& e) { e.from = b.id(); },
      [&](Envelope& e) { e.to = a.id(); },
      [](Envelope& e) { ++e.sequence; },
      [](Envelope& e) { e.content.push_back(3); },
      [](Envelope& e) { e.content[0] ^= 1; },
      [](Envelope& e) { e.mac.bytes[0] ^= 1; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    INFO("change " << i);
    Envelope forged = good;
    changes[i](forged);
    CHECK_FALSE(verify_upkeep(b.crypto, key, forged));
  }
}

TEST_CASE("envelope: one of another run is refused", "[mesh]") {
  const Actor here(1, 1, 1);
  const Actor there(2, 2, 2);
  Envelope envelope;
  REQUIRE(decode(seal_envelope(there.crypto, EnvelopeKind::kMessage, here.id(), 1, {1}), envelope));
  CHECK_FALSE(verify_envelope(here.crypto, there.profile.key, envelope));
}

TEST_CASE("envelope: a number is accepted once, late ones within the window too", "[mesh]") {
  ReplayWindow window;
  CHECK_FALSE(window.accept(0));
  CHECK(window.accept(1));
  CHECK_FALSE(window.accept(1));
  CHECK(window.accept(5));
  CHECK(window.accept(3));
  CHECK_FALSE(window.accept(3));
  CHECK(window.accept(2000));
  CHECK_FALSE(window.accept(4));      // older than the window, though never seen
  CHECK(window.accept(2000 - 1023));  // its oldest place
  CHECK_FALSE(window.accept(2000 - 1024));
  CHECK(window.accept(UINT64_MAX));
  CHECK_FALSE(window.accept(UINT64_MAX));
  CHECK_FALSE(window.accept(2001));
}

TEST_CASE("envelope: the window agrees with a set that forgets nothing", "[mesh]") {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    INFO("seed " << seed);
    Rng rng(seed);
    ReplayWindow window;
    std::set<uint64_t> seen;
    uint64_t highest = 0;
    for (int step = 0; step < 3000; ++step) {
      const uint64_t reach = rng.chance(1, 50) ? 3000 : 40;
      const uint64_t base = highest > 1200 ? highest - 1200 : 0;
      const uint64_t number =
          rng.chance(1, 2) ? highest + rng.below(reach) : base + rng.below(1240);
      const bool recent = number > highest || highest - number < 1024;
      const bool expected = number > 0 && recent && !seen.contains(number);
      REQUIRE(window.accept(number) == expected);
      if (expected) seen.insert(number);
      if (expected) highest = std::max(highest, number);
    }
  }
}
