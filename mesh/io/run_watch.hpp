#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mesh/io/keyring.hpp"
#include "mesh/io/secret.hpp"

// Which runs of one trust root have a node that can be seen from here, by what nodes leave in
// directories.

namespace dagz::mesh {

// Runs that are kept in mind.
inline constexpr std::size_t kRunsMax = 1024;

struct RunSighting {
  std::string identity;
  NodeId node;

  auto operator<=>(const RunSighting&) const = default;
};

class RunWatch {
 public:
  RunWatch(std::shared_ptr<const Secret> trust_root, std::vector<std::string> directories);

  // Reads the directories, which may take as long as a network file system does. Every node that
  // is there now, but for those of this host whose process is gone. Each entry has proved itself by
  // its run's keys.
  std::vector<RunSighting> look();

 private:
  const Keyring& keyring_of(const std::string& identity);

  std::shared_ptr<const Secret> trust_root_;
  std::vector<std::string> directories_;
  std::map<std::string, std::unique_ptr<Keyring>> keyrings_;  // by identity
};

}  // namespace dagz::mesh
