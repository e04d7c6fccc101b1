#include <algorithm>
#include <iterator>
#include <utility>

#include "sched/groups.hpp"
#include "sched/long_tests.hpp"
#include "sched/vassal.hpp"

// In which order a node runs what it was granted: heavy tests, then long ones, then groups, the
// largest first. So what comes last is small, and can be shared evenly.

namespace dagz::sched {

Vassal::Lengths Vassal::lengths(const std::vector<Group>& more) const {
  Duration total;
  Duration unknown;
  std::vector<Divisible> all;
  const auto add = [&](const std::deque<Item>& items) {
    if (items.empty()) return;
    Divisible& group = all.emplace_back();
    for (const Item& item : items) {
      const Duration one = estimates_.of(item.test);
      group.work += one;
      group.longest = std::max(group.longest, one);
      if (is_new(item)) unknown += one;
    }
    group.setup = setup_of(items.front());
    total += group.work + group.setup;
  };
  for (const Group& group : more) add(group.items);
  for (const Group& group : queue_) add(group.items);
  for (const Worker& worker : workers_) add(worker.group);
  const auto workers = static_cast<uint32_t>(workers_.size());
  const Duration limit = sched::long_test(total, workers);
  return {limit, std::max(limit, (total - unknown) / workers), even_share(all, workers)};
}

// Of those that nobody knows any may be long: they come first, unless a long test could then not
// begin in time. Then long tests by their length, and groups by their size.
Vassal::Rank Vassal::rank_of(const Group& group, const Lengths& lengths) const {
  Rank rank;
  rank.total = setup_of(group.items.front());
  for (const Item& item : group.items) {
    const Duration one = estimates_.of(item.test);
    rank.total += one;
    if (one <= rank.longest) continue;
    if (one >= lengths.long_test || estimates_.is_foretold(item.test)) rank.longest = one;
  }
  // Where all are guesses: files of few tests have the longer ones.
  if (!estimates_.has_history() && !collects(group.items.front())) {
    rank.total = Duration{-static_cast<int64_t>(group.items.size())};
    return rank;
  }
  // Neighbours that help would have to set up, too.
  if (setup_of(group.items.front()) >= lengths.long_test) rank.longest = rank.total;
  if (rank.longest >= lengths.urgent) rank.urgent = rank.longest;
  rank.is_new = is_new(group.items.front());
  return rank;
}

// What a worker has to do once before tests like this one; 0 if nobody knows.
Duration Vassal::setup_of(const Item& item) const {
  return collects(item) ? Duration{} : estimates_.setup_of_path(job_.tests()[item.test].path);
}

bool Vassal::is_new(const Item& item) const {
  return estimates_.has_history() && !estimates_.is_known(item.test);
}

std::vector<Vassal::Group> Vassal::long_first(std::vector<Group> groups,
                                              const Lengths& lengths) const {
  std::size_t all = 0;
  std::size_t new_ones = 0;
  for (const Group& group : groups) {
    all += group.items.size();
    new_ones += static_cast<std::size_t>(std::count_if(
        group.items.begin(), group.items.end(), [this](const Item& item) { return is_new(item); }));
  }
  // Any of them may be long; where most are new that says nothing.
  const bool new_apart = new_ones * 2 < all;
  std::vector<std::pair<Rank, Group>> ranked;
  const auto add = [&](Group group) {
    const Rank rank = rank_of(group, lengths);
    ranked.emplace_back(rank, std::move(group));
  };
  for (Group& group : groups) {
    if (!may_be_cut(group.items)) {
      add(std::move(group));
      continue;
    }
    LongFirst order =
        order_of(group.items, lengths.long_test, lengths.share, is_first(group.items.front()));
    const auto begins_soon = [&](const Item& item) {
      return is_very_long(item, lengths.long_test) && is_cheap_elsewhere(item);
    };
    // What comes later and is all very long was placed here to begin at once, however alike it is.
    if (batch_ > 1 && std::all_of(group.items.begin(), group.items.end(), begins_soon)) {
      order.alone.insert(order.alone.end(), order.rest.begin(), order.rest.end());
      order.rest.clear();
    }
    for (const std::size_t i : order.alone) add({{group.items[i]}, begins_soon(group.items[i])});
    Group fresh;
    Group rest;
    for (const std::size_t i : order.rest) {
      const Item& item = group.items[i];
      const bool apart = new_apart && is_new(item) && setup_of(item).ns == 0;
      (apart ? fresh : rest).items.push_back(item);
    }
    if (!fresh.items.empty()) add(std::move(fresh));
    for (Group& piece : cut(std::move(rest), lengths.share)) add(std::move(piece));
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return b.first < a.first; });
  std::vector<Group> list;
  list.reserve(ranked.size());
  for (auto& [rank, group] : ranked) list.push_back(std::move(group));
  return list;
}

// Nobody steals from a neighbour what costs more to set up than it saves, so what is more than a
// worker's even share is cut beforehand. Without a set-up neighbours help themselves.
std::vector<Vassal::Group> Vassal::cut(Group group, Duration share) const {
  if (group.items.empty()) return {};
  const Duration setup = setup_of(group.items.front());
  if (setup.ns == 0 || expected(group.items) + setup <= share) return {std::move(group)};
  std::vector<Duration> each;
  for (const Item& item : group.items) each.push_back(estimates_.of(item.test));
  std::vector<Group> pieces;
  for (const std::vector<std::size_t>& indexes : even_pieces(each, setup, share)) {
    Group& piece = pieces.emplace_back();
    for (const std::size_t i : indexes) piece.items.push_back(group.items[i]);
  }
  return pieces;
}

bool Vassal::is_very_long(const Item& item, Duration long_test) const {
  return estimates_.is_foretold(item.test) || estimates_.of(item.test) >= long_test * kVeryLong;
}

// Whether it is no great loss if another worker collects its file and sets it up once more.
bool Vassal::is_cheap_elsewhere(const Item& item) const {
  const Duration again = setup_of(item) + collection_time(item.found);
  return again * kVeryLongSetupPart <= estimates_.at_length(item.test);
}

LongFirst Vassal::order_of(const std::deque<Item>& items, Duration long_test, Duration share,
                           bool has_first) const {
  std::vector<Duration> each;
  std::vector<bool> foretold;
  for (const Item& item : items) {
    each.push_back(estimates_.at_length(item.test));
    foretold.push_back(estimates_.is_foretold(item.test));
  }
  const Duration setup = setup_of(items.front());
  const Duration all = expected(items) + setup;
  const bool whole = setup.ns > 0 && all <= share;
  const Duration again = whole ? all : setup + collection_time(items.front().found);
  LongFirst order = sched::long_first(each, long_test, again, has_first, foretold);
  if (setup.ns > 0) order.keep_order();
  return order;
}

// Of a file that was just collected: very long tests that are worth its collection by another
// worker.
std::vector<Vassal::Group> Vassal::take_out_long(std::deque<Item>& items) const {
  if (!may_be_cut(items)) return {};
  const Lengths limits = lengths({});
  const Duration limit = limits.long_test;
  const LongFirst order = order_of(items, limit, limits.share, true);
  std::vector<Group> alone;
  std::deque<Item> sorted{items.front()};
  for (const std::size_t i : order.alone) {
    if (is_very_long(items[i], limit)) {
      alone.push_back({{items[i]}, true});
    } else {
      sorted.push_back(items[i]);
    }
  }
  for (const std::size_t i : order.rest) {
    if (i != 0) sorted.push_back(items[i]);
  }
  items = std::move(sorted);
  return alone;
}

// As many as workers of this node can begin soon, which are the longest; others are given back, for
// nodes that can. Who runs a very long test begins nothing soon.
void Vassal::spread(std::vector<Group> alone, Output& out) {
  if (alone.empty()) return;
  const Duration limit = lengths({}).long_test;
  const auto is_busy = [&](const Worker& worker) {
    return !worker.sent.empty() && !collects(worker.sent.front()) &&
           is_very_long(worker.sent.front(), limit);
  };
  const auto taken = std::count_if(workers_.begin(), workers_.end(), is_busy) +
                     std::count_if(queue_.begin(), queue_.end(),
                                   [](const Group& group) { return group.very_long; });
  const auto all = static_cast<std::ptrdiff_t>(workers_.size());
  const auto room = std::clamp<std::ptrdiff_t>(all - taken, 0, std::ssize(alone));
  const auto more = alone.begin() + room;
  std::vector<Item> given;
  for (auto group = more; group != alone.end(); ++group) given.push_back(group->items.front());
  if (!given.empty()) give_up(given, 0, out);
  alone.erase(more, alone.end());
  for (Group& group : alone) {
    const Duration takes = estimates_.of(group.items.front().test);
    const auto shorter = std::find_if(queue_.begin(), queue_.end(), [&](const Group& one) {
      return !one.very_long || estimates_.of(one.items.front().test) < takes;
    });
    queue_.insert(shorter, std::move(group));
  }
}

// A retry whose verdict is waited for, or a very long test, comes before what the worker has
// reserved, but for a retry of its own and what asks for more than a worker; and a long test not if
// the set-up of that is dear. Before a long test comes a file that is collected ahead, if it is
// time for that: what is reserved is left anyway.
void Vassal::take_first(Slot slot) {
  Worker& worker = workers_[slot];
  if (worker.group.empty() || queue_.empty()) return;
  const Item& item = queue_.front().items.front();
  const Item& reserved = worker.group.front();
  const bool is_retry = job_.tests()[item.test].verdict == report::Verdict::kRetry;
  if (!is_retry && !queue_.front().very_long) return;
  if (queue_.front().items.size() > 1 || reserved.again || is_restricted(reserved) ||
      !admits(slot, item)) {
    return;
  }
  const bool is_dear = setup_of(reserved) * kVeryLongSetupPart > estimates_.of(item.test);
  if (is_dear && !is_retry) return;
  const auto file = is_retry ? queue_.end() : file_ahead(slot, queue_.front().items);
  const auto taken = file == queue_.end() ? queue_.begin() : file;
  worker.group.push_front(taken->items.front());
  queue_.erase(taken);
}

// What comes later is put before what is smaller, and after retries.
void Vassal::enqueue(std::vector<Group> groups) {
  groups = heavy_first(std::move(groups));
  const auto light = first_light(groups);
  std::vector<Group> more(std::make_move_iterator(light), std::make_move_iterator(groups.end()));
  const Lengths limits = lengths(more);
  more = long_first(std::move(more), limits);
  // Large files take long to collect: the first test need not wait for that.
  if (queue_.empty() && batch_ == 1 && more.size() > 1 && collects(more.back().items.front())) {
    std::rotate(more.begin(), more.end() - 1, more.end());
  }
  queue_.insert(queue_.begin(), std::make_move_iterator(groups.begin()),
                std::make_move_iterator(light));
  const auto comes_first = [this](const Group& group) {
    return weight_of(group.items.front()) > 1 ||
           job_.tests()[group.items.front().test].verdict == report::Verdict::kRetry;
  };
  std::deque<Group> merged;
  auto next = more.begin();
  for (Group& group : queue_) {
    const Rank rank = rank_of(group, limits);
    while (next != more.end() && !comes_first(group) && rank < rank_of(*next, limits)) {
      merged.push_back(std::move(*next++));
    }
    merged.push_back(std::move(group));
  }
  std::move(next, more.end(), std::back_inserter(merged));
  queue_ = std::move(merged);
}

}  // namespace dagz::sched
