#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "mesh/statement.hpp"

// Rumours that still want telling: SWIM's transmit-limited queue. At most one per subject, the
// newest; the least told go first, ties by subject.

namespace dagz::mesh {

class GossipQueue {
 public:
  void push(const Statement& statement);

  // Up to `count` rumours, each counted as told once and dropped after `limit` times.
  std::vector<Statement> take(std::size_t count, uint32_t limit);

  bool empty() const { return rumours_.empty(); }
  std::size_t size() const { return rumours_.size(); }

 private:
  struct Rumour {
    Statement statement;
    uint32_t told = 0;
  };
  std::map<NodeId, Rumour> rumours_;
};

// multiplier * ceil(log2(members + 1)).
uint32_t transmit_limit(uint32_t multiplier, std::size_t members);

}  // namespace dagz::mesh
