#pragma once

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "mesh/crypto.hpp"

namespace dagz::test {

// Fast, predictable, and good enough to notice every changed byte: "signatures" are hashes that
// anybody could make, so only accidents are caught, not malice.
class FakeCrypto : public Crypto {
 public:
  explicit FakeCrypto(uint64_t number, uint64_t mesh = 1) {
    put(key_.bytes.data(), mix(number + 1));
    put(key_.bytes.data() + 8, mix(number + 0x1234'5678));
    put(mesh_.bytes.data(), mix(mesh));
    id_ = node_id_of(key_);
  }

  const PublicKey& public_key() const override { return key_; }
  const NodeId& node_id() const override { return id_; }
  const MeshId& mesh_id() const override { return mesh_; }

  Hash hash(Bytes data) const override {
    Hash out;
    const uint64_t h = digest(data, 0x51ed'270b);
    put(out.bytes.data(), h);
    put(out.bytes.data() + 8, mix(h + 1));
    return out;
  }

  NodeId node_id_of(const PublicKey& key) const override {
    NodeId id;
    const uint64_t h = digest(key.bytes, 0xabcd);
    put(id.bytes.data(), h);
    put(id.bytes.data() + 8, mix(h + 7));
    return id;
  }

  Signature sign(Bytes data) const override { return signature(key_, data); }

  bool verify(const PublicKey& key, Bytes data, const Signature& given) const override {
    return signature(key, data) == given;
  }

  SharedKey shared_key(const PublicKey& peer) const override {
    SharedKey out;
    put(out.bytes.data(),
        get(key_.bytes.data()) ^ get(peer.bytes.data()) ^ get(mesh_.bytes.data()));
    return out;
  }
  Hash authenticate(const SharedKey& key, Bytes data) const override {
    Hash out;
    put(out.bytes.data(), digest(data, get(key.bytes.data())));
    return out;
  }

  Endorsement endorse(const PublicKey& key) const override {
    Endorsement out;
    put(out.bytes.data(), digest(key.bytes, get(mesh_.bytes.data())));
    return out;
  }

  // The reader's key in front stands for the encryption.
  std::vector<uint8_t> encrypt(const PublicKey& to, Bytes data) const override {
    std::vector<uint8_t> box(to.bytes.begin(), to.bytes.end());
    for (const uint8_t byte : data) box.push_back(static_cast<uint8_t>(byte ^ 0x5a));
    return box;
  }
  std::optional<std::vector<uint8_t>> decrypt(Bytes box) const override {
    if (box.size() < PublicKey::kSize) return std::nullopt;
    if (!std::equal(key_.bytes.begin(), key_.bytes.end(), box.begin())) return std::nullopt;
    std::vector<uint8_t> data;
    for (const uint8_t byte : box.subspan(PublicKey::kSize)) {
      data.push_back(static_cast<uint8_t>(byte ^ 0x5a));
    }
    return data;
  }

 private:
  static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
    return z ^ (z >> 31);
  }
  static void put(uint8_t* at, uint64_t value) { std::memcpy(at, &value, 8); }
  static uint64_t get(const uint8_t* at) {
    uint64_t value = 0;
    std::memcpy(&value, at, 8);
    return value;
  }
  static uint64_t digest(Bytes data, uint64_t seed) {
    uint64_t h = seed ^ (data.size() * 0x9e37'79b9'7f4a'7c15);
    std::size_t i = 0;
    for (; i + 8 <= data.size(); i += 8) {
      h = (h ^ get(data.data() + i)) * 0xff51'afd7'ed55'8ccd;
      h ^= h >> 32;
    }
    for (; i < data.size(); ++i) h = (h ^ data[i]) * 0x0000'0100'0000'01b3;
    return mix(h);
  }
  Signature signature(const PublicKey& key, Bytes data) const {
    Signature out;
    put(out.bytes.data(), digest(data, get(key.bytes.data()) ^ get(mesh_.bytes.data())));
    return out;
  }

  PublicKey key_;
  MeshId mesh_;
  NodeId id_;
};

}  // namespace dagz::test
