#pragma once

#include <cstddef>
#include <string>

#include "mesh/io/secret.hpp"

namespace dagz::mesh {

inline constexpr std::size_t kKeyFileSize = 32;
inline constexpr std::size_t kSecretMin = 16;
inline constexpr std::size_t kSecretMax = 4096;

struct KeyFile {
  Secret key;         // empty exactly when `error` says why
  std::string error;  // one sentence naming the file and what to do
  bool denied =
      false;  // the place cannot hold a key at all (read-only, missing): not the key's fault
};

// The secret a person made: at least kSecretMin bytes once trailing white space is gone, a regular
// file of this user or of root that others cannot read or write and the group cannot write.
KeyFile read_secret_file(const std::string& path);

// The 32 random bytes in `directory`/`name`, made on first use and then the same for everybody who
// asks, even if many ask at once. `directory` is made (0700) if need be. The file must belong to
// this user and be closed to all others (0600 or less). Waits at most a second for a half-written
// file.
KeyFile load_or_create_key(const std::string& directory, const std::string& name);

}  // namespace dagz::mesh
