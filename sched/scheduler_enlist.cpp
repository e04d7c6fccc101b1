#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include "mesh/mark.hpp"
#include "sched/scheduler.hpp"

// Nodes and their workers get numbers, which tests, people and the report tell them apart by.

namespace dagz::sched {

using report::Enlisted;
using report::kNone;
using report::NodeIndex;
using report::NodeState;

namespace {

struct {
  Mark renumbered{"scheduler: a node bears the number of another"};
  Mark nameless{"scheduler: a node that is gone has results, but no number"};
} marks;

// What is taken: of nodes, and of workers from the first of each node to its last.
class Numbers {
 public:
  // False if any of them is.
  bool take(const Enlisted& node) {
    const uint32_t end = node.first_worker + node.workers;
    const auto next = workers_.lower_bound(node.first_worker);
    const bool clear = (next == workers_.end() || next->first >= end) &&
                       (next == workers_.begin() || std::prev(next)->second <= node.first_worker);
    if (!clear || nodes_.contains(node.number)) return false;
    nodes_.insert(node.number);
    if (node.workers > 0) workers_.emplace(node.first_worker, end);
    return true;
  }

 private:
  std::set<uint32_t> nodes_;
  std::map<uint32_t, uint32_t> workers_;
};

}  // namespace

// Who bears a number that is taken, or has more workers than numbers. Two halves of a mesh each
// count from 0 before they meet: this scheduler's half keeps its numbers.
std::vector<const NodeState*> Scheduler::namesakes() const {
  std::vector<const NodeState*> nodes;
  for (const NodeState& node : job_.nodes()) {
    if (node.enlisted) nodes.push_back(&node);
  }
  const NodeId& self = claim_.scheduler.node;
  const auto rank = [&self](const NodeState* node) {
    return std::tuple(node->enlisted_by != self, node->enlisted_by, node->enlisted->number,
                      node->id);
  };
  std::sort(nodes.begin(), nodes.end(),
            [&](const NodeState* a, const NodeState* b) { return rank(a) < rank(b); });
  Numbers numbers;
  std::erase_if(nodes, [&](const NodeState* node) {
    return numbers.take(*node->enlisted) && node->workers_seen <= node->enlisted->workers;
  });
  return nodes;
}

void Scheduler::enlist(Output& out) {
  uint32_t number = 0;
  for (const NodeState& node : job_.nodes()) {
    if (node.enlisted) number = std::max(number, node.enlisted->number + 1);
  }
  uint32_t first_worker = job_.workers_enlisted();
  const auto write = [&](const NodeId& node, uint32_t revision, uint32_t workers) {
    out.entries.emplace_back(Enlisted{node, number++, first_worker, workers, revision});
    first_worker += workers;
  };
  for (const LiveNode& live : live_) {
    const NodeIndex index = job_.node_index(live.id);
    if (index == kNone || !job_.nodes()[index].enlisted) write(live.id, 0, live.workers);
  }
  // Of one that is gone, as is the scheduler that numbered it, only results may be left.
  for (NodeIndex index = 0; index < job_.nodes().size(); ++index) {
    const NodeState& node = job_.nodes()[index];
    const bool is_nameless = !node.enlisted && node.workers_seen > 0 && !is_live(index);
    if (!is_nameless) continue;
    marks.nameless.reach();
    write(node.id, 0, node.workers_seen);
  }
  if (enlistments_seen_ == job_.enlistments()) return;
  enlistments_seen_ = job_.enlistments();
  for (const NodeState* node : namesakes()) {
    const uint32_t revision = node->enlisted->revision + 1;
    if (revision > report::kRevisionMax) continue;
    marks.renumbered.reach();
    write(node->id, revision, std::max(node->enlisted->workers, node->workers_seen));
  }
}

}  // namespace dagz::sched
