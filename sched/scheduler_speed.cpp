#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "mesh/planted.hpp"
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

// A test is held from now on, or is not any more.
void Scheduler::book_setup(Books& books, const Change& change, bool held) {
  const report::Test& test = job_.tests()[change.test];
  if (test.collects) return;
  SetUp& file = books.setups[test.path];
  file.held = held ? file.held + 1 : file.held - 1;
  file.stands = file.held > 0 && (file.stands || change.kind == Change::Kind::kFinished);
  const bool is_left = file.held > 0 && !file.stands;
  const Duration left = is_left ? estimates_.setup_of_path(test.path) : Duration{};
  books.to_set_up += left - std::exchange(file.counted, left);
}

// Before this test, which the node holds.
Duration Scheduler::setup_left(NodeIndex node, report::TestIndex test) const {
  const auto& setups = books_.at(node).setups;
  const auto found = setups.find(job_.tests()[test].path);
  return found == setups.end() ? Duration{} : found->second.counted;
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

// What each of its workers has done since its last result, as if at normal speed: it may hang, set
// up fixtures, or run what nobody knows.
std::vector<Duration> Scheduler::done_since_results(Instant now, const LiveNode& node) const {
  const Books& books = books_.at(job_.node_index(node.id));
  std::vector<Duration> done(node.workers, now - books.busy_since);
  auto worker = done.begin();
  for (const auto& [number, result] : books.results) {
    if (worker == done.end()) break;
    *worker = std::min(*worker, now - result);
    ++worker;
  }
  for (Duration& one : done) one = one / NodeSpeed::kNormal * speed(node);
  return done;
}

// What its workers run, if nothing has ended since it has told that.
const std::vector<Scheduler::Running>* Scheduler::running_now(const LiveNode& node) const {
  const auto books = books_.find(job_.node_index(node.id));
  const auto told = told_.find(node.id);
  if (books == books_.end() || told == told_.end()) return nullptr;
  const Instant at = told->second.at;
  const bool is_new = at > books->second.busy_since &&
                      std::all_of(books->second.results.begin(), books->second.results.end(),
                                  [at](const auto& one) { return one.second < at; });
  return is_new ? &told->second.running : nullptr;
}

// What is being run counts as done as far as it has run, or if nobody knows which of it runs up to
// the mean of what the node holds.
Duration Scheduler::load_left(Instant now, const LiveNode& node) const {
  const NodeIndex index = job_.node_index(node.id);
  Duration left = load(index);
  if (left.ns == 0 || node.workers == 0) return left;
  if (const auto* running = running_now(node)) {
    std::set<uint32_t> set_up;  // what two of them share is counted once
    for (const Running& one : *running) {
      if (!books_.at(index).held.contains(one.test)) continue;
      const Duration done = (now - one.since) / NodeSpeed::kNormal * speed(node);
      Duration takes = estimates_.of(one.test);
      if (set_up.insert(job_.tests()[one.test].path).second) takes += setup_left(index, one.test);
      left -= std::min(takes, done);
    }
    return std::max(Duration{}, left);
  }
  const auto held = std::max<std::size_t>(books_.at(index).held.size(), node.workers);
  const Duration mean = left / static_cast<int64_t>(held);
  for (const Duration done : done_since_results(now, node)) left -= std::min(mean, done);
  return left;
}

// Of what waits beside workers that may be idle: the only worker of a node runs it as all.
Duration Scheduler::restricted_load(const LiveNode& node) const {
  const auto found = books_.find(job_.node_index(node.id));
  Duration total;
  if (found == books_.end() || node.workers < 2) return total;
  for (const report::TestIndex test : found->second.restricted) total += estimates_.of(test);
  return total;
}

// So many tests wait there, as far as is known: more than its workers, or, if it has told what runs
// since their last results, than those. A test may want its node for itself.
std::size_t Scheduler::waiting(const LiveNode& node) const {
  const auto found = books_.find(job_.node_index(node.id));
  if (found == books_.end()) return 0;
  const std::size_t held = found->second.held.size();
  const auto* running = running_now(node);
  const std::size_t run = running != nullptr ? running->size() : node.workers;
  return held > run ? held - run : 0;
}

// Until one of its workers begins what is held beyond the tests that run, besides what load_left
// counts. What has run for longer than expected, by the mean of what the node holds if nobody knows
// which of it runs, is expected to take as long again.
Duration Scheduler::wait_for_worker(Instant now, const LiveNode& node) const {
  const NodeIndex index = job_.node_index(node.id);
  if (node.workers == 0 || waiting(node) == 0 || is_planted(Planted::kLeavesCrumbs)) return {};
  if (const auto* running = running_now(node)) {
    Duration least = running->empty() ? Duration{} : now - running->front().since;
    for (const Running& one : *running) {
      const Duration ran = now - one.since;
      const Duration takes = estimates_.of(one.test) + setup_left(index, one.test);
      const bool is_late = ran > at_speed(takes, speed(node));
      least = std::min(least, is_late ? ran : Duration{});
    }
    return least;
  }
  const std::vector<Duration> done = done_since_results(now, node);
  const Duration least = *std::min_element(done.begin(), done.end());
  const Duration mean = load(index) / static_cast<int64_t>(books_.at(index).held.size());
  return least > mean ? at_speed(least, speed(node)) : Duration{};
}

Duration Scheduler::load(NodeIndex node) const {
  const auto found = books_.find(node);
  if (found == books_.end()) return {};
  Duration total = found->second.fixed + found->second.to_set_up;
  for (const auto& [path, unknown] : found->second.unknown) {
    total += estimates_.of_path(path) * static_cast<int64_t>(unknown.usual);
    if (unknown.foretold > 0) total += estimates_.foretold_of_path(path, unknown.foretold);
  }
  return total;
}

}  // namespace dagz::sched
