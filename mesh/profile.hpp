#pragma once

#include <cstdint>
#include <string>

#include "mesh/archive.hpp"
#include "mesh/crypto.hpp"
#include "mesh/ids.hpp"

// What a node says about itself, once: it does not change while the process lives. Signed by the
// node and endorsed by the trust root, so it can be passed on by anybody.

namespace dagz::mesh {

inline constexpr uint32_t kProtocolVersion = 13;
inline constexpr std::size_t kAddressMax = 256;
inline constexpr std::size_t kNameMax = 128;
inline constexpr uint32_t kWorkersMax = 4096;

// What a process has joined for.
enum class Role : uint8_t {
  kVassal = 0,     // runs tests, and may schedule
  kArchivist = 1,  // a member that keeps what the others do: runs nothing, never schedules
  kObserver = 2,   // asks, takes no part: never becomes a member
};

struct Profile {
  uint32_t version = kProtocolVersion;
  PublicKey key;
  Endorsement endorsement;
  int64_t birth_wall_ms = 0;
  std::string control_address;  // host:port
  std::string bulk_address;     // host:port
  std::string host;             // machine, for people
  uint32_t workers = 0;
  // Of one worker, by the node's own measure, to be compared with that of others; 0: not known.
  uint32_t speed = 0;
  Role role = Role::kVassal;
  Signature signature;

  NodeId id;  // derived from the key by `verify_profile`, never sent

  Birth birth() const { return {birth_wall_ms, id}; }

  template <class Archive>
  void serialize(Archive& archive) {
    serialize_statement(archive);
    archive(signature);
  }

  template <class Archive>
  void serialize_statement(Archive& archive) {
    archive(version, key, endorsement, birth_wall_ms, bounded(control_address, kAddressMax),
            bounded(bulk_address, kAddressMax), bounded(host, kNameMax), workers, speed, role);
  }
};

// Completes key, endorsement, id and signature of the own profile.
void sign_profile(const Crypto& crypto, Profile& profile);

// True if the root vouches for the key and the key signed the rest; sets `id`.
bool verify_profile(const Crypto& crypto, Profile& profile);
// For one that is part of something else that the key signed.
bool verify_own_profile(const Crypto& crypto, Profile& profile);

}  // namespace dagz::mesh
