#pragma once

#include <set>

#include "mesh/config.hpp"
#include "mesh/ids.hpp"

// How long a silent member has left to speak up. Lifeguard (Dadgar, Phillips, Currey 2017): the
// time shrinks logarithmically from max to min as independent accusers confirm.

namespace dagz::mesh {

// Integer form of  max - (max - min) * log(c + 1) / log(k + 1).
Duration suspicion_timeout(Duration min, Duration max, uint32_t confirmations, uint32_t wanted);

class Suspicion {
 public:
  Suspicion(Instant started_at, const Config& config) : config_(&config), started_at_(started_at) {}

  // True if this accuser is a new one.
  bool confirm(const NodeId& accuser) { return accusers_.insert(accuser).second; }
  Instant dead_at() const;

 private:
  const Config* config_;
  Instant started_at_;
  std::set<NodeId> accusers_;
};

}  // namespace dagz::mesh
