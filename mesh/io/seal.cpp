#include "mesh/io/seal.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <vector>

namespace dagz::mesh {
namespace {

std::vector<uint8_t> bound_to(const MeshId& mesh_id, Bytes data) {
  std::vector<uint8_t> message;
  message.reserve(mesh_id.bytes.size() + data.size());
  message.insert(message.end(), mesh_id.bytes.begin(), mesh_id.bytes.end());
  message.insert(message.end(), data.begin(), data.end());
  return message;
}

}  // namespace

Hash SodiumCrypto::hash(Bytes data) const {
  Hash hash;
  crypto_generichash(hash.bytes.data(), hash.bytes.size(), data.data(), data.size(), nullptr, 0);
  return hash;
}

std::string short_digest(std::string_view text) {
  std::array<uint8_t, 8> digest{};
  crypto_generichash_blake2b(digest.data(), digest.size(),
                             reinterpret_cast<const uint8_t*>(text.data()), text.size(), nullptr,
                             0);
  return to_hex(digest.data(), digest.size());
}

NodeId SodiumCrypto::node_id_of(const PublicKey& key) const {
  NodeId id;
  crypto_generichash(id.bytes.data(), id.bytes.size(), key.bytes.data(), key.bytes.size(), nullptr,
                     0);
  return id;
}

Signature SodiumCrypto::sign(Bytes data) const {
  const std::vector<uint8_t> message = bound_to(mesh_id(), data);
  Signature signature;
  crypto_sign_detached(signature.bytes.data(), nullptr, message.data(), message.size(),
                       keyring_.signing_key().data());
  return signature;
}

bool SodiumCrypto::verify(const PublicKey& key, Bytes data, const Signature& signature) const {
  const std::vector<uint8_t> message = bound_to(mesh_id(), data);
  return crypto_sign_verify_detached(signature.bytes.data(), message.data(), message.size(),
                                     key.bytes.data()) == 0;
}

SharedKey SodiumCrypto::shared_key(const PublicKey& peer) const {
  SharedKey key;
  std::array<uint8_t, crypto_scalarmult_curve25519_BYTES> theirs{};
  Secret mine(crypto_scalarmult_curve25519_SCALARBYTES);
  Secret agreed(crypto_scalarmult_curve25519_BYTES);
  if (crypto_sign_ed25519_pk_to_curve25519(theirs.data(), peer.bytes.data()) != 0 ||
      crypto_sign_ed25519_sk_to_curve25519(mine.data(), keyring_.signing_key().data()) != 0 ||
      crypto_scalarmult_curve25519(agreed.data(), mine.data(), theirs.data()) != 0) {
    randombytes_buf(key.bytes.data(), key.bytes.size());
    return key;
  }
  const auto [first, second] = std::minmax(public_key(), peer);
  std::vector<uint8_t> named(mesh_id().bytes.begin(), mesh_id().bytes.end());
  named.insert(named.end(), first.bytes.begin(), first.bytes.end());
  named.insert(named.end(), second.bytes.begin(), second.bytes.end());
  crypto_generichash(key.bytes.data(), key.bytes.size(), named.data(), named.size(), agreed.data(),
                     agreed.size());
  return key;
}

Hash SodiumCrypto::authenticate(const SharedKey& key, Bytes data) const {
  Hash mac;
  crypto_generichash(mac.bytes.data(), mac.bytes.size(), data.data(), data.size(), key.bytes.data(),
                     key.bytes.size());
  return mac;
}

Endorsement SodiumCrypto::endorse(const PublicKey& key) const {
  Endorsement endorsement;
  const Secret& secret = keyring_.endorsement_key();
  crypto_generichash(endorsement.bytes.data(), endorsement.bytes.size(), key.bytes.data(),
                     key.bytes.size(), secret.data(), secret.size());
  return endorsement;
}

std::vector<uint8_t> SodiumCrypto::encrypt(const PublicKey& to, Bytes data) const {
  std::array<uint8_t, crypto_box_PUBLICKEYBYTES> key{};
  // A key that is no point of the curve has no holder: nobody could read it.
  if (crypto_sign_ed25519_pk_to_curve25519(key.data(), to.bytes.data()) != 0) return {};
  std::vector<uint8_t> box(data.size() + crypto_box_SEALBYTES);
  if (crypto_box_seal(box.data(), data.data(), data.size(), key.data()) != 0) return {};
  return box;
}

std::optional<std::vector<uint8_t>> SodiumCrypto::decrypt(Bytes box) const {
  if (box.size() < crypto_box_SEALBYTES) return std::nullopt;
  std::array<uint8_t, crypto_box_PUBLICKEYBYTES> public_key{};
  Secret secret_key(crypto_box_SECRETKEYBYTES);
  if (crypto_sign_ed25519_pk_to_curve25519(public_key.data(), keyring_.public_key().bytes.data()) !=
          0 ||
      crypto_sign_ed25519_sk_to_curve25519(secret_key.data(), keyring_.signing_key().data()) != 0) {
    return std::nullopt;
  }
  std::vector<uint8_t> data(box.size() - crypto_box_SEALBYTES);
  if (crypto_box_seal_open(data.data(), box.data(), box.size(), public_key.data(),
                           secret_key.data()) != 0) {
    return std::nullopt;
  }
  return data;
}

}  // namespace dagz::mesh
