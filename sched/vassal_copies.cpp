#include <deque>

#include "sched/vassal.hpp"

// Of a test and its second copy one is of no use as soon as the other has a result that counts. It
// is cancelled: fixtures of wider scope are torn down, and its worker ends.

namespace dagz::sched {

bool Vassal::is_cancelled(Slot slot) const {
  return slot < workers_.size() && workers_[slot].cancelled;
}

// A copy, once the first run has any result; a first run, once there is a verdict.
bool Vassal::is_futile(const Item& item) const {
  if (collects(item)) return false;
  return item.copy ? !job_.tests()[item.test].attempts.empty() : !is_undecided(item);
}

void Vassal::finished_elsewhere(report::TestIndex test, Output& out) {
  if (!held_.contains(test) || draining_) return;
  for (Slot slot = 0; slot < workers_.size(); ++slot) {
    const std::deque<Item>& sent = workers_[slot].sent;
    if (sent.empty() || collects(sent.front()) || sent.front().test != test) continue;
    // Two first runs come of a split: neither is cut short.
    const bool one_is_a_copy = sent.front().copy || job_.tests()[test].copied;
    if (one_is_a_copy && is_futile(sent.front())) cancel(slot, out);
  }
}

void Vassal::cancel(Slot slot, Output& out) {
  Worker& worker = workers_[slot];
  const Item item = worker.sent.front();
  worker.sent.pop_front();
  requeue(worker, out);
  worker.state = Worker::State::kDraining;
  worker.cancelled = true;
  worker.wants = false;
  give_up({item}, 0, out);
  out.commands.emplace_back(CancelTest{slot});
}

}  // namespace dagz::sched
