#include "mesh/relay.hpp"

#include <catch2/catch.hpp>

#include "tests/support/members.hpp"

using namespace dagz;
using namespace dagz::mesh;
using test::Actor;

namespace {

Buffer words(const std::string& text) { return {text.begin(), text.end()}; }

}  // namespace

TEST_CASE("relay: a word arrives once, at its reader only", "[mesh]") {
  const Actor author(1);
  const Actor reader(2);
  const Actor carrier(3);
  Relay from(author.crypto);
  Relay to(reader.crypto);
  Relay between(carrier.crypto);
  const Relayed message = from.wrap(reader.profile, words("hello"));
  CHECK_FALSE(between.unwrap(message, author.profile.key).has_value());
  CHECK(to.unwrap(message, author.profile.key) == words("hello"));
  CHECK_FALSE(to.unwrap(message, author.profile.key).has_value());
  CHECK(to.unwrap(from.wrap(reader.profile, words("again")), author.profile.key) == words("again"));
}

TEST_CASE("relay: a carrier can neither change a word nor say one in another's name", "[mesh]") {
  const Actor author(1);
  const Actor reader(2);
  const Actor carrier(3);
  Relay from(author.crypto);
  Relay to(reader.crypto);
  SECTION("changed") {
    Relayed message = from.wrap(reader.profile, words("hello"));
    message.box.back() ^= 1;
    CHECK_FALSE(to.unwrap(message, author.profile.key).has_value());
  }
  SECTION("of its own, with another's name on it") {
    Relay forger(carrier.crypto);
    Relayed message = forger.wrap(reader.profile, words("hello"));
    message.from = author.id();
    CHECK_FALSE(to.unwrap(message, author.profile.key).has_value());
  }
  SECTION("cut short") {
    Relayed message = from.wrap(reader.profile, words("hello"));
    message.box.resize(10);
    CHECK_FALSE(to.unwrap(message, author.profile.key).has_value());
  }
}

TEST_CASE("relay: the way by which a member was last heard is remembered", "[mesh]") {
  const Actor self(1);
  const Actor far(2);
  const Actor first(3);
  const Actor second(4);
  Relay relay(self.crypto);
  CHECK_FALSE(relay.route(far.id()).has_value());
  relay.learn(far.id(), first.id());
  relay.learn(far.id(), second.id());
  CHECK(relay.route(far.id()) == second.id());
  relay.forget(second.id());
  CHECK_FALSE(relay.route(far.id()).has_value());
}
