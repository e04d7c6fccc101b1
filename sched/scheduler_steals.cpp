#include <algorithm>

#include "sched/scheduler.hpp"

// Work that moves from node to node: asked for by those that run dry. Only what the victim gives up
// is granted on.

namespace dagz::sched {

using report::kNone;
using report::NodeIndex;

// What moves from one to the other so that both finish together. A node works as fast as its
// workers times its speed, and the victim begins nothing before one of its workers is free. What is
// restricted is no work for those workers of the thief that ask now.
Duration Scheduler::surplus(Instant now, const LiveNode& victim, const LiveNode& thief) const {
  const int64_t from_rate = victim.workers * speed(victim);
  const int64_t to_rate = thief.workers * speed(thief);
  const int64_t both = from_rate + to_rate;
  const Duration waits = wait_for_worker(now, victim) / NodeSpeed::kNormal * from_rate;
  const Duration before = std::max(Duration{}, load_left(now, thief) - restricted_load(thief));
  return (load_left(now, victim) + waits) / both * to_rate - before / both * from_rate;
}

void Scheduler::serve_thief(Instant now, const NodeId& id, Output& out) {
  if (!is_ready(id)) return;
  const auto thief = std::find_if(live_.begin(), live_.end(),
                                  [&id](const LiveNode& live) { return live.id == id; });
  if (thief == live_.end() || thief->workers == 0) return;
  if (!recall_for(now, *thief, out)) serve_copies(now, *thief, out);
}

// Whether it may have something to give, and is not asked already.
bool Scheduler::may_give(Instant now, const LiveNode& node) const {
  const NodeIndex index = job_.node_index(node.id);
  if (index == kNone || node.workers == 0 || node.suspected) return false;
  const auto barren = barren_until_.find(node.id);
  if (barren != barren_until_.end() && now < barren->second) return false;
  if (waiting(node) == 0) return false;
  return std::none_of(recalls_.begin(), recalls_.end(),
                      [&](const auto& one) { return one.second.victim == node.id; });
}

// Whether there is, or was, something to recall.
bool Scheduler::recall_for(Instant now, const LiveNode& thief, Output& out) {
  for (const auto& [number, recall] : recalls_) {
    if (recall.thief == thief.id) return true;
  }
  const LiveNode* victim = nullptr;
  Duration victim_finish;
  for (const LiveNode& live : live_) {
    if (live.id == thief.id || !may_give(now, live)) continue;
    const Duration finish = wait_for_worker(now, live) + time_left(now, live);
    if (victim != nullptr && finish <= victim_finish) continue;
    victim = &live;
    victim_finish = finish;
  }
  if (victim == nullptr || surplus(now, *victim, thief) < config_.steal_min) return false;
  recall(now, *victim, thief, out);
  return true;
}

void Scheduler::recall(Instant now, const LiveNode& victim, const LiveNode& thief, Output& out) {
  const uint64_t number = (claim_.term << 32) | ++recalls_made_;
  recalls_[number] = {victim.id, thief.id, now + config_.recall_within};
  out.entries.emplace_back(
      report::Recalled{claim_, victim.id, number, surplus(now, victim, thief)});
}

}  // namespace dagz::sched
