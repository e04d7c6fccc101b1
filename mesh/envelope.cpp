#include "mesh/envelope.hpp"

#include "mesh/check.hpp"

namespace dagz::mesh {
namespace {

Buffer proven_part(const Envelope& envelope) {
  Buffer out;
  out.reserve(envelope.content.size() + 64);
  WireWriter writer(out);
  writer.write_bytes("envelope", 8);
  writer(envelope.kind, envelope.from, envelope.to, envelope.sequence, envelope.content);
  return out;
}

}  // namespace

Buffer seal_envelope(const Crypto& crypto, EnvelopeKind kind, const NodeId& to, uint64_t sequence,
                     Buffer content) {
  CHECK(kind != EnvelopeKind::kUpkeep);
  Envelope envelope{kind, crypto.node_id(), to, sequence, std::move(content), {}, {}};
  envelope.signature = crypto.sign(proven_part(envelope));
  return encode(envelope);
}

bool verify_envelope(const Crypto& crypto, const PublicKey& key, const Envelope& envelope) {
  return envelope.kind != EnvelopeKind::kUpkeep &&
         crypto.verify(key, proven_part(envelope), envelope.signature);
}

Buffer seal_upkeep(const Crypto& crypto, const SharedKey& key, const NodeId& to, uint64_t sequence,
                   Buffer content) {
  Envelope envelope{
      EnvelopeKind::kUpkeep, crypto.node_id(), to, sequence, std::move(content), {}, {}};
  envelope.mac = crypto.authenticate(key, proven_part(envelope));
  return encode(envelope);
}

bool verify_upkeep(const Crypto& crypto, const SharedKey& key, const Envelope& envelope) {
  if (envelope.kind != EnvelopeKind::kUpkeep) return false;
  const Hash expected = crypto.authenticate(key, proven_part(envelope));
  uint8_t difference = 0;  // in constant time
  for (std::size_t i = 0; i < Hash::kSize; ++i) {
    difference |= static_cast<uint8_t>(expected.bytes[i] ^ envelope.mac.bytes[i]);
  }
  return difference == 0;
}

bool ReplayWindow::accept(uint64_t sequence) {
  if (sequence == 0) return false;
  if (sequence > highest_) {
    const uint64_t steps = sequence - highest_;
    if (steps >= kSize) {
      seen_.assign(kSize, false);
    } else {
      for (uint64_t i = 1; i <= steps; ++i) seen_[(highest_ + i) % kSize] = false;
    }
    highest_ = sequence;
  } else if (highest_ - sequence >= kSize) {
    return false;
  }
  if (seen_[sequence % kSize]) return false;
  seen_[sequence % kSize] = true;
  return true;
}

}  // namespace dagz::mesh
