#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

// Fixed-size values that name things in the mesh. They compare bytewise, so every order that rests
// on them is the same on all nodes.

namespace dagz {

template <class Tag, std::size_t Size>
struct FixedBytes {
  static constexpr std::size_t kSize = Size;
  std::array<uint8_t, Size> bytes{};

  bool operator==(const FixedBytes&) const = default;
  // Of eight bytes at a time: ids are the keys of every map, and a call of memcmp each would show.
  std::strong_ordering operator<=>(const FixedBytes& other) const {
    static_assert(Size % 8 == 0);
    for (std::size_t at = 0; at < Size; at += 8) {
      const uint64_t mine = word(at);
      const uint64_t theirs = other.word(at);
      if (mine != theirs) return mine <=> theirs;
    }
    return std::strong_ordering::equal;
  }
  // Eight of its bytes as a number, the first the most significant.
  uint64_t word(std::size_t at) const {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, 8);
    return std::endian::native == std::endian::little ? __builtin_bswap64(value) : value;
  }
  bool is_zero() const { return *this == FixedBytes{}; }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bytes);
  }
};

// BLAKE2b-128 of the node's public key: a restarted process is a new member.
using NodeId = FixedBytes<struct NodeIdTag, 16>;
// Which run this is: derived from the trust root and the run's identity.
using MeshId = FixedBytes<struct MeshIdTag, 16>;
using Hash = FixedBytes<struct HashTag, 32>;
using PublicKey = FixedBytes<struct PublicKeyTag, 32>;
using Signature = FixedBytes<struct SignatureTag, 64>;
// Known to two nodes alone.
using SharedKey = FixedBytes<struct SharedKeyTag, 32>;
// Proof that the holder of the trust root vouches for a public key.
using Endorsement = FixedBytes<struct EndorsementTag, 32>;

// When a process started. The node id breaks ties, so "first up" is a total order.
struct Birth {
  int64_t wall_ms = 0;
  NodeId node;

  auto operator<=>(const Birth&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(wall_ms, node);
  }
};

std::string to_hex(const uint8_t* data, std::size_t size);

template <class Tag, std::size_t Size>
std::string to_hex(const FixedBytes<Tag, Size>& value) {
  return to_hex(value.bytes.data(), Size);
}

// The first 8 hex digits, for people.
inline std::string short_name(const NodeId& id) { return to_hex(id.bytes.data(), 4); }

}  // namespace dagz
