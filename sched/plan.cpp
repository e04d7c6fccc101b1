#include "sched/plan.hpp"

#include <algorithm>
#include <numeric>
#include <queue>
#include <set>
#include <tuple>
#include <utility>

#include "sched/long_tests.hpp"

namespace dagz::sched {
namespace {

// When each worker is done with what it has, and the nodes by their first worker that is.
class Workers {
 public:
  struct Slot {
    Duration free_at;
    uint32_t worker = 0;
    auto operator<=>(const Slot&) const = default;
  };

  explicit Workers(const std::vector<PlanNode>& nodes) : nodes_(nodes), slots_(nodes.size()) {
    for (uint32_t node = 0; node < nodes.size(); ++node) {
      const Duration busy = at_speed(nodes[node].load / std::max<uint32_t>(1, nodes[node].workers),
                                     nodes[node].speed);
      for (uint32_t worker = 0; worker < nodes[node].workers; ++worker) {
        slots_[node].push({busy, worker});
      }
      if (nodes[node].workers > 0) free_.emplace(busy, node);
    }
  }

  bool empty() const { return free_.empty(); }
  uint32_t first_free() const { return free_.begin()->second; }

  // On fast nodes that may be another one than the first that is free.
  uint32_t first_done(Duration work) const {
    const auto done = [&](const std::pair<Duration, uint32_t>& one) {
      return std::pair(one.first + at_speed(work, nodes_[one.second].speed), one.second);
    };
    return std::min_element(free_.begin(), free_.end(),
                            [&](const auto& a, const auto& b) { return done(a) < done(b); })
        ->second;
  }

  // Gives it to the node's first free worker; when that will be done.
  Slot add(uint32_t node, Duration work) {
    Slot slot = slots_[node].top();
    slots_[node].pop();
    free_.erase({slot.free_at, node});
    slot.free_at += at_speed(work, nodes_[node].speed);
    slots_[node].push(slot);
    free_.emplace(slots_[node].top().free_at, node);
    return slot;
  }

 private:
  const std::vector<PlanNode>& nodes_;
  std::vector<std::priority_queue<Slot, std::vector<Slot>, std::greater<>>> slots_;
  std::set<std::pair<Duration, uint32_t>> free_;
};

}  // namespace

Plan make_plan(const std::vector<PlanGroup>& groups, const std::vector<PlanNode>& nodes) {
  Plan plan;
  Workers workers(nodes);
  if (workers.empty()) return plan;
  std::vector<uint32_t> order(groups.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&groups](uint32_t a, uint32_t b) {
    return std::tuple(-groups[a].expected.ns, groups[a].order, a) <
           std::tuple(-groups[b].expected.ns, groups[b].order, b);
  });
  plan.node_of_group.resize(groups.size());
  plan.worker_of_group.resize(groups.size());
  Duration total;
  uint32_t count = 0;
  for (const PlanGroup& group : groups) total += group.expected;
  for (const PlanNode& node : nodes) count += node.workers;
  const Duration limit = long_test(total, count);
  for (const uint32_t index : order) {
    const Duration work = groups[index].expected;
    const uint32_t node = work < limit ? workers.first_free() : workers.first_done(work);
    const Workers::Slot slot = workers.add(node, work);
    plan.node_of_group[index] = node;
    plan.worker_of_group[index] = slot.worker;
    plan.makespan = std::max(plan.makespan, slot.free_at);
  }
  return plan;
}

}  // namespace dagz::sched
