#include <algorithm>
#include <utility>

#include "report/progress.hpp"
#include "sched/vassal.hpp"

// What a vassal tells people of its workers.

namespace dagz::sched {

// When there is something to say of what it does. One that is started afresh collects first.
Instant Vassal::slow_from(const Worker& worker) const {
  const bool starts = worker.state == Worker::State::kStarting;
  if (!enlisted_) return Instant::never();
  if (worker.tear_down_seen) {
    return worker.head_since + std::max(config_.slow_tear_down, worker.slow_told * 2);
  }
  if (worker.sent.empty() && !starts) return Instant::never();
  const bool collects_now = starts || collects(worker.sent.front());
  const Duration limit = collects_now ? config_.slow_collection : config_.slow_test;
  return worker.head_since + std::max(limit, worker.slow_told * 2);
}

// What hangs holds up the job, and nothing else would say so. One at a time.
void Vassal::tell_slow(Instant now, Output& out) {
  for (Slot slot = 0; slot < workers_.size(); ++slot) {
    Worker& worker = workers_[slot];
    if (now < slow_from(worker)) continue;
    worker.slow_told = now - worker.head_since;
    out.notice = "SLOW: worker #" + std::to_string(number_of(slot)) + " on node-" +
                 std::to_string(enlisted_->number) + " has been " + deed_of(worker) + " for " +
                 report::format_duration(worker.slow_told);
    return;
  }
}

std::string Vassal::deed_of(const Worker& worker) const {
  if (worker.state == Worker::State::kStarting) return "starting";
  if (worker.tear_down_seen) return "tearing down";
  const Item& item = worker.sent.front();
  const report::Test& test = job_.tests()[item.test];
  return collects(item) ? "collecting " + job_.path(test.path) : "running " + test.id;
}

std::size_t Vassal::running() const {
  return static_cast<std::size_t>(std::count_if(
      workers_.begin(), workers_.end(), [](const Worker& worker) { return !worker.sent.empty(); }));
}

report::QueueKind Vassal::queue_of(const Item& item) const {
  if (item.tail) return report::QueueKind::kTail;
  return job_.tests()[item.test].attempts.empty() ? report::QueueKind::kRegular
                                                  : report::QueueKind::kRetry;
}

std::vector<report::WorkerStatus> Vassal::statuses(Instant now) const {
  std::vector<report::WorkerStatus> list;
  if (!enlisted_) return list;
  uint64_t queued = 0;
  Duration queued_time;
  for (const Group& group : queue_) {
    queued += group.items.size();
    queued_time += expected(group.items);
  }
  queued += tail_.size();
  queued_time += expected(tail_);
  const auto workers = static_cast<int64_t>(workers_.size());
  for (Slot slot = 0; slot < workers_.size(); ++slot) {
    const Worker& worker = workers_[slot];
    report::WorkerStatus status;
    status.number = number_of(slot);
    switch (worker.state) {
      case Worker::State::kDown:
        status.state = report::WorkerState::kIdle;
        break;
      case Worker::State::kStarting:
        status.state = report::WorkerState::kWorkSent;
        break;
      case Worker::State::kUp:
      case Worker::State::kDraining:
        status.state =
            worker.sent.empty() ? report::WorkerState::kIdle : report::WorkerState::kActive;
        break;
      case Worker::State::kGone:
        status.state = report::WorkerState::kFailed;
        break;
    }
    status.finished = worker.finished;
    // The node's queue is not anybody's yet: it is shown evenly spread.
    const uint64_t extra = slot < queued % workers_.size() ? 1 : 0;
    status.left = worker.sent.size() + worker.group.size() + queued / workers_.size() + extra;
    status.actual_delta = worker.delta;
    // One that has never started has finished nothing, and waits for nothing.
    if (worker.last_finished.ns > 0) status.last_finished = now - worker.last_finished;
    status.batch = std::max<uint32_t>(1, batch_);
    if (!worker.sent.empty()) {
      status.queue = queue_of(worker.sent.front());
      status.batch = worker.sent.front().batch;
    }
    status.time_left = expected(worker.sent) + expected(worker.group) + queued_time / workers;
    status.stolen = worker.stolen;
    status.stolen_finished = std::min(worker.stolen, worker.stolen_finished);
    status.reconnects = worker.restarts;
    if (!worker.sent.empty()) {
      status.current = job_.tests()[worker.sent.front().test].id;
      status.running_for = now - worker.head_since;
    }
    list.push_back(std::move(status));
  }
  return list;
}

}  // namespace dagz::sched
