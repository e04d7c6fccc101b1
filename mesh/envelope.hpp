#pragma once

#include <cstdint>
#include <optional>

#include "mesh/archive.hpp"
#include "mesh/crypto.hpp"
#include "mesh/ids.hpp"

// Every message on a link travels in a signed envelope. The signature covers the run, the sender,
// the receiver (where it is known already), the sequence number and the content; a sliding window
// per link refuses what was seen before (as RFC 4303, 3.4.3) but lets late ones through.

namespace dagz::mesh {

inline constexpr std::size_t kControlMessageMax = 1024 * 1024;
inline constexpr std::size_t kBulkMessageMax = 16 * 1024 * 1024;

enum class EnvelopeKind : uint8_t { kHello = 0, kMessage = 1 };

struct Envelope {
  EnvelopeKind kind = EnvelopeKind::kMessage;
  NodeId from;
  NodeId to;  // zero in a dialler's hello
  uint64_t sequence = 0;
  Buffer content;
  Signature signature;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(kind, from, to, sequence, content, signature);
  }
};

// Signed and encoded.
Buffer seal_envelope(const Crypto& crypto, EnvelopeKind kind, const NodeId& to, uint64_t sequence,
                     Buffer content);
bool verify_envelope(const Crypto& crypto, const PublicKey& key, const Envelope& envelope);

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
