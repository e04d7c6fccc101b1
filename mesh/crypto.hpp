#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mesh/ids.hpp"

// The cryptography that the cores rest on, as a seam: mesh/io/keyring is the real one (libsodium),
// tests/support/fake_crypto a fast and predictable one. No method keeps state.

namespace dagz {

using Bytes = std::span<const uint8_t>;

class Crypto {
 public:
  virtual ~Crypto() = default;

  // This process's identity.
  virtual const PublicKey& public_key() const = 0;
  virtual const NodeId& node_id() const = 0;
  // Which run this process belongs to; part of everything that is signed.
  virtual const MeshId& mesh_id() const = 0;

  // BLAKE2b-256.
  virtual Hash hash(Bytes data) const = 0;
  // BLAKE2b-128 of the key.
  virtual NodeId node_id_of(const PublicKey& key) const = 0;

  // Ed25519 over mesh_id || data, so that a statement made in one run means nothing in another.
  virtual Signature sign(Bytes data) const = 0;
  virtual bool verify(const PublicKey& key, Bytes data, const Signature& signature) const = 0;

  // X25519 of both keys, hashed with the run and both public keys: a hundred microseconds, once for
  // each peer. A key with which nobody can agree gives a value that nobody else has.
  virtual SharedKey shared_key(const PublicKey& peer) const = 0;
  // Keyed BLAKE2b-256: about a hundredth of the work of a signature, and no proof to anybody else.
  virtual Hash authenticate(const SharedKey& key, Bytes data) const = 0;

  // Keyed BLAKE2b under the trust root: a holder of the root vouches for this public key.
  virtual Endorsement endorse(const PublicKey& key) const = 0;

  // For the holder of that Ed25519 key alone: an anonymous sealed box (X25519, XSalsa20-Poly1305).
  virtual std::vector<uint8_t> encrypt(const PublicKey& to, Bytes data) const = 0;
  // Nothing when it was not encrypted for this process, or was changed since.
  virtual std::optional<std::vector<uint8_t>> decrypt(Bytes box) const = 0;
};

}  // namespace dagz
