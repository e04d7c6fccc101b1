#include <algorithm>

#include "mesh/mark.hpp"
#include "mesh/planted.hpp"
#include "sched/runs.hpp"
#include "sched/scheduler.hpp"

// A test may take down not only its worker but its node: it kills all processes of its user, or
// eats the memory of the whole container. What a lost node held runs elsewhere, so such a test (a
// "poison message", as queues call it) would take down one node after the other. Nodes therefore
// say when they begin what another node holds. Whatever a worker of the second lost node had is
// suspect and runs last, one at a time on a node that does nothing else; with whichever a third is
// lost that is the one. To blame the first or the second loss on a test would be unjust: nodes are
// lost for many reasons, and each of their workers ran something.

namespace dagz::sched {

using report::NodeIndex;
using report::TestIndex;

namespace {

struct {
  Mark condemned{"scheduler: nodes are lost with a test, which is not tried again"};
  Mark alone{"scheduler: a suspect test runs last, and alone"};
} marks;

constexpr int kLossesToBlame = 3;

}  // namespace

bool Scheduler::is_lost(NodeIndex node) const {
  return !is_live(node) && !job_.nodes()[node].departed;
}

bool Scheduler::was_lost_with(const report::Assignment& one) const {
  return one.began > 0 && one.held() && is_lost(one.node);
}

bool Scheduler::is_suspect(const report::Test& test) const {
  return std::any_of(test.assignments.begin(), test.assignments.end(),
                     [this](const auto& one) { return was_lost_with(one); });
}

// The word of a lost node may come late.
void Scheduler::review_begun(const report::Began& began) {
  if (!active_) return;
  for_each_test(job_, began.runs, [this](TestIndex test) { review(test); });
}

// Of the three the first need not have said that it began the test, and the grant of another may
// have gone with the scheduler. One that was only cut off, and is back, does not count.
bool Scheduler::is_accused(TestIndex index) const {
  const auto& all = job_.tests()[index].assignments;
  return !is_planted(Planted::kRunsThePoison) &&
         std::any_of(all.begin(), all.end(),
                     [this](const auto& one) { return one.alone && was_lost_with(one); }) &&
         std::count_if(all.begin(), all.end(), [this](const auto& one) {
           return (one.held() || one.began > 0) && is_lost(one.node);
         }) >= kLossesToBlame;
}

void Scheduler::condemn(Instant now, Output& out) {
  std::erase_if(accused_since_, [this](const auto& one) {
    return !suspects_.contains(one.first) || !is_accused(one.first);
  });
  for (const TestIndex index : suspects_) {
    if (is_accused(index)) accused_since_.try_emplace(index, now);
  }
  std::erase_if(accused_since_, [&](const auto& one) {
    if (now < one.second + config_.condemn_after) return false;
    marks.condemned.reach();
    const report::Test& test = job_.tests()[one.first];
    report::Poisoned poisoned{claim_, test.places.front().file, test.places.front().index, {}};
    for (const report::Assignment& loss : test.assignments) {
      if (!was_lost_with(loss) || poisoned.losses.size() == report::kLossesMax) continue;
      poisoned.losses.push_back({job_.nodes()[loss.node].id, uint32_t{loss.began} - 1});
    }
    out.entries.emplace_back(std::move(poisoned));
    suspects_.erase(one.first);
    return true;
  });
}

bool Scheduler::is_busy_with_suspects_only(NodeIndex node) const {
  const auto books = books_.find(node);
  return books == books_.end() ||
         std::all_of(books->second.held.begin(), books->second.held.end(),
                     [this](const auto& one) { return is_suspect(job_.tests()[one.first]); });
}

// Not on a node that has said that it begins the test, by a grant that is not known here: it will
// answer, or its loss says nothing of a grant that it may never hear of. Not on the scheduler's own
// node as long as another has the test: its last words would be lost with it, the result of the
// test before among them.
bool Scheduler::may_run_alone(Instant now, TestIndex test, const NodeId& id) const {
  const NodeIndex node = job_.node_index(id);
  if (!job_.place_on(test, node) || !may_lock(now, test, node)) return false;
  const auto& all = job_.tests()[test].assignments;
  const bool has_begun = std::any_of(all.begin(), all.end(), [node](const auto& one) {
    return one.node == node && one.began > 0;
  });
  if (has_begun) return false;
  return id != claim_.scheduler.node ||
         std::none_of(live_.begin(), live_.end(), [&](const LiveNode& other) {
           return other.id != id && other.workers > 0 && is_ready(other.id) &&
                  job_.place_on(test, job_.node_index(other.id));
         });
}

void Scheduler::serve_suspects(Instant now, Output& out) {
  if (suspects_.empty() || !nobody_can_run(open_) || !nobody_can_run(tail_)) return;
  std::vector<NodeId> idle;
  for (const LiveNode& live : live_) {
    const NodeIndex index = job_.node_index(live.id);
    if (live.workers == 0 || !is_ready(live.id)) continue;
    if (!is_busy_with_suspects_only(index)) return;
    const auto books = books_.find(index);
    if (books == books_.end() || books->second.held.empty()) idle.push_back(live.id);
  }
  const std::set<TestIndex> waiting = suspects_;
  for (const TestIndex test : waiting) {
    if (accused_since_.contains(test)) continue;
    const auto node = std::find_if(idle.begin(), idle.end(),
                                   [&](const NodeId& id) { return may_run_alone(now, test, id); });
    if (node == idle.end()) continue;
    marks.alone.reach();
    grant(*node, {test}, Kind::kAlone, out);
    idle.erase(node);
  }
}

}  // namespace dagz::sched
