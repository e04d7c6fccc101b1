#include <algorithm>
#include <map>
#include <set>

#include "tests/sim/checkers.hpp"

namespace dagz::sim {
namespace {

constexpr Duration kLookEvery = Duration::milliseconds(500);
constexpr Duration kIdleMax = Duration::seconds(3);

// It could begin a test, and has none. Where a runner was lost, what it ran then runs alone later,
// one test after the other.
bool has_idle_worker(const World& world, const Process& process) {
  const sched::Vassal& vassal = process.node->vassal();
  const uint32_t capacity = process.node->membership().self().profile.workers;
  uint32_t busy = 0;
  for (const SuiteTest* test : process.runner->running()) {
    busy += test->exclusive ? capacity : std::min(test->weight, capacity);
  }
  if (busy >= capacity) return false;
  if (process.runner->was_lost()) return false;
  if (process.paused_until > world.now() || process.leaves_at || vassal.is_draining()) return false;
  const auto workers = vassal.statuses(world.now());
  return std::any_of(workers.begin(), workers.end(), [](const report::WorkerStatus& worker) {
    return worker.state == report::WorkerState::kIdle && worker.left == 0;
  });
}

bool may_run_anywhere(const report::Test& test) {
  const bool is_unfinished = report::bucket_of(test.verdict) == report::Bucket::kUnfinished;
  return is_unfinished && !test.collects && !test.exclusive && test.weight == 1 &&
         test.mutex == 0 && test.group == 0;
}

// By what nodes say of themselves, which is all that anybody knows without a history: a test ends
// earlier with the faster one although it has to wait there.
bool is_taken_for_slower(const Process& process, const Process& other) {
  const uint64_t own = process.node->membership().self().profile.speed;
  return own > 0 && own * 4 < uint64_t{other.node->membership().self().profile.speed} * 3;
}

// Those with the same entry before keep their time.
template <class Key>
void keep(std::map<Key, Instant>& since, const std::set<Key>& now_there, Instant now) {
  std::erase_if(since, [&](const auto& one) { return !now_there.contains(one.first); });
  for (const Key& key : now_there) since.try_emplace(key, now);
}

}  // namespace

// All that it runs has run for long.
bool Checkers::is_stuck(const World& world, const Process& process) const {
  const auto began = began_.find(process.number);
  const auto runs = process.runner->busy();
  return !runs.empty() && std::all_of(runs.begin(), runs.end(), [&](const FakeRunner::Run& one) {
    const auto since = began->second.find(one.run);
    return since != began->second.end() && since->second + kIdleMax <= world.now();
  });
}

// Nobody is idle for long while a test that it could run waits at another node behind others that
// take long. Where it is slower that may not pay, and to collect or to set up first takes time.
void Checkers::check_idleness(const World& world, uint32_t mesh) {
  const Scenario& scenario = world.scenario();
  if (scenario.meshes > 1 || scenario.alone || scenario.slowest > 1) return;
  const Duration patience = kIdleMax + (scenario.suite.setup_max + scenario.suite.import_max) * 2;
  Idleness& seen = idleness_[mesh];
  if (world.now() < seen.looked_at + kLookEvery) return;
  seen.looked_at = world.now();
  const Process* scheduler = nullptr;
  std::set<uint32_t> idle;
  std::map<NodeId, const Process*> stuck;
  std::set<std::string> running;
  for (const Process* process : world.mesh(mesh)) {
    if (!process->node || process->exited) continue;
    if (process->node->is_scheduler()) scheduler = process;
    if (has_idle_worker(world, *process)) idle.insert(process->number);
    if (is_stuck(world, *process)) stuck[process->node->id()] = process;
    for (const SuiteTest* test : process->runner->running()) running.insert(test->id);
  }
  const auto agreed = agreed_since_.find(mesh);
  const bool settled = agreed != agreed_since_.end() && scheduler != nullptr &&
                       world.now() > agreed->second.second + kIdleMax &&
                       world.now() > world.faults_over_at() + Duration::seconds(10);
  if (!settled || scheduler->node->job().closed()) {
    seen.idle.clear();
    seen.waiting.clear();
    return;
  }
  const report::JobState& job = scheduler->node->job();
  std::set<std::string> waiting;
  for (const report::Test& test : job.tests()) {
    const auto is_held_up = [&](const report::Assignment& one) {
      const auto holder = stuck.find(job.nodes()[one.node].id);
      return one.held() && holder != stuck.end() && !holder->second->runner->was_lost_with(test.id);
    };
    if (may_run_anywhere(test) && !running.contains(test.id) && !world.suite().is_fickle(test.id) &&
        std::any_of(test.assignments.begin(), test.assignments.end(), is_held_up)) {
      waiting.insert(test.id);
    }
  }
  keep(seen.idle, idle, world.now());
  keep(seen.waiting, waiting, world.now());
  // Nobody who has it and does not come to it would be done with it earlier all the same.
  const auto is_better_off = [&](const Process& process, const std::string& id) {
    const auto& all = job.tests()[job.find_test(id)].assignments;
    return scenario.slowest > 0 || std::none_of(all.begin(), all.end(), [&](const auto& one) {
             const auto holder = stuck.find(job.nodes()[one.node].id);
             return one.held() && holder != stuck.end() &&
                    is_taken_for_slower(process, *holder->second);
           });
  };
  for (const auto& [number, since] : seen.idle) {
    if (world.now() < since + patience) continue;
    const Process& process = world.processes()[number];
    const report::NodeIndex node = job.node_index(process.node->id());
    if (node == report::kNone || job.nodes()[node].unable || job.nodes()[node].departed) continue;
    for (const auto& [id, waits] : seen.waiting) {
      if (world.now() < waits + patience || !job.place_on(job.find_test(id), node)) continue;
      if (!is_better_off(process, id)) continue;
      violated(world, &process, "is idle while " + id + " waits behind a long test elsewhere");
      return;
    }
  }
}

}  // namespace dagz::sim
