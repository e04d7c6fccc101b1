#include <algorithm>
#include <iterator>
#include <utility>

#include "sched/vassal.hpp"

// When the runner is lost, its workers are gone with it, and one of the tests that ran may have
// done it. If there was only one, the loss is its result. Else nobody knows: all of them run again,
// alone on this node, so that the next loss tells.

namespace dagz::sched {

void Vassal::on(Instant now, int64_t wall_ms, const RunnerLost& event, Output& out) {
  std::vector<Slot> busy;
  for (Slot slot = 0; slot < workers_.size(); ++slot) {
    if (!workers_[slot].sent.empty()) busy.push_back(slot);
  }
  ++runner_losses_;
  idle_losses_ = busy.empty() ? idle_losses_ + 1 : 0;
  const bool again =
      runner_losses_ <= config_.runner_losses_max && idle_losses_ < config_.idle_losses_max;
  if (again && !draining_ && !leaving_) out.notice = loss_notice(event, busy);
  for (const Slot slot : busy) {
    Worker& worker = workers_[slot];
    const bool known = worker.timed_out || busy.size() == 1;
    suspect(worker);
    if (!known || ended_) continue;
    charged_.push_back(worker.sent.front().local);
    const std::string reason = "the runner died with it: " + event.reason;
    if (collects(worker.sent.front())) {
      die_collecting(slot, {slot, false, reason, {}}, out);
    } else {
      die_running(now, wall_ms, slot, reason, {}, out);
    }
  }
  for (Worker& worker : workers_) {
    requeue(worker, out);
    reset(worker);
    const bool fit = worker.deaths_in_a_row < config_.deaths_in_a_row_max;
    const bool back = again && fit && !draining_ && !leaving_ && !broken_;
    if (worker.state != Worker::State::kDown) ++worker.restarts;
    worker.state = back ? Worker::State::kDown : Worker::State::kGone;
  }
  runner_lost_ = true;
  if (again || broken_) return;
  broken_ = true;
  out.commands.emplace_back(AbandonRunner{});
}

// What it runs comes first when it goes on.
void Vassal::suspect(Worker& worker) {
  restricted_ = true;
  for (Item& item : worker.sent) {
    item.suspect = true;
    // What is collected again is meant for the test behind it.
    if (item.local.index != kCollectAgain) break;
  }
}

std::string Vassal::loss_notice(const RunnerLost& event, const std::vector<Slot>& busy) const {
  std::string names;
  for (const Slot slot : busy) {
    names += names.empty() ? "" : ", ";
    names += job_.tests()[workers_[slot].sent.front().test].id;
  }
  const std::string died = "the runner died (" + event.reason + ") while ";
  if (busy.empty()) return died + "no test ran; it is started again";
  if (busy.size() == 1) return died + names + " ran; it is started again";
  return died + "these ran: " + names + "; it is started again, and they run again one at a time";
}

}  // namespace dagz::sched
