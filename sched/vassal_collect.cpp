#include <algorithm>
#include <iterator>
#include <utility>

#include "mesh/mark.hpp"
#include "report/progress.hpp"
#include "sched/runs.hpp"
#include "sched/vassal.hpp"

// The part of a vassal that deals with files which are collected where they run. The collection of
// a file that was granted is work like a test; its tests then stay with the worker that collected
// them. A worker that is given tests of a file which it has not collected does that first.

namespace dagz::sched {

namespace {

struct {
  Mark looked_ahead{"vassal: a file that nobody knows is collected before its turn"};
} marks;

// As long as nobody on this node has collected a file.
constexpr Duration kCollectionGuess = Duration::milliseconds(50);

// A node that holds so many tests for each of its workers collects nothing ahead: what was
// collected takes memory (several KB a test of pytest) until the end.
constexpr std::size_t kHeldAheadMax = 30'000;

}  // namespace

void Vassal::found(const std::vector<FilesFound::File>& files) {
  for (const FilesFound::File& file : files) {
    found_.try_emplace(file.path, static_cast<uint32_t>(found_.size()));
  }
}

Duration Vassal::collection_time(uint32_t found) const {
  if (found == report::kNone) return {};
  if (const auto known = took_.find(found); known != took_.end()) return known->second;
  return took_.empty() ? kCollectionGuess : took_total_ / static_cast<int64_t>(took_.size());
}

// The longest that marks foretell of these.
Duration Vassal::foretold(const std::deque<Item>& items) const {
  Duration longest;
  for (const Item& item : items) {
    if (!collects(item) && estimates_.is_foretold(item.test)) {
      longest = std::max(longest, estimates_.at_length(item.test));
    }
  }
  return longest;
}

// Of a file that nobody knows not even the marks are known before it is collected. So a worker that
// is about to run `next` collects another one before that, as long as it has collected for less
// time than it ran tests or is foretold to run them, and somebody here has begun some: long before
// the end all is known, unless the suite is very large.
std::deque<Vassal::Group>::iterator Vassal::file_ahead(Slot slot, const std::deque<Item>& next) {
  const Worker& worker = workers_[slot];
  const bool nobody_runs = std::all_of(workers_.begin(), workers_.end(), [](const Worker& one) {
    return one.finished == 0 && (one.sent.empty() || collects(one.sent.front()));
  });
  if (held_.size() >= kHeldAheadMax * workers_.size()) return queue_.end();
  if (nobody_runs || worker.collecting >= worker.running + foretold(next)) return queue_.end();
  const auto file = std::find_if(queue_.begin(), queue_.end(), [&](const Group& group) {
    const Item& item = group.items.front();
    return group.items.size() == 1 && item.local.index == kCollectFile &&
           (estimates_.is_history_old() || !estimates_.is_known(item.test)) && admits(slot, item);
  });
  if (file != queue_.end()) marks.looked_ahead.reach();
  return file;
}

void Vassal::send(Instant now, Slot slot, Item item, std::vector<LocalTest>& tests) {
  Worker& worker = workers_[slot];
  if (worker.sent.empty()) {
    worker.head_since = now;
    worker.slow_told = {};
  }
  if (item.found != report::kNone && worker.collected.insert(item.found).second &&
      !collects(item)) {
    Item first = item;
    first.local = {item.found, kCollectAgain};
    worker.sent.push_back(first);
    tests.push_back(first.local);
  }
  worker.sent.push_back(item);
  tests.push_back(worker.sent.back().local);
}

// Of the last `count` that were sent.
std::vector<RunTests::Name> Vassal::names_of(const Worker& worker, std::size_t count) const {
  std::vector<RunTests::Name> names;
  if (found_.empty()) return names;
  for (auto item = worker.sent.end() - static_cast<std::ptrdiff_t>(count);
       item != worker.sent.end(); ++item) {
    names.push_back({item->found, job_.tests()[item->test].id});
  }
  return names;
}

// What the worker has passed over it will not run any more.
void Vassal::put_back(Worker& worker, const std::deque<Item>::iterator& end) {
  for (auto item = worker.sent.begin(); item != end; ++item) {
    if (collects(*item)) worker.collected.erase(item->found);
    if (item->local.index == kCollectAgain) continue;
    if (item->tail) {
      tail_.push_front(*item);
    } else {
      queue_.emplace_front().items.push_back(*item);
    }
  }
  worker.sent.erase(worker.sent.begin(), end);
}

void Vassal::collected(Instant now, const WorkerCollected& event,
                       const std::vector<report::FileKey>& versions, Output& out) {
  if (event.slot >= workers_.size()) return;
  Worker& worker = workers_[event.slot];
  const auto item = std::find_if(worker.sent.begin(), worker.sent.end(), [&](const Item& one) {
    return collects(one) && one.found == event.file.file;
  });
  if (item == worker.sent.end()) return;
  put_back(worker, item);
  const Item done = worker.sent.front();
  worker.sent.pop_front();
  worker.head_since = now;
  worker.slow_told = {};
  worker.last_finished = now;
  worker.deaths_in_a_row = 0;
  took_total_ += event.took - std::exchange(took_[done.found], event.took);
  worker.collecting += event.took;
  if (done.local.index == kCollectAgain) return;
  held_.erase(done.test);
  for (const report::FileKey key : versions) homes_[key] = event.slot;
  out.entries.emplace_back(report::Expanded{done.place.file, versions});
}

// The worker that collected a file runs it, unless others find time to help.
void Vassal::expanded(const report::Expanded& expanded, Output& out) {
  for (const report::FileKey key : expanded.versions) {
    const auto file = job_.files().find(key);
    if (file == job_.files().end()) continue;
    const auto count = static_cast<uint32_t>(file->second.tests.size());
    std::vector<Group> groups = groups_of({{key, 0, count}}, true, out);
    return_locked(groups, out);
    groups = heavy_first(std::move(groups));
    std::vector<Group> alone;
    for (Group& group : groups) {
      std::vector<Group> more = take_out_long(group.items);
      std::move(more.begin(), more.end(), std::back_inserter(alone));
    }
    const auto home = homes_.find(key);
    Worker* worker = home == homes_.end() ? nullptr : &workers_[home->second];
    const auto light = first_light(groups);
    if (worker != nullptr && worker->state == Worker::State::kUp && worker->group.empty() &&
        light != groups.end() && file_ahead(home->second, light->items) == queue_.end()) {
      worker->group = std::move(light->items);
      groups.erase(light);
    }
    enqueue(std::move(groups));
    spread(std::move(alone), out);
  }
}

// Gives up for good what this node cannot run.
void Vassal::miss(const std::vector<Item>& items, Output& out) {
  report::Missing missing;
  for (const Item& item : items) {
    held_.erase(item.test);
    add_place(missing.runs, item.place);
    if (missing.runs.size() < report::kRunsWrittenMax) continue;
    out.entries.emplace_back(std::exchange(missing, {}));
  }
  if (!missing.runs.empty()) out.entries.emplace_back(std::move(missing));
}

void Vassal::on(Instant now, int64_t, const TestMissing& event, Output& out) {
  if (event.slot >= workers_.size()) return;
  Worker& worker = workers_[event.slot];
  const auto found = std::find_if(worker.sent.begin(), worker.sent.end(),
                                  [&](const Item& item) { return item.local == event.test; });
  if (found == worker.sent.end()) return;
  put_back(worker, found);
  Item item = worker.sent.front();
  worker.sent.pop_front();
  worker.head_since = now;
  const auto home = homes_.find(item.place.file);
  const bool at_home = home == homes_.end() || home->second == event.slot ||
                       workers_[home->second].state != Worker::State::kUp ||
                       !workers_[home->second].collected.contains(item.found);
  if (at_home || leaving_ || draining_) {
    miss({item}, out);
    if (!std::exchange(told_missing_, true)) {
      out.notice = job_.tests()[item.test].id +
                   " is not there in the process that should run it: ids of tests must be the same "
                   "each time";
    }
  } else {
    // Its id differs from process to process: only where it was collected first it can run.
    item.only = home->second;
    workers_[home->second].group.push_front(item);
    feed(now, home->second, out);
  }
  feed(now, event.slot, out);
}

// The import of a file took the worker down: that is a collection error, and nobody tries again.
void Vassal::die_collecting(Slot slot, const WorkerGone& event, Output& out) {
  Worker& worker = workers_[slot];
  const Item item = worker.sent.front();
  worker.sent.pop_front();
  uncollectable_.insert(item.found);
  const std::string text =
      (worker.timed_out ? "to collect this file took longer than " +
                              report::format_duration(limit_of(item)) + " and was ended"
                        : "the worker process died while it collected this file: " + event.reason) +
      "\n" + event.output;
  out.entries.emplace_back(report::CollectionFailed{job_.path(job_.tests()[item.test].path),
                                                    text.substr(0, report::kOutputMax)});
  if (item.local.index == kCollectAgain) return;
  held_.erase(item.test);
  out.entries.emplace_back(report::Expanded{item.place.file, {}});
}

}  // namespace dagz::sched
