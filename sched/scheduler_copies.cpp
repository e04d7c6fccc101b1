#include <algorithm>
#include <tuple>
#include <utility>

#include "mesh/mark.hpp"
#include "sched/scheduler.hpp"

// Second copies of straggling tests, for workers that have nothing else to do ("speculative
// execution" of MapReduce, OSDI 2004; by expected gain as in LATE, OSDI 2008). One for each test,
// and none of a test that asked to be alone with something.

namespace dagz::sched {

using report::kNone;
using report::NodeIndex;
using report::TestIndex;

namespace {

struct {
  Mark straggler{"scheduler: a second copy of a test that takes too long"};
  Mark hedge{"scheduler: a second copy of what a suspected node runs"};
} marks;

}  // namespace

void Scheduler::told(Instant now, const NodeId& node,
                     const std::vector<report::WorkerStatus>& workers) {
  Told& told = told_[node];
  told = {now, {}};
  for (const report::WorkerStatus& worker : workers) {
    if (worker.current.empty()) continue;
    const TestIndex test = job_.find_test(worker.current);
    if (test != kNone) told.running.push_back({test, now - worker.running_for});
  }
}

// Nobody else may begin it, and its first try is still out.
bool Scheduler::may_copy(TestIndex index, NodeIndex from, NodeIndex to) const {
  const report::Test& test = job_.tests()[index];
  if (test.collects || test.copied || test.verdict != report::Verdict::kPending) return false;
  if (test.exclusive || test.weight > 1 || test.mutex != 0 || test.group != 0) return false;
  // Nodes may be lost for it.
  const bool lost_with_another =
      std::any_of(test.assignments.begin(), test.assignments.end(), [this](const auto& one) {
        return one.held() && !is_live(one.node) && !job_.nodes()[one.node].departed;
      });
  if (lost_with_another) return false;
  const bool held =
      std::any_of(test.assignments.begin(), test.assignments.end(),
                  [from](const report::Assignment& one) { return one.node == from && one.held(); });
  return held && test.attempts.empty() && job_.place_on(index, to);
}

// What has run for longer than expected is expected to take as long again, elsewhere no longer than
// expected; of a test without a history nobody knows better than the time that it has taken so far.
Duration Scheduler::saved_by_copy(Instant now, const LiveNode& from, const Running& one,
                                  const LiveNode& to) const {
  const Duration setup = estimates_.setup_of_path(job_.tests()[one.test].path);
  const Duration usual = estimates_.of(one.test) + setup;
  const Duration there = at_speed(usual, speed(from));
  const Duration ran = now - one.since;
  Duration here = at_speed(usual, speed(to));
  if (!from.suspected && !estimates_.is_known(one.test)) here = std::max(here, ran);
  const Duration left = ran < there ? there - ran : ran;
  if (from.suspected) return config_.suspicion_takes;
  return left >= here * 2 ? left - here : Duration{};
}

// Of a suspect that is all that it holds.
std::vector<Scheduler::Running> Scheduler::running_on(Instant now, const LiveNode& node) const {
  const auto told = told_.find(node.id);
  std::vector<Running> list = told == told_.end() ? std::vector<Running>{} : told->second.running;
  if (!node.suspected) return list;
  const auto books = books_.find(job_.node_index(node.id));
  if (books == books_.end()) return list;
  for (const auto& [test, expected] : books->second.held) list.push_back({test, now});
  return list;
}

void Scheduler::serve_copies(Instant now, const LiveNode& thief, Output& out) {
  if (!config_.speculation) return;
  const NodeIndex to = job_.node_index(thief.id);
  const auto books = books_.find(to);
  const std::size_t busy = books == books_.end() ? 0 : books->second.held.size();
  if (busy >= thief.workers) return;
  struct Straggler {
    Duration saves;
    Instant since;
    TestIndex test = 0;
    bool hedge = false;
  };
  std::vector<Straggler> stragglers;
  for (const LiveNode& live : live_) {
    const NodeIndex from = job_.node_index(live.id);
    if (live.id == thief.id || from == kNone) continue;
    for (const Running& one : running_on(now, live)) {
      if (!may_copy(one.test, from, to)) continue;
      const Duration saves = saved_by_copy(now, live, one, thief);
      if (saves < config_.copy_saves_min) continue;
      stragglers.push_back({saves, one.since, one.test, live.suspected});
    }
  }
  std::sort(stragglers.begin(), stragglers.end(), [](const Straggler& a, const Straggler& b) {
    return std::tuple(b.saves, a.since, a.test) < std::tuple(a.saves, b.since, b.test);
  });
  std::vector<TestIndex> chosen;
  for (const Straggler& one : stragglers) {
    if (chosen.size() + busy == thief.workers) break;
    if (std::find(chosen.begin(), chosen.end(), one.test) != chosen.end()) continue;
    (one.hedge ? marks.hedge : marks.straggler).reach();
    chosen.push_back(one.test);
  }
  if (!chosen.empty()) grant(thief.id, chosen, Kind::kCopies, out);
}

}  // namespace dagz::sched
