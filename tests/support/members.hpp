#pragma once

#include <cstdint>
#include <string>

#include "mesh/claim.hpp"
#include "mesh/profile.hpp"
#include "mesh/time.hpp"
#include "tests/support/fake_crypto.hpp"

// Members of a mesh for the tests of its parts.

namespace dagz::test {

// A node's keys and its signed profile. The number names it; it was born at that millisecond
// unless told otherwise.
struct Actor {
  FakeCrypto crypto;
  mesh::Profile profile;

  explicit Actor(uint64_t number, int64_t birth_wall_ms = -1, uint64_t mesh = 1,
                 mesh::Role role = mesh::Role::kVassal)
      : crypto(number, mesh) {
    profile.birth_wall_ms = birth_wall_ms >= 0 ? birth_wall_ms : static_cast<int64_t>(number);
    profile.control_address = "host" + std::to_string(number) + ":1";
    profile.bulk_address = "host" + std::to_string(number) + ":2";
    profile.host = "host" + std::to_string(number);
    profile.workers = role == mesh::Role::kVassal ? 2 : 0;
    profile.role = role;
    mesh::sign_profile(crypto, profile);
  }

  const NodeId& id() const { return profile.id; }
  Birth birth() const { return profile.birth(); }
  // As the first scheduler of a mesh of its own.
  mesh::Claim own_claim(uint64_t term = 1) const { return {birth(), term, birth()}; }
  // As the successor within somebody's lineage.
  mesh::Claim claim_after(const mesh::Claim& other) const {
    return {other.lineage, other.term + 1, birth()};
  }
};

// An id whose order is that of the numbers.
inline NodeId numbered_id(uint8_t number) {
  NodeId id;
  id.bytes[0] = number;
  return id;
}

inline constexpr Instant at_ms(int64_t ms) { return Instant{} + Duration::milliseconds(ms); }

}  // namespace dagz::test
