#include <algorithm>
#include <utility>

#include "sched/vassal.hpp"

// The life of a worker process between tests: it is started when there is work for it, and ended to
// begin anew when it has grown too large, when its number has changed or when a retry wants a fresh
// process.

namespace dagz::sched {

namespace {

// A worker that is not larger by this part than the smallest would be as large again.
constexpr uint64_t kGrowthDivisor = 16;

}  // namespace

void Vassal::on(Instant, int64_t, const WorkerMemory& event, Output&) {
  if (event.slot >= workers_.size() || config_.max_worker_memory == 0) return;
  Worker& worker = workers_[event.slot];
  // What has run nothing yet says little about what tests need.
  if (worker.state != Worker::State::kUp || !worker.greeted) return;
  smallest_worker_ = std::min(smallest_worker_.value_or(event.bytes), event.bytes);
  const uint64_t growth = event.bytes - *smallest_worker_;
  const uint64_t growth_min =
      std::max(config_.max_worker_memory, *smallest_worker_) / kGrowthDivisor;
  worker.oversized = event.bytes > config_.max_worker_memory && growth > growth_min;
}

void Vassal::start(Instant now, Slot slot, Output& out) {
  if (std::exchange(runner_lost_, false)) {
    out.commands.emplace_back(RestartRunner{std::exchange(charged_, {})});
  }
  workers_[slot].state = Worker::State::kStarting;
  workers_[slot].number = number_of(slot);
  workers_[slot].gives_back = false;
  workers_[slot].head_since = now;
  workers_[slot].slow_told = {};
  out.commands.emplace_back(StartWorker{slot, number_of(slot), job_.workers_enlisted()});
}

// Ends a worker that has nothing to do but the test that it is about to tear down; it is started
// again when there is work for it.
void Vassal::recycle(Slot slot, Output& out) {
  workers_[slot].state = Worker::State::kDraining;
  workers_[slot].wants = false;
  out.commands.emplace_back(DrainWorker{slot});
}

}  // namespace dagz::sched
