#include <algorithm>
#include <iterator>
#include <utility>

#include "sched/vassal.hpp"

// Tests that ask for more than a worker: those that count as several or want their node for
// themselves, and those that exclude each other by name. A heavy test is sent alone, so that what
// its worker has been sent says what it occupies.

namespace dagz::sched {

uint32_t Vassal::weight_of(const Item& item) const {
  const report::Test& test = job_.tests()[item.test];
  const auto capacity = std::max<uint32_t>(1, static_cast<uint32_t>(workers_.size()));
  return test.exclusive || item.suspect ? capacity : std::clamp<uint32_t>(test.weight, 1, capacity);
}

bool Vassal::is_restricted(const Item& item) const {
  const report::Test& test = job_.tests()[item.test];
  return item.suspect || test.exclusive || test.weight > 1 || test.mutex != 0;
}

// Whether the worker may be sent this now.
bool Vassal::admits(Slot slot, const Item& item) const {
  if (!restricted_) return true;
  const Worker& worker = workers_[slot];
  const uint32_t weight = weight_of(item);
  if (!worker.sent.empty() && (weight > 1 || weight_of(worker.sent.back()) > 1)) return false;
  const uint32_t mutex = job_.tests()[item.test].mutex;
  uint32_t busy = 0;
  for (const Worker& other : workers_) {
    if (&other == &worker || other.sent.empty()) continue;
    busy += weight_of(other.sent.front());
    const bool locked =
        mutex != 0 && std::any_of(other.sent.begin(), other.sent.end(), [&](const Item& one) {
          return job_.tests()[one.test].mutex == mutex;
        });
    if (locked) return false;
  }
  return busy + weight <= workers_.size();
}

// Whether this worker stays idle for a moment, so that a heavy test finds room. Not while a long
// test runs: that would cost more than it brings, and the heavy test comes when less is left to do.
bool Vassal::makes_room(Instant now, Slot slot) {
  if (!restricted_) return false;
  const auto heavy = std::find_if(queue_.begin(), queue_.end(), [this](const Group& group) {
    return weight_of(group.items.front()) > 1;
  });
  const bool soon = std::all_of(workers_.begin(), workers_.end(), [&](const Worker& worker) {
    return worker.sent.empty() ||
           expected(worker.sent) <= (now - worker.head_since) + config_.room_within;
  });
  if (heavy == queue_.end() || !soon) {
    room_wanted_since_.reset();
    return false;
  }
  std::size_t light = 1;  // this one, and whoever will be there when other heavy tests have ended
  for (const Worker& other : workers_) {
    const bool counts = &other != &workers_[slot] && !other.sent.empty();
    if (counts && weight_of(other.sent.front()) == 1) ++light;
  }
  if (light + weight_of(heavy->items.front()) <= workers_.size()) return false;
  if (!room_wanted_since_) room_wanted_since_ = now;
  // Somebody takes much longer than expected: for a while the others go on.
  const Duration waited = now - *room_wanted_since_;
  if (waited > config_.room_within * 5) room_wanted_since_ = now;
  return now - *room_wanted_since_ <= config_.room_within;
}

// Heavy tests as groups of their own, before all others: room for them is had while the workers are
// free, and dear to make later. Those of a named group stay in it, and come first there.
std::vector<Vassal::Group> Vassal::heavy_first(std::vector<Group> groups) {
  const auto heavier = [this](const Item& a, const Item& b) { return weight_of(a) > weight_of(b); };
  std::vector<Group> list;
  for (Group& group : groups) {
    const bool any = std::any_of(group.items.begin(), group.items.end(),
                                 [this](const Item& item) { return is_restricted(item); });
    restricted_ = restricted_ || any;
    if (!any || !may_be_cut(group.items)) {
      if (any) std::stable_sort(group.items.begin(), group.items.end(), heavier);
      list.push_back(std::move(group));
      continue;
    }
    Group rest;
    for (const Item& item : group.items) {
      if (weight_of(item) > 1) {
        list.emplace_back().items.push_back(item);
      } else {
        rest.items.push_back(item);
      }
    }
    if (!rest.items.empty()) list.push_back(std::move(rest));
  }
  if (!restricted_) return list;
  std::stable_sort(list.begin(), list.end(), [&](const Group& a, const Group& b) {
    return heavier(a.items.front(), b.items.front());
  });
  return list;
}

std::vector<Vassal::Group>::iterator Vassal::first_light(std::vector<Group>& groups) const {
  return std::find_if(groups.begin(), groups.end(),
                      [this](const Group& group) { return weight_of(group.items.front()) == 1; });
}

// The first group that the worker may begin; rather one whose file it need not collect once more.
bool Vassal::take_group(Instant now, Slot slot) {
  const Worker& worker = workers_[slot];
  const bool light_waits = makes_room(now, slot);
  const auto first = [&](const auto& is_wanted) {
    return std::find_if(queue_.begin(), queue_.end(), [&](const Group& one) {
      const Item& item = one.items.front();
      return is_wanted(one) && !(light_waits && weight_of(item) == 1) && admits(slot, item);
    });
  };
  auto group = first([&](const Group& one) {
    const Item& item = one.items.front();
    return one.very_long || collects(item) || item.found == report::kNone ||
           worker.collected.contains(item.found);
  });
  if (group == queue_.end()) group = first([](const Group&) { return true; });
  if (group == queue_.end()) return false;
  const auto ahead = light_waits ? queue_.end() : file_ahead(slot, group->items);
  if (ahead != queue_.end()) group = ahead;
  workers_[slot].group = std::move(group->items);
  queue_.erase(group);
  return true;
}

// What the worker has reserved has to wait for a neighbour's mutex: it takes another group
// meanwhile. What is called a group by its mark stays with whoever has begun it.
bool Vassal::set_aside(Instant now, Slot slot) {
  std::deque<Item> reserved = std::exchange(workers_[slot].group, {});
  const bool may_wait = job_.tests()[reserved.front().test].group == 0 &&
                        std::none_of(reserved.begin(), reserved.end(),
                                     [](const Item& item) { return item.only.has_value(); });
  if (!may_wait || !take_group(now, slot)) {
    workers_[slot].group = std::move(reserved);
    return false;
  }
  queue_.push_front({std::move(reserved)});
  return true;
}

// What is heavy comes before what the worker has reserved.
void Vassal::take_heavy(Slot slot) {
  Worker& worker = workers_[slot];
  const auto group = std::find_if(queue_.begin(), queue_.end(), [&](const Group& one) {
    return weight_of(one.items.front()) > 1 && admits(slot, one.items.front());
  });
  if (group == queue_.end()) return;
  worker.group.insert(worker.group.begin(), group->items.begin(), group->items.end());
  queue_.erase(group);
}

// A mutex is the scheduler's to grant: what came along with a file goes back to it.
void Vassal::return_locked(std::vector<Group>& groups, Output& out) {
  std::vector<Item> locked;
  for (Group& group : groups) {
    const auto is_locked = [this](const Item& item) { return job_.tests()[item.test].mutex != 0; };
    std::copy_if(group.items.begin(), group.items.end(), std::back_inserter(locked), is_locked);
    std::erase_if(group.items, is_locked);
  }
  std::erase_if(groups, [](const Group& group) { return group.items.empty(); });
  if (!locked.empty()) give_up(locked, 0, out);
}

}  // namespace dagz::sched
