#pragma once

#include <cstdint>
#include <vector>

#include "mesh/time.hpp"
#include "sched/speed.hpp"

// Which share of the work each node gets: longest processing time first (Graham 1969) over groups
// of tests that want to stay together, onto the workers of all nodes: a long group goes where it is
// done first, the others to whoever is free first. Deterministic.

namespace dagz::sched {

struct PlanGroup {
  Duration expected;
  // Index of its first test: breaks ties in collection order.
  uint32_t order = 0;
};

struct PlanNode {
  uint32_t workers = 1;
  Duration load;  // expected time of what it has, summed over its workers
  int64_t speed = NodeSpeed::kNormal;
};

struct Plan {
  // For each group the index of its node, and its worker there.
  std::vector<uint32_t> node_of_group;
  std::vector<uint32_t> worker_of_group;
  // When the last worker is expected to finish.
  Duration makespan;
};

// No nodes: an empty plan.
Plan make_plan(const std::vector<PlanGroup>& groups, const std::vector<PlanNode>& nodes);

}  // namespace dagz::sched
