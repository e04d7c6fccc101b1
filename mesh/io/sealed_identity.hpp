#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "mesh/ids.hpp"
#include "mesh/io/secret.hpp"

// A run's public identity, which all its keys are derived from, for those who hold the trust root
// but do not know which runs there are: sealed under a key of the root alone (XSalsa20-Poly1305).
// It says nothing to anybody else. Where the root itself depends on the run (possession of the
// sources, `open`), only who knows the identity already can open it.

namespace dagz::mesh {

inline constexpr std::size_t kIdentityMax = 1024;
inline constexpr std::size_t kSealedIdentityMax = kIdentityMax + 64;

// Differs each time. Empty for an identity that is too long.
std::string seal_identity(const Secret& trust_root, std::string_view identity);
// Nothing if it was sealed under another root, or is damaged.
std::optional<std::string> open_identity(const Secret& trust_root, std::string_view sealed);

}  // namespace dagz::mesh
