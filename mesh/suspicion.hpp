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

  bool has_heard(const NodeId& accuser, bool refused) const {
    return refused ? refused_.contains(accuser) : accusers_.contains(accuser);
  }
  // True if this says something new.
  bool confirm(const NodeId& accuser, bool refused);
  // `observers`: how many live members could accuse it.
  Instant dead_at(std::size_t observers) const;
  // The process is gone: its address refused this node and another one, or three others.
  bool is_certain(const NodeId& self, std::size_t observers) const;
  bool was_refused(const NodeId& accuser) const { return refused_.contains(accuser); }
  // This node did not listen for so long.
  void excuse(Duration stall) { started_at_ = started_at_ + stall; }

 private:
  const Config* config_;
  Instant started_at_;
  std::set<NodeId> accusers_;
  std::set<NodeId> refused_;
};

}  // namespace dagz::mesh
