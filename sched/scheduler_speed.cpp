#include <algorithm>
#include <cstdlib>

#include "sched/scheduler.hpp"

// How fast nodes are, by their own measure and by the tests that they have run, and how long they
// need for what they hold.

namespace dagz::sched {

using report::Change;
using report::NodeIndex;

namespace {

// Nodes of one kind measure themselves up to a fortieth too slow or too fast.
constexpr int64_t kChance = NodeSpeed::kNormal / 20;

}  // namespace

void Scheduler::learn_speed(const Change& change) {
  if (!estimates_.is_known(change.test)) return;
  const report::Finished& result = job_.tests()[change.test].attempts[change.attempt].result;
  const bool ran_to_its_end =
      result.outcome != report::Outcome::kTimedOut && result.outcome != report::Outcome::kCrashed;
  if (result.amends || !ran_to_its_end) return;
  for (NodeSpeed* speed : {&books_[change.node].speed, &usual_speed_}) {
    speed->learn(estimates_.of(change.test), result.own_duration());
  }
}

// What its own measure says beside that of the others, until its tests have shown more.
int64_t Scheduler::speed(const LiveNode& node) const {
  int64_t usual = usual_speed_.permille();
  if (node.measured_speed > 0) {
    const int64_t part = node.measured_speed * NodeSpeed::kNormal / mean_measured_speed_;
    if (std::abs(part - NodeSpeed::kNormal) > kChance) usual = usual * part / NodeSpeed::kNormal;
  }
  const auto found = books_.find(job_.node_index(node.id));
  return (found == books_.end() ? NodeSpeed{} : found->second.speed).permille(usual);
}

// Until its workers are done with what it has, at its own speed.
Duration Scheduler::time_left(Instant now, const LiveNode& node) const {
  return at_speed(load_left(now, node) / node.workers, speed(node));
}

// What a worker has done since its last result counts, up to the mean of what the node holds: it
// may hang, set up fixtures, or run what nobody knows.
Duration Scheduler::load_left(Instant now, const LiveNode& node) const {
  const NodeIndex index = job_.node_index(node.id);
  const Duration total = load(index);
  const auto found = books_.find(index);
  if (total.ns == 0 || node.workers == 0) return total;
  const Books& books = found->second;
  const auto tests = static_cast<int64_t>(std::max<uint64_t>(books.held.size(), node.workers));
  const Duration most = total / tests;
  Duration left = total;
  auto result = books.results.begin();
  for (uint32_t worker = 0; worker < node.workers; ++worker) {
    Instant since = books.busy_since;
    if (result != books.results.end()) since = std::max(since, (result++)->second);
    left -= std::min(most, (now - since) / NodeSpeed::kNormal * speed(node));
  }
  return left;
}

Duration Scheduler::load(NodeIndex node) const {
  const auto found = books_.find(node);
  if (found == books_.end()) return {};
  Duration total = found->second.fixed;
  for (const auto& [path, count] : found->second.unknown) {
    total += estimates_.of_path(path) * static_cast<int64_t>(count);
  }
  return total;
}

}  // namespace dagz::sched
