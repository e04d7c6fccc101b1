#pragma once

#include <cstdint>
#include <optional>

#include "mesh/archive.hpp"
#include "mesh/crypto.hpp"
#include "mesh/ids.hpp"

// Every message on a link travels in an envelope that proves its sender: hellos and all that moves
// work by a signature, the mesh's upkeep by a MAC under the key that the two ends share, which
// costs a hundredth. Either covers the run, the sender, the receiver (where it is known already),
// the sequence number and the content; a sliding window per link refuses what was seen before (as
// RFC 4303, 3.4.3) but lets late ones through.

namespace dagz::mesh {

inline constexpr std::size_t kControlMessageMax = 1024 * 1024;
inline constexpr std::size_t kBulkMessageMax = 16 * 1024 * 1024;

enum class EnvelopeKind : uint8_t { kHello = 0, kMessage = 1, kUpkeep = 2 };

struct Envelope {
  EnvelopeKind kind = EnvelopeKind::kMessage;
  NodeId from;
  NodeId to;  // zero in a dialler's hello
  uint64_t sequence = 0;
  Buffer content;
  Signature signature;  // of all but upkeep
  Hash mac;             // of upkeep

  template <class Archive>
  void serialize(Archive& archive) {
    archive(kind, from, to, sequence, bounded(content, kBulkMessageMax));
    if (kind == EnvelopeKind::kUpkeep) {
      archive(mac);
    } else {
      archive(signature);
    }
  }
};

// Signed and encoded; not for upkeep.
Buffer seal_envelope(const Crypto& crypto, EnvelopeKind kind, const NodeId& to, uint64_t sequence,
                     Buffer content);
bool verify_envelope(const Crypto& crypto, const PublicKey& key, const Envelope& envelope);

// Of kind kUpkeep, and encoded.
Buffer seal_upkeep(const Crypto& crypto, const SharedKey& key, const NodeId& to, uint64_t sequence,
                   Buffer content);
bool verify_upkeep(const Crypto& crypto, const SharedKey& key, const Envelope& envelope);

class ReplayWindow {
 public:
  // True the first time a number is seen, if it is not older than the window.
  bool accept(uint64_t sequence);

 private:
  static constexpr uint64_t kSize = 1024;
  uint64_t highest_ = 0;
  std::vector<bool> seen_ = std::vector<bool>(kSize);
};

}  // namespace dagz::mesh
