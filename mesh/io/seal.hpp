#pragma once

#include <string>
#include <string_view>

#include "mesh/crypto.hpp"
#include "mesh/io/keyring.hpp"

namespace dagz::mesh {

// The real Crypto: libsodium over the keys of a Keyring, which must outlive it. Holds no key itself
// and no state, so it may be used from several threads.
class SodiumCrypto : public Crypto {
 public:
  explicit SodiumCrypto(const Keyring& keyring) : keyring_(keyring) {}

  const PublicKey& public_key() const override { return keyring_.public_key(); }
  const NodeId& node_id() const override { return keyring_.node_id(); }
  const MeshId& mesh_id() const override { return keyring_.mesh_id(); }

  Hash hash(Bytes data) const override;
  NodeId node_id_of(const PublicKey& key) const override;
  Signature sign(Bytes data) const override;
  bool verify(const PublicKey& key, Bytes data, const Signature& signature) const override;
  SharedKey shared_key(const PublicKey& peer) const override;
  Hash authenticate(const SharedKey& key, Bytes data) const override;
  Endorsement endorse(const PublicKey& key) const override;
  std::vector<uint8_t> encrypt(const PublicKey& to, Bytes data) const override;
  std::optional<std::vector<uint8_t>> decrypt(Bytes box) const override;

 private:
  const Keyring& keyring_;
};

// BLAKE2b of 8 bytes in hex, without a key: names things, proves nothing.
std::string short_digest(std::string_view text);

}  // namespace dagz::mesh
