#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "mesh/crypto.hpp"
#include "mesh/ids.hpp"
#include "mesh/io/secret.hpp"

namespace dagz::mesh {

using Mac = std::array<uint8_t, 16>;
// Names the run in public places, such as file names in a shared directory; says nothing about the
// secret.
using RunTag = FixedBytes<struct RunTagTag, 8>;

struct CurvePair {
  std::array<uint8_t, 32> public_key{};
  Secret secret_key;  // 32 bytes
};

// All keys of this process, derived from the trust root and the run's identity:
//
//   root          BLAKE2b-256(key = trust root, "dagz mesh v1" || identity)
//   subkeys       crypto_kdf(root): 1 beacon and directory MAC, 2 CURVE server, 3 CURVE client,
//                 4 endorsement, 5 mesh id
//
// Every node of a run has the same CURVE pairs: who does not hold the root cannot even finish the
// handshake, and two runs never meet. The Ed25519 pair is fresh and is this process's identity. The
// root itself is not kept. Immutable after construction, so it may be shared by reference.
class Keyring {
 public:
  // `trust_root` has 32 bytes; `identity` is the run's public identity.
  Keyring(const Secret& trust_root, std::string_view identity);

  const MeshId& mesh_id() const { return mesh_id_; }
  const RunTag& run_tag() const { return run_tag_; }

  Mac mac(Bytes data) const;
  // In constant time.
  bool verify_mac(Bytes data, const Mac& mac) const;

  const CurvePair& curve_server() const { return curve_server_; }
  const CurvePair& curve_client() const { return curve_client_; }
  const Secret& endorsement_key() const { return endorsement_key_; }

  const PublicKey& public_key() const { return public_key_; }
  const NodeId& node_id() const { return node_id_; }
  // Ed25519, 64 bytes.
  const Secret& signing_key() const { return signing_key_; }

 private:
  MeshId mesh_id_;
  RunTag run_tag_;
  Secret mac_key_;
  CurvePair curve_server_;
  CurvePair curve_client_;
  Secret endorsement_key_;
  PublicKey public_key_;
  NodeId node_id_;
  Secret signing_key_;
};

}  // namespace dagz::mesh
