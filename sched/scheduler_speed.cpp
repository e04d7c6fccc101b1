#include <algorithm>
#include <cstdlib>
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

// What is being run counts as done, up to the mean of what the node holds: nobody knows which of it
// runs.
Duration Scheduler::load_left(Instant now, const LiveNode& node) const {
  const NodeIndex index = job_.node_index(node.id);
  Duration left = load(index);
  if (left.ns == 0 || node.workers == 0) return left;
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
  const Books& books = found->second;
  const auto told = told_.find(node.id);
  const bool is_new = told != told_.end() && told->second.at > books.busy_since &&
                      std::all_of(books.results.begin(), books.results.end(),
                                  [&](const auto& one) { return one.second < told->second.at; });
  const std::size_t run = is_new ? told->second.running.size() : node.workers;
  return books.held.size() > run ? books.held.size() - run : 0;
}

// Until one of its workers begins what is held beyond the tests that run. What has run for longer
// than the mean of what the node holds is expected to take as long again.
Duration Scheduler::wait_for_worker(Instant now, const LiveNode& node) const {
  const NodeIndex index = job_.node_index(node.id);
  if (node.workers == 0 || waiting(node) == 0 || is_planted(Planted::kLeavesCrumbs)) return {};
  const std::vector<Duration> done = done_since_results(now, node);
  const Duration least = *std::min_element(done.begin(), done.end());
  const Duration mean = load(index) / static_cast<int64_t>(books_.at(index).held.size());
  return least > mean ? at_speed(least, speed(node)) : Duration{};
}

Duration Scheduler::load(NodeIndex node) const {
  const auto found = books_.find(node);
  if (found == books_.end()) return {};
  Duration total = found->second.fixed + found->second.to_set_up;
  for (const auto& [path, count] : found->second.unknown) {
    total += estimates_.of_path(path) * static_cast<int64_t>(count);
  }
  return total;
}

}  // namespace dagz::sched
