#include <algorithm>

#include "sched/vassal.hpp"

// Retries on this node: the first at once by the worker that has just seen the test fail, the next
// when nothing else is left, in a process that has run nothing before.

namespace dagz::sched {
namespace {

constexpr uint32_t kTailGivenUpMax = 5;

}  // namespace

// Failures before this one, here or elsewhere, are the scheduler's affair.
bool Vassal::tries_again(const Item& item, report::Outcome outcome) const {
  if (!report::is_failure(outcome) || item.again || item.tail || item.copy) return false;
  if (draining_ || leaving_ || broken_ || job_.max_retries() == 0) return false;
  return job_.tests()[item.test].attempts.empty() && !is_landslide(job_, config_.retry_limits);
}

// What it has reserved ends with a retry that it will soon make itself.
bool Vassal::keeps_retry(const Worker& worker, Instant now) const {
  if (!worker.group.back().again) return false;
  if (worker.sent.empty()) return now - worker.last_finished <= config_.retry_within;
  const Duration rest = expected(worker.sent) - estimates_.of(worker.sent.front().test);
  return running_left(worker, now) + rest <= config_.retry_within;
}

// The worker of this node that saw it fail last.
std::optional<Slot> Vassal::failed_on(const Item& item) const {
  const auto& attempts = job_.tests()[item.test].attempts;
  const auto last = std::find_if(attempts.rbegin(), attempts.rend(), [this](const auto& one) {
    return job_.nodes()[one.node].id == enlisted_->node;
  });
  if (last == attempts.rend()) return std::nullopt;
  return last->result.slot;
}

// All that is queued waits for room: it comes when more workers are free.
bool Vassal::is_time_for_tail() const {
  return std::all_of(queue_.begin(), queue_.end(),
                     [this](const Group& group) { return weight_of(group.items.front()) > 1; });
}

void Vassal::take_tail(Instant now, Slot slot, std::vector<LocalTest>& tests,
                       std::vector<Item>& missing) {
  Worker& worker = workers_[slot];
  if (tail_.empty() || !worker.fresh || !worker.group.empty() || !is_time_for_tail()) return;
  for (const Item& item : tail_) {
    if (uncollectable_.contains(item.found)) missing.push_back(item);
  }
  std::erase_if(tail_, [this](const Item& one) { return uncollectable_.contains(one.found); });
  if (tail_.empty()) return;
  auto item = std::find_if(tail_.begin(), tail_.end(), [&](const Item& one) {
    return failed_on(one) != slot && admits(slot, one);
  });
  // Whoever is free was chosen already: this one, for want of others.
  if (item == tail_.end()) {
    item = std::find_if(tail_.begin(), tail_.end(),
                        [&](const Item& one) { return admits(slot, one); });
  }
  if (item == tail_.end()) return;
  worker.fresh = false;
  send(now, slot, *item, tests);
  tail_.erase(item);
}

// For each retry of the tail a worker begins anew, but only one that has nothing else to do, and if
// possible another than saw it fail.
void Vassal::freshen_workers(Instant now, Output& out) {
  if (tail_.empty() || !is_time_for_tail() || !enlisted_) return;
  if (draining_ || leaving_ || broken_) return;
  std::vector<Slot> idle;
  std::size_t under_way = 0;
  for (Slot slot = 0; slot < workers_.size(); ++slot) {
    const Worker& worker = workers_[slot];
    const bool up = worker.state == Worker::State::kUp;
    const bool nothing = worker.sent.empty() && worker.group.empty();
    if (worker.state == Worker::State::kStarting || (up && nothing && worker.fresh)) ++under_way;
    if (worker.state == Worker::State::kDraining) ++under_way;
    if (worker.state == Worker::State::kDown || (up && nothing && !worker.fresh)) {
      idle.push_back(slot);
    }
  }
  if (under_way >= tail_.size()) return;
  const std::optional<Slot> avoided = failed_on(tail_[under_way]);
  std::stable_sort(idle.begin(), idle.end(), [&](Slot a, Slot b) {
    const auto rank = [&](Slot slot) {
      return std::pair(slot == avoided, workers_[slot].state != Worker::State::kDown);
    };
    return rank(a) < rank(b);
  });
  idle.resize(std::min(idle.size(), tail_.size() - under_way));
  for (const Slot slot : idle) {
    if (workers_[slot].state == Worker::State::kDown) {
      start(now, slot, out);
    } else {
      recycle(slot, out);
    }
  }
}

// No worker can begin it for a while, as far as anybody knows.
bool Vassal::is_held_up(const Item& item, Instant now) const {
  for (Slot slot = 0; slot < workers_.size(); ++slot) {
    const Worker& worker = workers_[slot];
    const bool runs_long = !worker.sent.empty() && now - worker.head_since > config_.retry_within;
    if (worker.sent.empty() ? admits(slot, item) : !runs_long) return false;
  }
  return true;
}

// Each only once, as one that the scheduler gives back has no better place; but for a few times
// more if it would have to wait for long.
void Vassal::give_up_tail(Instant now, Duration wanted, Given& given) {
  for (std::size_t left = tail_.size(); left > 0 && given.time < wanted; --left) {
    const Item item = tail_[left - 1];
    uint32_t& times = tail_given_up_[item.test];
    if (times > 0 && (times >= kTailGivenUpMax || !is_held_up(item, now))) continue;
    ++times;
    tail_.erase(tail_.begin() + static_cast<std::ptrdiff_t>(left - 1));
    given.time += estimates_.of(item.test);
    given.items.push_back(item);
  }
}

}  // namespace dagz::sched
