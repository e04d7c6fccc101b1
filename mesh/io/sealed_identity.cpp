#include "mesh/io/sealed_identity.hpp"

#include <sodium.h>

#include "mesh/check.hpp"

namespace dagz::mesh {
namespace {

constexpr std::string_view kKeyLabel = "dagz run names v1";
constexpr std::size_t kOverhead = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES;

const uint8_t* as_bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

uint8_t* as_bytes(std::string& text) { return reinterpret_cast<uint8_t*>(text.data()); }

Secret key_of(const Secret& trust_root) {
  Secret key(crypto_secretbox_KEYBYTES);
  CHECK(crypto_generichash(key.data(), key.size(), as_bytes(kKeyLabel), kKeyLabel.size(),
                           trust_root.data(), trust_root.size()) == 0);
  return key;
}

}  // namespace

std::string seal_identity(const Secret& trust_root, std::string_view identity) {
  start_sodium();
  if (identity.size() > kIdentityMax) return {};
  std::string sealed(kOverhead + identity.size(), '\0');
  uint8_t* nonce = as_bytes(sealed);
  randombytes_buf(nonce, crypto_secretbox_NONCEBYTES);
  crypto_secretbox_easy(nonce + crypto_secretbox_NONCEBYTES, as_bytes(identity), identity.size(),
                        nonce, key_of(trust_root).data());
  return sealed;
}

std::optional<std::string> open_identity(const Secret& trust_root, std::string_view sealed) {
  start_sodium();
  if (sealed.size() < kOverhead || sealed.size() > kSealedIdentityMax) return std::nullopt;
  std::string identity(sealed.size() - kOverhead, '\0');
  const uint8_t* nonce = as_bytes(sealed);
  if (crypto_secretbox_open_easy(as_bytes(identity), nonce + crypto_secretbox_NONCEBYTES,
                                 sealed.size() - crypto_secretbox_NONCEBYTES, nonce,
                                 key_of(trust_root).data()) != 0) {
    return std::nullopt;
  }
  return identity;
}

}  // namespace dagz::mesh
