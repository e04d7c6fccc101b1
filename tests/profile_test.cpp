#include "mesh/profile.hpp"

#include <catch2/catch.hpp>
#include <functional>

#include "tests/support/members.hpp"

using namespace dagz;
using namespace dagz::mesh;
using test::Actor;

TEST_CASE("profile: signed by its node, it is believed after a journey", "[mesh]") {
  const Actor a(1);
  const Actor b(2);
  Profile received;
  REQUIRE(decode(encode(a.profile), received));
  CHECK(received.id.is_zero());
  REQUIRE(verify_profile(b.crypto, received));
  CHECK(received.id == a.id());
  CHECK(received.birth() == a.birth());
  CHECK(received.control_address == a.profile.control_address);
  CHECK(received.workers == 2);
}

TEST_CASE("profile: every field is under the signature", "[mesh]") {
  const Actor a(1);
  const Actor b(2);
  const std::vector<std::function<void(Profile&)>> changes{
      [](Profile& p) { ++p.version; },
      [](Profile& p) { p.key.bytes[3] ^= 1; },
      [&](Profile& p) { p.key = b.profile.key; },
      [](Profile& p) { p.endorsement.bytes[0] ^= 1; },
      [](Profile& p) { --p.birth_wall_ms; },
      [](Profile& p) { p.control_address += "0"; },
      [](Profile& p) { p.bulk_address += "0"; },
      [](Profile& p) { p.host = "other"; },
      [](Profile& p) { ++p.workers; },
      [](Profile& p) { ++p.speed; },
      [](Profile& p) { p.role = Role::kArchivist; },
      [](Profile& p) { p.signature.bytes[5] ^= 1; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    INFO("change " << i);
    Profile forged = a.profile;
    changes[i](forged);
    CHECK_FALSE(verify_profile(b.crypto, forged));
  }
}

TEST_CASE("profile: a key that another root vouches for is refused", "[mesh]") {
  const Actor here(1, 1, 1);
  Profile stranger = Actor(2, 2, 99).profile;
  CHECK_FALSE(verify_profile(here.crypto, stranger));
  // With the right endorsement, but signed in another run.
  stranger.endorsement = here.crypto.endorse(stranger.key);
  CHECK_FALSE(verify_profile(here.crypto, stranger));
}

TEST_CASE("profile: more workers than the limit are refused", "[mesh]") {
  Actor a(1);
  a.profile.workers = kWorkersMax;
  sign_profile(a.crypto, a.profile);
  CHECK(verify_profile(a.crypto, a.profile));
  a.profile.workers = kWorkersMax + 1;
  sign_profile(a.crypto, a.profile);
  CHECK_FALSE(verify_profile(a.crypto, a.profile));
}

TEST_CASE("profile: a role that this version does not know is refused", "[mesh]") {
  Actor a(1);
  a.profile.role = static_cast<Role>(3);
  sign_profile(a.crypto, a.profile);
  CHECK_FALSE(verify_profile(a.crypto, a.profile));
}

TEST_CASE("profile: names and addresses have their limits", "[mesh]") {
  Actor a(1);
  Profile back;
  a.profile.host = std::string(kNameMax, 'h');
  a.profile.control_address = std::string(kAddressMax, 'a');
  CHECK(decode(encode(a.profile), back));
  a.profile.host += "h";
  CHECK_FALSE(decode(encode(a.profile), back));
  a.profile.host = "h";
  a.profile.control_address += "a";
  CHECK_FALSE(decode(encode(a.profile), back));
}
