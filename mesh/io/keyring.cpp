#include "mesh/io/keyring.hpp"

#include <sodium.h>

#include <algorithm>

#include "mesh/check.hpp"

namespace dagz::mesh {
namespace {

constexpr std::string_view kRootLabel = "dagz mesh v1";
constexpr std::string_view kTagLabel = "dagz run v1";
constexpr char kKdfContext[crypto_kdf_CONTEXTBYTES + 1] = "dagzmesh";

enum Subkey : uint64_t {
  kMacKey = 1,
  kCurveServerSeed = 2,
  kCurveClientSeed = 3,
  kEndorsementKey = 4,
  kMeshIdKey = 5,
};

const uint8_t* as_bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

// BLAKE2b over two strings; `key` may be empty.
void hash_two(uint8_t* out, std::size_t out_size, std::span<const uint8_t> key,
              std::string_view first, std::string_view second) {
  crypto_generichash_state state;
  CHECK(crypto_generichash_init(&state, key.data(), key.size(), out_size) == 0);
  crypto_generichash_update(&state, as_bytes(first), first.size());
  crypto_generichash_update(&state, as_bytes(second), second.size());
  crypto_generichash_final(&state, out, out_size);
  sodium_memzero(&state, sizeof state);
}

Secret derive(const Secret& root, Subkey subkey) {
  Secret key(32);
  CHECK(crypto_kdf_derive_from_key(key.data(), key.size(), subkey, kKdfContext, root.data()) == 0);
  return key;
}

CurvePair derive_curve(const Secret& root, Subkey subkey) {
  const Secret seed = derive(root, subkey);
  CurvePair pair;
  pair.secret_key = Secret(crypto_box_SECRETKEYBYTES);
  crypto_box_seed_keypair(pair.public_key.data(), pair.secret_key.data(), seed.data());
  return pair;
}

}  // namespace

Keyring::Keyring(const Secret& trust_root, std::string_view identity) {
  start_sodium();
  CHECK(trust_root.size() == crypto_kdf_KEYBYTES);
  Secret root(crypto_kdf_KEYBYTES);
  hash_two(root.data(), root.size(), trust_root.bytes(), kRootLabel, identity);
  std::array<uint8_t, 16> tag;
  hash_two(tag.data(), tag.size(), {}, kTagLabel, identity);
  std::copy_n(tag.begin(), run_tag_.bytes.size(), run_tag_.bytes.begin());

  const Secret mesh_id = derive(root, kMeshIdKey);
  std::copy_n(mesh_id.data(), mesh_id_.bytes.size(), mesh_id_.bytes.begin());
  mac_key_ = derive(root, kMacKey);
  curve_server_ = derive_curve(root, kCurveServerSeed);
  curve_client_ = derive_curve(root, kCurveClientSeed);
  endorsement_key_ = derive(root, kEndorsementKey);

  signing_key_ = Secret(crypto_sign_SECRETKEYBYTES);
  crypto_sign_keypair(public_key_.bytes.data(), signing_key_.data());
  crypto_generichash(node_id_.bytes.data(), node_id_.bytes.size(), public_key_.bytes.data(),
                     public_key_.bytes.size(), nullptr, 0);
}

Mac Keyring::mac(Bytes data) const {
  Mac mac;
  crypto_generichash(mac.data(), mac.size(), data.data(), data.size(), mac_key_.data(),
                     mac_key_.size());
  return mac;
}

bool Keyring::verify_mac(Bytes data, const Mac& mac) const {
  const Mac expected = this->mac(data);
  return sodium_memcmp(expected.data(), mac.data(), mac.size()) == 0;
}

}  // namespace dagz::mesh
