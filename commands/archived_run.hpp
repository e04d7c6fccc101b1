#pragma once

#include <poll.h>

#include <memory>
#include <string>
#include <vector>

#include "commands/carrier.hpp"
#include "commands/mesh_access.hpp"
#include "mesh/io/discovery.hpp"
#include "mesh/io/keyring.hpp"
#include "mesh/io/seal.hpp"
#include "node.hpp"

// An archivist's membership in one run: from the first node that it hears of until the job is
// closed, or until everybody has gone.

namespace dagz {

class ArchivedRun {
 public:
  ArchivedRun(const MeshAccess& access, const std::string& identity);

  // Nothing on success, else a sentence.
  std::string start(const Binding& binding);
  void turn();
  Instant next_deadline() const;
  void append_poll_items(std::vector<pollfd>& items) const;

  // Set once there is nothing more to hear.
  const std::optional<NodeEnd>& end() const { return node_->end(); }
  // The others do not need this member either.
  bool may_leave() const;
  // Says goodbye. Only the destructor may follow.
  void leave();

  // Those that were met.
  std::vector<NodeId> members() const;
  // Nothing until the job has a name.
  std::shared_ptr<const report::JobSummary> summary() const;

 private:
  mesh::Keyring keyring_;
  mesh::SodiumCrypto crypto_;
  Carrier carrier_;
  mesh::Discovery discovery_;
  std::unique_ptr<Node> node_;
};

}  // namespace dagz
