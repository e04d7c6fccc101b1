#include "mesh/io/run_watch.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "mesh/io/node_directory.hpp"
#include "mesh/io/sealed_identity.hpp"

namespace dagz::mesh {

RunWatch::RunWatch(std::shared_ptr<const Secret> trust_root, std::vector<std::string> directories)
    : trust_root_(std::move(trust_root)), directories_(std::move(directories)) {}

std::vector<RunSighting> RunWatch::look() {
  const HostId here = this_host();
  std::vector<RunSighting> found;
  for (const std::string& directory : directories_) {
    for (const RawEntry& raw : scan_directory({directory, "", "", {}, {}}).entries) {
      const auto unverified = read_unverified_entry(raw.bytes);
      if (!unverified) continue;
      const auto identity = open_identity(*trust_root_, unverified->sealed_identity);
      if (!identity) continue;
      const auto entry = open_entry(keyring_of(*identity), raw.bytes);
      if (entry && !is_dead(*entry, here)) found.push_back({*identity, entry->node_id});
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

const Keyring& RunWatch::keyring_of(const std::string& identity) {
  const auto known = keyrings_.find(identity);
  if (known != keyrings_.end()) return *known->second;
  if (keyrings_.size() >= kRunsMax) keyrings_.clear();
  return *(keyrings_[identity] = std::make_unique<Keyring>(*trust_root_, identity));
}

}  // namespace dagz::mesh
