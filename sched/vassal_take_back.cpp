#include <algorithm>
#include <deque>
#include <iterator>
#include <utility>

#include "sched/vassal.hpp"

// A worker's queue hides the round trip between short tests. Once the test at its head proves long,
// what waits behind it comes back and is reserved for the worker as before: its neighbours, and
// other nodes, may help themselves. Groups that it had not begun go back to the queue, if a mark
// keeps them together.

namespace dagz::sched {

// What needs a worker that has run nothing before stays with it, and tests with the collection that
// was begun for them; but nothing with a worker whose number is another's by now.
Instant Vassal::take_back_from(Slot slot) const {
  const Worker& worker = workers_[slot];
  const bool waits = worker.state == Worker::State::kUp && worker.sent.size() > 1;
  if (waits && !worker.gives_back && worker.number != number_of(slot)) return worker.head_since;
  if (!waits || collects(worker.sent.front()) || worker.sent.back().tail ||
      worker.taken_back_behind == worker.head_since) {
    return Instant::never();
  }
  return worker.head_since + config_.take_back_after;
}

void Vassal::take_back(Instant now, Output& out) {
  for (Slot slot = 0; slot < workers_.size(); ++slot) {
    Worker& worker = workers_[slot];
    if (now < take_back_from(slot)) continue;
    worker.gives_back = worker.number != number_of(slot);
    worker.taken_back_behind = worker.head_since;
    out.commands.emplace_back(TakeBack{slot});
  }
}

void Vassal::on(Instant, int64_t, const TakenBack& event, Output&) {
  if (event.slot >= workers_.size()) return;
  Worker& worker = workers_[event.slot];
  std::deque<Item> back;
  std::erase_if(worker.sent, [&](const Item& item) {
    const bool taken =
        std::find(event.tests.begin(), event.tests.end(), item.local) != event.tests.end();
    if (taken && collects(item)) worker.collected.erase(item.found);
    if (taken && item.local.index != kCollectAgain) back.push_back(item);
    return taken;
  });
  back.insert(back.end(), worker.group.begin(), worker.group.end());
  worker.group.clear();
  std::vector<Group> groups = apart(std::move(back));
  // It keeps the rest of a group that it has begun, or was sent meanwhile; and else the first.
  const auto is_begun = [&](const Group& group) {
    const uint32_t name = job_.tests()[group.items.front().test].group;
    return name != 0 && std::any_of(worker.sent.begin(), worker.sent.end(), [&](const Item& item) {
             return job_.tests()[item.test].group == name;
           });
  };
  std::stable_partition(groups.begin(), groups.end(), is_begun);
  std::vector<Group> others;
  // What the queue held was given up when that began: this is, with the worker.
  const bool ends = draining_ || leaving_;
  for (Group& group : groups) {
    if (ends || worker.group.empty() || is_begun(group) || group.items.front().only) {
      worker.group.insert(worker.group.end(), group.items.begin(), group.items.end());
    } else {
      others.push_back(std::move(group));
    }
  }
  queue_.insert(queue_.begin(), std::make_move_iterator(others.begin()),
                std::make_move_iterator(others.end()));
}

}  // namespace dagz::sched
