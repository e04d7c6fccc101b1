#include <algorithm>

#include "sched/scheduler.hpp"

// Mutexes across the mesh: tests with one mutex are granted to a node only while no other node
// holds one of them. On a node its vassal sees to it that one runs at a time.

namespace dagz::sched {

using report::NodeIndex;
using report::TestIndex;

// A node that departs ends the test that it runs. Who died runs nothing any more, as far as can be
// known.
bool Scheduler::may_lock(Instant now, TestIndex test, NodeIndex node) const {
  const uint32_t mutex = job_.tests()[test].mutex;
  if (mutex == 0) return true;
  if (locks_from_ && now < *locks_from_) return false;
  if (const auto granted = locked_now_.find(mutex); granted != locked_now_.end()) {
    return granted->second == node;
  }
  const auto may_run_it = [&](const report::Assignment& one) {
    if (one.node == node || !one.held()) return false;
    const auto departed = departed_at_.find(one.node);
    if (departed != departed_at_.end()) return now < departed->second + config_.drain_within;
    return is_live(one.node);
  };
  const auto& tests = job_.mutex(mutex).tests;
  return std::none_of(tests.begin(), tests.end(), [&](TestIndex other) {
    const auto& assignments = job_.tests()[other].assignments;
    return std::any_of(assignments.begin(), assignments.end(), may_run_it);
  });
}

// Takes out the groups that this node cannot be given now.
void Scheduler::leave_locked(Instant now, NodeIndex node, std::vector<TestGroup>& groups) const {
  std::map<uint32_t, bool> may;  // by mutex
  std::erase_if(groups, [&](const TestGroup& group) {
    return group.named && !std::all_of(group.tests.begin(), group.tests.end(), [&](TestIndex test) {
             const auto [known, added] = may.try_emplace(job_.tests()[test].mutex, true);
             if (added) known->second = may_lock(now, test, node);
             return known->second;
           });
  });
}

}  // namespace dagz::sched
