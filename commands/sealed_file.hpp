#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "mesh/archive.hpp"
#include "mesh/crypto.hpp"
#include "mesh/io/keyring.hpp"

// What nodes leave for one another in a directory: a MAC, then the content. The MAC covers a label
// as well, so that no other file of the same keys can be taken for one of these.

namespace dagz {

// Nothing unless it is a plain file (neither a link nor a pipe, which somebody else may have left
// there) of these keys and within the limit.
std::optional<Buffer> read_sealed(const mesh::Keyring& keyring, std::string_view label,
                                  const std::filesystem::path& path, std::size_t content_max);

// Replaces the file at once. 0, or an errno.
int write_sealed(const mesh::Keyring& keyring, std::string_view label, const std::string& directory,
                 const std::string& name, Bytes content);

}  // namespace dagz
