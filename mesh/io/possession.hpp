#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mesh/io/secret.hpp"

namespace dagz::mesh {

// What a checkout proves about its holder. Two nodes agree exactly when git tracks the same paths
// with the same blobs for both. The index stands for the files: a blob id is a hash of the content,
// and a step that rewrites tracked files on each node (a version stamp, say) splits no mesh.
struct Possession {
  Secret key;  // 32 bytes
  std::size_t file_count = 0;
  bool modified = false;  // tracked files differ from the index; not part of the key
};

// A larger index is no proof.
inline constexpr std::size_t kIndexBytesMax = std::size_t{256} << 20;

// Of the project at `root`; nothing without git, outside a work tree or without a tracked file.
// Runs git, for at most ten seconds.
std::optional<Possession> prove_possession(const std::string& root, std::string_view job_key);

// The pure part, over the output of `git ls-files -s -z`; exposed for tests.
std::optional<Possession> possession_of_index(std::string_view index, std::string_view job_key);

}  // namespace dagz::mesh
