#include <algorithm>
#include <iterator>
#include <utility>

#include "sched/groups.hpp"
#include "sched/vassal.hpp"

// Work that moves: to neighbours that have nothing to do, and to other nodes on recall. Whoever
// takes over tests collects their file and sets up what they share once more, so they move only
// where they end earlier all the same.

namespace dagz::sched {

namespace {

// Another beginning that is paid for has to save at least so much of itself.
Duration least_saved(Duration beginning) { return beginning / kSetupTimesMax; }

// What takes so long ends earlier where it has to be begun than with a worker that is busy for so
// long, and would come to it last.
bool saves_time(Duration beginning, Duration takes, Duration busy) {
  return beginning + least_saved(beginning) + takes <= busy;
}

}  // namespace

uint32_t Vassal::path_of(const Item& item) const { return job_.tests()[item.test].path; }

// What the worker has to do before this test: to collect its file, and to set up.
Duration Vassal::beginning_of(const Worker& worker, const Item& item) const {
  Duration total = worker.stands == path_of(item) ? Duration{} : setup_of(item);
  if (!worker.collected.contains(item.found)) total += collection_time(item.found);
  return total;
}

// What has run for longer than expected is expected to be late by as much again.
Duration Vassal::running_left(const Worker& worker, Instant now) const {
  const Item& head = worker.sent.front();
  Duration guess = estimates_.of(head.test);
  if (worker.stands != path_of(head)) guess += setup_of(head);
  const Duration ran = now - worker.head_since;
  return ran < guess ? guess - ran : ran - guess;
}

// Until the worker has done all that it was sent or has reserved.
Duration Vassal::busy_for(const Worker& worker, Instant now) const {
  Duration total;
  const Item* before = nullptr;
  const auto add = [&](const Item& item) {
    if (before == nullptr || path_of(*before) != path_of(item)) total += beginning_of(worker, item);
    total += estimates_.of(item.test);
    before = &item;
  };
  for (const Item& item : worker.sent) {
    if (before != nullptr) {
      add(item);
      continue;
    }
    total = running_left(worker, now);
    before = &item;
  }
  for (const Item& item : worker.group) add(item);
  return total;
}

// It is idle, though there is room for a test: what neighbours have reserved is bound to them, or
// ends no earlier with it, and what is queued waits for what they run.
bool Vassal::is_any_in_want() const {
  uint32_t busy = 0;
  for (const Worker& worker : workers_) {
    if (!worker.sent.empty()) busy += weight_of(worker.sent.front());
  }
  if (busy >= workers_.size()) return false;
  for (Slot slot = 0; slot < workers_.size(); ++slot) {
    const Worker& worker = workers_[slot];
    if (worker.state != Worker::State::kUp || !worker.sent.empty()) continue;
    if (worker.group.empty() || !admits(slot, worker.group.front())) return true;
  }
  return false;
}

// Of everything held, summed; stops counting once there is enough. A long test that runs keeps one
// worker busy, and is no work for its neighbours; nor is anything beside one that is in want.
Duration Vassal::time_left(Instant now, Duration enough) const {
  Duration total;
  if (is_any_in_want()) return total;
  const auto count = [&](const std::deque<Item>& items) {
    for (const Item& item : items) {
      if (total >= enough) return;
      total += estimates_.of(item.test);
    }
  };
  for (const Worker& worker : workers_) {
    count(worker.group);
    if (worker.sent.empty()) continue;
    total += std::min(config_.ask_below, running_left(worker, now));
    count({worker.sent.begin() + 1, worker.sent.end()});
  }
  for (const Group& group : queue_) {
    count(group.items);
    total += setup_of(group.items.front());
  }
  count(tail_);
  return total;
}

// What the neighbour that is busy for longest has reserved and not been sent: its tail, so that it
// keeps the tests that follow the one it runs, until both end together. One that runs nothing
// starts, or waits for what others run, nobody knows for how long.
bool Vassal::steal_locally(Instant now, Slot slot) {
  if (makes_room(now, slot)) return false;
  Worker& thief = workers_[slot];
  Worker* victim = nullptr;
  Duration busy;   // the victim
  Duration start;  // of the thief, until it runs what it takes
  for (Worker& other : workers_) {
    if (&other == &thief || other.group.empty()) continue;
    if (!may_be_shortened(other.group) || keeps_retry(other, now)) continue;
    const Item& last = other.group.back();
    if (last.only) continue;
    const Duration left = busy_for(other, now);
    const Duration beginning = beginning_of(thief, last);
    if (!other.sent.empty() && !saves_time(beginning, estimates_.of(last.test), left)) continue;
    if (victim != nullptr && left - beginning <= busy - start) continue;
    victim = &other;
    busy = left;
    start = beginning;
  }
  if (victim == nullptr) return false;
  std::deque<Item>& from = victim->group;
  Duration taken;
  do {
    thief.group.push_front(from.back());
    thief.group.front().stolen = true;
    taken += estimates_.of(from.back().test);
    from.pop_back();
    if (from.empty() || from.back().again || from.back().only || !may_be_shortened(from)) break;
  } while (start + taken + estimates_.of(from.back().test) < busy - taken);
  thief.stolen += thief.group.size();
  return true;
}

// What would run last; whole groups from the end of the queue, then tails of what workers have
// reserved.
void Vassal::recalled(Instant now, uint64_t number, Duration wanted, Output& out) {
  Given given;
  give_up_tail(now, wanted, given);
  give_up_long(wanted, given);
  give_up_queued(wanted, given);
  give_up_reserved(now, wanted, given);
  std::reverse(given.items.begin(), given.items.end());
  give_up(given.items, number, out);
}

void Vassal::take_last(std::deque<Item>& items, Given& given) const {
  given.time += estimates_.of(items.back().test);
  given.items.push_back(items.back());
  items.pop_back();
}

// A long test that waits has to begin soon somewhere, so those that fit into what is wanted go
// first.
void Vassal::give_up_long(Duration wanted, Given& given) {
  const Duration limit = lengths({}).long_test;
  std::erase_if(queue_, [&](Group& group) {
    const Item& item = group.items.front();
    if (group.items.size() > 1 || collects(item) || is_restricted(item) || item.only ||
        job_.tests()[item.test].verdict == report::Verdict::kRetry) {
      return false;
    }
    const bool fits = is_very_long(item, limit) &&
                      given.time + estimates_.of(item.test) <= wanted && is_cheap_elsewhere(item) &&
                      may_be_cut(group.items);
    if (fits) take_last(group.items, given);
    return fits;
  });
}

// A group that is to be set up goes as a whole if there is room, and its set-up with it. Else both
// set it up, which a small part of it is not worth.
void Vassal::give_up_queued(Duration wanted, Given& given) {
  // What exceeds twice what is wanted would end later with the thief than here.
  const auto fits = [&](Duration takes) { return takes < (wanted - given.time) * 2; };
  // A long test that has to run alone here keeps nobody from what stands before it.
  const auto stays = [&](const Group& group) {
    const Item& item = group.items.back();
    return item.suspect && !fits(estimates_.of(item.test));
  };
  while (given.time < wanted) {
    const auto last = std::find_if_not(queue_.rbegin(), queue_.rend(), stays);
    if (last == queue_.rend()) break;
    std::deque<Item>& items = last->items;
    const Duration setup = setup_of(items.back());
    const bool bound = !may_be_shortened(items);
    const bool whole = bound ? fits(estimates_.of(items.back().test))
                             : setup.ns > 0 && fits(expected(items) + setup);
    const Duration until = wanted - setup / 2;
    if (!whole && (bound || until - given.time < least_saved(setup))) break;
    const std::size_t before = given.items.size();
    while (!items.empty() && bound == !may_be_shortened(items) &&
           (whole || (given.time < until && fits(setup + estimates_.of(items.back().test))))) {
      take_last(items, given);
    }
    if (items.empty()) queue_.erase(std::next(last).base());
    if (given.items.size() == before) break;
    given.time += whole ? setup : setup / 2;
  }
}

// As neighbours do.
void Vassal::give_up_reserved(Instant now, Duration wanted, Given& given) {
  struct Source {
    Worker* worker = nullptr;
    Duration left;                      // until it is done
    std::optional<uint32_t> path = {};  // what the thief begins anyway
  };
  std::vector<Source> sources;
  for (Worker& worker : workers_) {
    if (worker.group.empty() || keeps_retry(worker, now)) continue;
    sources.push_back({&worker, busy_for(worker, now)});
  }
  while (given.time < wanted) {
    Source* last_done = nullptr;
    for (Source& source : sources) {
      const std::deque<Item>& group = source.worker->group;
      if (group.empty() || !may_be_shortened(group) || group.back().only) continue;
      const Duration beginning = collection_time(group.back().found) + setup_of(group.back());
      const Duration takes = estimates_.of(group.back().test);
      const Duration room = (wanted - given.time) * 2;
      if (source.path != path_of(group.back()) && beginning + takes >= room) continue;
      if (takes >= room) continue;
      if (!source.worker->sent.empty() && !saves_time(beginning, takes, source.left)) continue;
      if (last_done == nullptr || source.left > last_done->left) last_done = &source;
    }
    if (last_done == nullptr) break;
    std::deque<Item>& group = last_done->worker->group;
    const Item last = group.back();
    take_last(group, given);
    last_done->left -= estimates_.of(last.test);
    if (std::exchange(last_done->path, path_of(last)) == path_of(last)) continue;
    given.time += (collection_time(last.found) + setup_of(last)) / 2;
  }
}

}  // namespace dagz::sched
