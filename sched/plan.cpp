#include "sched/plan.hpp"

#include <algorithm>
#include <numeric>
#include <queue>
#include <tuple>

namespace dagz::sched {
namespace {

struct WorkerLoad {
  Duration load;
  uint32_t node = 0;
  uint32_t worker = 0;

  bool operator>(const WorkerLoad& other) const {
    return std::tie(load, node, worker) > std::tie(other.load, other.node, other.worker);
  }
};

}  // namespace

Plan make_plan(const std::vector<PlanGroup>& groups, const std::vector<PlanNode>& nodes) {
  Plan plan;
  std::priority_queue<WorkerLoad, std::vector<WorkerLoad>, std::greater<>> workers;
  for (uint32_t node = 0; node < nodes.size(); ++node) {
    for (uint32_t worker = 0; worker < nodes[node].workers; ++worker) {
      workers.push(
          {at_speed(nodes[node].load / nodes[node].workers, nodes[node].speed), node, worker});
    }
  }
  if (workers.empty()) return plan;
  std::vector<uint32_t> order(groups.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&groups](uint32_t a, uint32_t b) {
    return std::tuple(-groups[a].expected.ns, groups[a].order, a) <
           std::tuple(-groups[b].expected.ns, groups[b].order, b);
  });
  plan.node_of_group.resize(groups.size());
  plan.worker_of_group.resize(groups.size());
  for (const uint32_t index : order) {
    WorkerLoad least = workers.top();
    workers.pop();
    plan.node_of_group[index] = least.node;
    plan.worker_of_group[index] = least.worker;
    least.load += at_speed(groups[index].expected, nodes[least.node].speed);
    plan.makespan = std::max(plan.makespan, least.load);
    workers.push(least);
  }
  return plan;
}

}  // namespace dagz::sched
