#include "sched/vassal.hpp"

#include <algorithm>
#include <iterator>
#include <type_traits>
#include <utility>

#include "report/progress.hpp"
#include "sched/runs.hpp"

namespace dagz::sched {

using report::kNone;
using report::TestIndex;

void Vassal::offer(report::FileKey key, uint32_t file) { files_[key] = file; }

std::optional<Vassal::Item> Vassal::item_at(report::FileKey file, uint32_t index) {
  const TestIndex test = job_.test_at(file, index);
  if (test == kNone) return std::nullopt;
  const auto local = files_.find(file);
  if (found_.empty()) {
    if (local == files_.end()) return std::nullopt;
    return Item{test, {file, index}, {local->second, index}, false, batch_};
  }
  const auto path = found_.find(job_.path(job_.tests()[test].path));
  if (path == found_.end()) return std::nullopt;
  const uint32_t found = path->second;
  if (job_.tests()[test].collects) {
    return Item{test, {file, index}, {found, kCollectFile}, false, batch_, found};
  }
  // Several versions of one path have a number each.
  const auto next = static_cast<uint32_t>(found_.size() + files_.size());
  const uint32_t number = files_.try_emplace(file, next).first->second;
  return Item{test, {file, index}, {number, index}, false, batch_, found};
}

void Vassal::enlisted(const report::Enlisted& enlisted) { enlisted_ = enlisted; }

// Takes what is granted, in the order in which it should run.
void Vassal::granted(const std::vector<report::Run>& runs, GrantKind kind, Output& out) {
  std::vector<Group> waiting;
  for (Group& group : groups_of(runs, kind != GrantKind::kFenced, out)) {
    Group rest;
    for (Item& item : group.items) {
      restricted_ = restricted_ || is_restricted(item);
      item.copy = kind == GrantKind::kCopies;
      if (kind == GrantKind::kTail) {
        item.tail = true;
        tail_.push_back(item);
      } else if (job_.tests()[item.test].verdict == report::Verdict::kRetry) {
        // It failed elsewhere, and its verdict is waited for.
        queue_.emplace_front().items.push_back(item);
      } else {
        rest.items.push_back(item);
      }
    }
    if (!rest.items.empty()) waiting.push_back(std::move(rest));
  }
  enqueue(std::move(waiting));
}

// Takes what is granted; the rest is given back.
std::vector<Vassal::Group> Vassal::groups_of(const std::vector<report::Run>& runs, bool valid,
                                             Output& out) {
  if (valid) ++batch_;
  question_gap_ = {};
  std::vector<Group> groups;
  std::vector<Item> refused;
  for (const report::Run& run : runs) {
    const auto file = job_.files().find(run.file);
    if (file == job_.files().end() || run.first >= file->second.tests.size()) continue;
    const auto known = static_cast<uint32_t>(file->second.tests.size()) - run.first;
    for (uint32_t i = 0; i < std::min(run.count, known); ++i) {
      const auto item = item_at(run.file, run.first + i);
      if (!item) continue;
      // Each grant gets exactly one answer: what will not be run is given back at once.
      if (!valid || !is_wanted(*item) || draining_ || leaving_ || broken_) {
        refused.push_back(*item);
        continue;
      }
      held_.insert(item->test);
      const bool continues = !groups.empty() && stay_together(groups.back().items.back(), *item);
      if (!continues) groups.emplace_back();
      groups.back().items.push_back(*item);
    }
  }
  if (!refused.empty()) refuse(refused, out);
  return groups;
}

bool Vassal::is_undecided(const Item& item) const {
  const report::Verdict verdict = job_.tests()[item.test].verdict;
  return verdict == report::Verdict::kPending || verdict == report::Verdict::kRetry;
}

bool Vassal::is_wanted(const Item& item) const {
  return is_undecided(item) && !held_.contains(item.test);
}

// Of one named group, of one mutex, or of one file and neither.
bool Vassal::stay_together(const Item& a, const Item& b) const {
  const report::Test& one = job_.tests()[a.test];
  const report::Test& other = job_.tests()[b.test];
  if (one.group != other.group) return false;
  if (one.group != 0) return true;
  return one.mutex == other.mutex && (one.mutex != 0 || a.place.file == b.place.file);
}

bool Vassal::is_bound(const Item& item) const {
  const report::Test& test = job_.tests()[item.test];
  return test.group != 0 || test.mutex != 0;
}

// A retry at once may stand before the rest of such a group.
bool Vassal::may_be_cut(const std::deque<Item>& items) const {
  return !is_bound(items.front()) && !is_bound(items.back());
}

// What is heavy may stand before what the worker had reserved, and be such a group.
bool Vassal::may_be_shortened(const std::deque<Item>& items) const {
  return !is_bound(items.back());
}

// What a mark keeps together is one group, apart from all others.
std::vector<Vassal::Group> Vassal::apart(std::deque<Item> items) const {
  std::vector<Group> groups;
  for (Item& item : items) {
    auto home = groups.end();
    if (is_bound(item)) {
      home = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
        return stay_together(group.items.front(), item);
      });
    } else if (!groups.empty() && !is_bound(groups.back().items.back())) {
      home = std::prev(groups.end());
    }
    if (home == groups.end()) home = groups.emplace(groups.end());
    home->items.push_back(item);
  }
  return groups;
}

Duration Vassal::expected(const std::deque<Item>& items) const {
  Duration total;
  for (const Item& item : items) total += estimates_.of(item.test);
  return total;
}

uint32_t Vassal::live_workers() const {
  return static_cast<uint32_t>(
      std::count_if(workers_.begin(), workers_.end(), [](const Worker& worker) {
        return worker.state == Worker::State::kStarting || worker.state == Worker::State::kUp;
      }));
}

// ---- feeding ----------------------------------------------------------------------------------

void Vassal::feed(Instant now, Slot slot, Output& out) {
  Worker& worker = workers_[slot];
  if (worker.state != Worker::State::kUp || leaving_) return;
  if (worker.oversized || worker.number != number_of(slot)) {
    if (worker.wants || worker.sent.empty()) recycle(slot, out);
    return;
  }
  std::vector<LocalTest> tests;
  std::vector<Item> missing;
  std::vector<Item> decided;
  // To collect a file first is work as well.
  const auto cost = [&](const Item& item) {
    if (item.local.index == kCollectAgain) return collection_time(item.found);
    return std::max(estimates_.of(item.test), worker.lately);
  };
  Duration ahead;
  for (std::size_t i = 1; i < worker.sent.size(); ++i) ahead += cost(worker.sent[i]);
  while (worker.sent.size() < config_.window_tests_max) {
    // One test is never enough to hide the round trip when tests are short; a long one is plenty.
    const bool busy = !worker.sent.empty();
    const bool covered =
        busy &&
        ahead + std::max(cost(worker.sent.front()), now - worker.head_since) >= config_.window;
    if (covered && !(worker.wants && tests.empty())) break;
    if (restricted_ && !busy) take_heavy(slot);
    take_first(slot);
    if (worker.group.empty() && !take_group(now, slot) && !steal_locally(now, slot)) break;
    const Item& next = worker.group.front();
    if (is_futile(next)) {
      decided.push_back(next);
      worker.group.pop_front();
      continue;
    }
    if (!admits(slot, next)) {
      if (!set_aside(now, slot)) break;
      continue;
    }
    if (weight_of(next) == 1 && makes_room(now, slot)) break;
    Item item = worker.group.front();
    worker.group.pop_front();
    if (uncollectable_.contains(item.found)) {
      missing.push_back(item);
      continue;
    }
    const std::size_t before = worker.sent.size();
    send(now, slot, item, tests);
    for (std::size_t i = std::max<std::size_t>(1, before); i < worker.sent.size(); ++i) {
      ahead += cost(worker.sent[i]);
    }
  }
  if (!tests.empty()) worker.fresh = false;
  if (worker.sent.empty()) take_tail(now, slot, tests, missing);
  if (!missing.empty()) miss(missing, out);
  if (!decided.empty()) give_up(decided, 0, out);
  if (tests.empty() && !worker.wants) return;
  worker.wants = false;
  worker.told_nothing = tests.empty();
  const std::size_t count = tests.size();
  tell_begun(slot, count, out);
  out.commands.emplace_back(RunTests{slot, std::move(tests), names_of(worker, count)});
}

void Vassal::advance(Instant now, Output& out) {
  if (enlisted_ && !draining_ && !leaving_ && !broken_ && !held_.empty()) {
    for (Slot slot = 0; slot < workers_.size(); ++slot) {
      Worker& worker = workers_[slot];
      if (worker.state != Worker::State::kDown) continue;
      // No more workers than there are tests for them.
      if (live_workers() >= held_.size()) break;
      start(now, slot, out);
    }
  }
  for (Slot slot = 0; slot < workers_.size(); ++slot) feed(now, slot, out);
  take_back(now, out);
  freshen_workers(now, out);
  for (Worker& worker : workers_) {
    if (!tears_down(worker) || std::exchange(worker.tear_down_seen, true)) continue;
    worker.head_since = now;
    worker.slow_told = {};
  }
  end_overdue_tests(now, out);
  tell_slow(now, out);
  out.ends_soon = ends_soon_;
  if (now < next_deadline()) return;
  const auto workers = static_cast<int64_t>(workers_.size());
  const Duration left = time_left(now, config_.end_below * workers) / workers;
  out.ends_soon = ends_soon_ = left < config_.end_below;
  next_question_at_ = now + config_.ask_every;
  if (left >= config_.ask_below) return;
  question_gap_ = std::min(config_.ask_every, std::max(question_gap_ * 2, config_.ask_again));
  next_question_at_ = now + question_gap_;
  out.steal_request = true;
}

// The worker goes with its test: nothing inside it can be trusted to stop.
void Vassal::end_overdue_tests(Instant now, Output& out) {
  for (Slot slot = 0; slot < workers_.size(); ++slot) {
    if (now < overdue_from(workers_[slot])) continue;
    workers_[slot].timed_out = true;
    out.commands.emplace_back(KillWorker{slot, true});
  }
}

Duration Vassal::limit_of(const Item& item) const {
  return collects(item) ? config_.test_timeout * config_.collection_timeouts : config_.test_timeout;
}

Instant Vassal::overdue_from(const Worker& worker) const {
  if (worker.tear_down_seen && !worker.timed_out && !worker.cancelled) {
    return worker.head_since + config_.tear_down_within;
  }
  if (config_.test_timeout.ns == 0 || worker.sent.empty() || worker.timed_out) {
    return Instant::never();
  }
  return worker.head_since + limit_of(worker.sent.front());
}

Instant Vassal::next_deadline() const {
  Instant next = Instant::never();
  for (Slot slot = 0; slot < workers_.size(); ++slot) {
    const Worker& worker = workers_[slot];
    next = std::min({next, slow_from(worker), overdue_from(worker), take_back_from(slot)});
  }
  const bool ready = !files_.empty() || !found_.empty();
  if (!ready || draining_ || leaving_ || broken_) return next;
  return std::min(next, next_question_at_);
}

// ---- from the runner --------------------------------------------------------------------------

void Vassal::handle(Instant now, int64_t wall_ms, const RunnerEvent& event, Output& out) {
  std::visit(
      [&](const auto& one) {
        if constexpr (requires { one.slot; } && !std::is_same_v<decltype(one), const WorkerGone&>) {
          if (is_cancelled(one.slot)) return;
        }
        if constexpr (requires { on(now, wall_ms, one, out); }) on(now, wall_ms, one, out);
      },
      event);
}

void Vassal::on(Instant now, int64_t, const WorkerReady& event, Output& out) {
  if (event.slot >= workers_.size()) return;
  Worker& worker = workers_[event.slot];
  if (worker.state != Worker::State::kStarting) return;
  worker.state = Worker::State::kUp;
  worker.fresh = true;
  worker.oversized = false;
  worker.last_finished = now;
  worker.lately = config_.unproven;
  feed(now, event.slot, out);
}

void Vassal::on(Instant now, int64_t, const WorkerWants& event, Output& out) {
  if (event.slot >= workers_.size()) return;
  Worker& worker = workers_[event.slot];
  if (worker.state != Worker::State::kUp) return;
  // It may have been fed since it asked: then its answer is on the way.
  const bool first = !std::exchange(worker.greeted, true);
  if (worker.sent.size() > (first ? 0U : 1U)) return;
  worker.wants = true;
  // Its test is at its end, however long it was: what comes next decides what is torn down.
  if (!worker.sent.empty()) worker.taken_back_behind = worker.head_since;
  if (leaving_) {
    worker.wants = false;
    out.commands.emplace_back(RunTests{event.slot, {}, {}});
    return;
  }
  feed(now, event.slot, out);
}

void Vassal::on(Instant now, int64_t wall_ms, const TestDone& event, Output& out) {
  if (event.slot >= workers_.size()) return;
  Worker& worker = workers_[event.slot];
  auto found = std::find_if(worker.sent.begin(), worker.sent.end(),
                            [&](const Item& item) { return item.local == event.test; });
  report::Finished result;
  result.outcome = event.outcome;
  result.duration = event.duration;
  result.shared_setup = std::min(event.shared_setup, event.duration);
  result.group_setup = std::min(event.group_setup, result.shared_setup);
  result.started_wall_ms = wall_ms - event.duration.ms();
  if (event.duration.us() > 0) {
    result.cpu_percent = static_cast<uint32_t>(
        std::clamp<int64_t>(event.cpu.us() * 100 / event.duration.us(), 0, 100'000));
  }
  result.message = event.message.substr(0, report::kMessageMax);
  result.output = output_budget_.take(event.output);
  result.properties = output_budget_.take(event.properties);
  worker.deaths_in_a_row = 0;
  idle_losses_ = 0;
  if (found == worker.sent.end()) {
    // A late word on a finished test: a fixture of wider scope failed to tear down.
    amend(event, std::move(result), out);
    return;
  }
  // Whatever it passed over it will not run any more.
  put_back(worker, found);
  finish(now, event.slot, std::move(result), out);
}

// The verdict counts the worst of a test's outcomes on the same worker run, so the failed tear-down
// is written as one more result.
void Vassal::amend(const TestDone& event, report::Finished result, Output& out) {
  const auto key = std::find_if(files_.begin(), files_.end(),
                                [&](const auto& file) { return file.second == event.test.file; });
  if (key == files_.end() || !report::is_failure(event.outcome)) return;
  result.file = key->first;
  result.index = event.test.index;
  result.amends = true;
  result.slot = event.slot;
  out.entries.emplace_back(std::move(result));
}

// The head of the worker's queue has come to an end.
void Vassal::finish(Instant now, Slot slot, report::Finished result, Output& out) {
  Worker& worker = workers_[slot];
  Item item = worker.sent.front();
  worker.sent.pop_front();
  worker.lately = std::max(result.duration, worker.lately / 2);
  worker.running += result.duration;
  worker.delta += result.own_duration() - estimates_.of(item.test);
  worker.head_since = now;
  worker.slow_told = {};
  worker.last_finished = now;
  worker.last = item.place;
  worker.stands.reset();
  if (!std::exchange(worker.told_nothing, false)) worker.stands = path_of(item);
  ++worker.finished;
  if (item.stolen) ++worker.stolen_finished;
  if (!left_overs_.empty()) name_left_overs(item, result);
  result.copy = item.copy;
  result.again = tries_again(item, result.outcome);
  if (result.again) {
    item.again = true;
    worker.group.push_front(item);
  } else {
    held_.erase(item.test);
  }
  result.file = item.place.file;
  result.index = item.place.index;
  result.slot = slot;
  out.entries.emplace_back(std::move(result));
  out.has_finished_test = true;
}

void Vassal::on(Instant now, int64_t wall_ms, const WorkerGone& event, Output& out) {
  if (event.slot >= workers_.size()) return;
  Worker& worker = workers_[event.slot];
  // A test may end its worker's run with words (pytest.exit): that takes none of the others down.
  const bool expected_end = event.clean && worker.sent.empty();
  const bool took_down = !event.clean && !worker.sent.empty();
  const bool collected = took_down && collects(worker.sent.front());
  const bool stopped = ended_ && took_down && !collected && !worker.sent.front().copy;
  if (collected && !worker.cancelled) {
    die_collecting(event.slot, event, out);
  } else if (stopped || (took_down && !ended_ && !worker.cancelled)) {
    WorkerGone death = event;
    death.reason = "the worker process died: " + event.reason;
    die_running(now, wall_ms, death, out);
  } else if (!event.clean && tears_down(worker) && worker.last && !ended_ && !worker.cancelled) {
    die_tearing_down(event.slot, event, out);
  } else if (!expected_end && !ended_ && !worker.cancelled) {
    ++worker.deaths_in_a_row;
    last_death_ = event.reason;
    if (!event.output.empty()) last_death_ += "\n" + event.output;
  }
  requeue(worker, out);
  reset(worker);
  const bool again =
      !draining_ && !leaving_ && !broken_ && worker.deaths_in_a_row < config_.deaths_in_a_row_max;
  worker.state = again ? Worker::State::kDown : Worker::State::kGone;
  if (again) ++worker.restarts;
  const bool all_gone = std::all_of(workers_.begin(), workers_.end(), [](const Worker& one) {
    return one.state == Worker::State::kGone;
  });
  if (all_gone && !draining_ && !leaving_ && !broken_) {
    broken_ = true;
    give_up(take_everything(), 0, out);
    const std::string why = "its workers died again and again before they ran a test: ";
    out.entries.emplace_back(report::Unable{3, (why + last_death_).substr(0, report::kOutputMax)});
  }
}

// The worker's end is that of the test that it ran; with the job it says nothing of the test.
void Vassal::die_running(Instant now, int64_t wall_ms, const WorkerGone& event, Output& out) {
  const Worker& worker = workers_[event.slot];
  report::Finished result;
  if (ended_) {
    result.outcome = report::Outcome::kStopped;
    result.message = event.where;
  } else if (worker.timed_out) {
    result.outcome = report::Outcome::kTimedOut;
    result.message =
        "ran longer than " + report::format_duration(config_.test_timeout) + " and was ended";
    if (!event.where.empty()) result.message += " " + event.where;
  } else {
    result.outcome = report::Outcome::kCrashed;
    result.message = event.reason;
  }
  result.message.resize(std::min(result.message.size(), report::kMessageMax));
  result.duration = now - worker.head_since;
  result.started_wall_ms = wall_ms - result.duration.ms();
  result.output = output_budget_.take(event.output);
  finish(now, event.slot, std::move(result), out);
}

// As pytest has it, the worker's last test answers for fixtures of the session.
void Vassal::die_tearing_down(Slot slot, const WorkerGone& event, Output& out) {
  const Worker& worker = workers_[slot];
  report::Finished result;
  result.file = worker.last->file;
  result.index = worker.last->index;
  result.amends = true;
  result.slot = slot;
  result.outcome = worker.timed_out ? report::Outcome::kTimedOut : report::Outcome::kError;
  result.message = worker.timed_out
                       ? "after it the tear-down of the session took longer than " +
                             report::format_duration(config_.tear_down_within) + " and was ended"
                       : "the worker process died as it tore the session down: " + event.reason;
  result.output = output_budget_.take(event.output);
  out.entries.emplace_back(std::move(result));
}

// Nothing is left to it but that.
bool Vassal::tears_down(const Worker& worker) {
  return worker.state == Worker::State::kDraining && worker.sent.empty();
}

void Vassal::reset(Worker& worker) {
  worker.collected.clear();
  worker.collecting = worker.running = {};
  worker.last.reset();
  worker.stands.reset();
  worker.told_nothing = false;
  worker.tear_down_seen = false;
  worker.wants = false;
  worker.timed_out = false;
  worker.cancelled = false;
  worker.greeted = false;
}

// What a worker that is gone had not begun goes to the front again, or back.
void Vassal::requeue(Worker& worker, Output& out) {
  Group rest;
  std::copy_if(worker.sent.begin(), worker.sent.end(), std::back_inserter(rest.items),
               [](const Item& item) { return item.local.index != kCollectAgain; });
  rest.items.insert(rest.items.end(), worker.group.begin(), worker.group.end());
  worker.sent.clear();
  worker.group.clear();
  if (rest.items.empty()) return;
  if (draining_ || leaving_) {
    give_up({rest.items.begin(), rest.items.end()}, 0, out);
    return;
  }
  for (const Item& item : rest.items) {
    if (item.tail) tail_.push_front(item);
  }
  std::erase_if(rest.items, [](const Item& item) { return item.tail; });
  if (rest.items.empty()) return;
  std::vector<Group> groups = heavy_first(apart(std::move(rest.items)));
  queue_.insert(queue_.begin(), std::make_move_iterator(groups.begin()),
                std::make_move_iterator(groups.end()));
}

void Vassal::runner_failed(Output& out) {
  broken_ = true;
  for (Worker& worker : workers_) {
    put_back(worker, worker.sent.end());
    worker.state = Worker::State::kGone;
  }
  give_up(take_everything(), 0, out);
}

// ---- giving up --------------------------------------------------------------------------------

std::vector<Vassal::Item> Vassal::take_everything() {
  std::vector<Item> items;
  for (Worker& worker : workers_) {
    items.insert(items.end(), worker.group.begin(), worker.group.end());
    worker.group.clear();
  }
  for (Group& group : queue_) items.insert(items.end(), group.items.begin(), group.items.end());
  items.insert(items.end(), tail_.begin(), tail_.end());
  tail_.clear();
  queue_.clear();
  return items;
}

void Vassal::give_up(const std::vector<Item>& items, uint64_t recall, Output& out) {
  for (const Item& item : items) held_.erase(item.test);
  refuse(items, out, recall);
}

// Answers a grant that changes nothing: what is held already stays held.
void Vassal::refuse(const std::vector<Item>& items, Output& out, uint64_t recall) {
  std::vector<report::Run> runs;
  for (const Item& item : items) add_place(runs, item.place);
  const std::size_t limit = report::kRunsWrittenMax;
  std::size_t at = 0;
  do {
    const std::size_t end = std::min(runs.size(), at + limit);
    out.entries.emplace_back(report::GaveUp{at == 0 ? recall : 0,
                                            {runs.begin() + static_cast<std::ptrdiff_t>(at),
                                             runs.begin() + static_cast<std::ptrdiff_t>(end)}});
    at = end;
  } while (at < runs.size());
}

void Vassal::drain(Output& out, bool now) {
  if (now) end_running_tests(out);
  if (draining_) return;
  draining_ = true;
  if (const std::vector<Item> rest = take_everything(); !rest.empty()) {
    give_up(rest, 0, out);
  }
  for (Slot slot = 0; slot < workers_.size(); ++slot) {
    Worker& worker = workers_[slot];
    const bool starts = worker.state == Worker::State::kStarting;
    if (!starts && worker.state != Worker::State::kUp) continue;
    worker.state = Worker::State::kDraining;
    if (starts) {
      // It may collect for a minute yet, and has nothing to tear down.
      worker.cancelled = true;
      out.commands.emplace_back(KillWorker{slot});
    } else {
      out.commands.emplace_back(DrainWorker{slot});
    }
  }
}

// Their workers go with them. Nobody says how they would have ended, but where they were.
void Vassal::end_running_tests(Output& out) {
  if (ended_) return;
  ended_ = true;
  for (Slot slot = 0; slot < workers_.size(); ++slot) {
    if (workers_[slot].sent.empty()) continue;
    // Should the job go on after all, under another scheduler, its tests are not to blame.
    workers_[slot].cancelled = true;
    out.commands.emplace_back(KillWorker{slot, true});
  }
}

void Vassal::resume() {
  if (!draining_ || leaving_ || broken_) return;
  draining_ = ended_ = false;
  for (Worker& worker : workers_) {
    const bool fit = worker.deaths_in_a_row < config_.deaths_in_a_row_max;
    if (worker.state == Worker::State::kGone && fit) worker.state = Worker::State::kDown;
  }
}

void Vassal::leave(Output& out) {
  if (leaving_) return;
  leaving_ = true;
  drain(out);
}

bool Vassal::is_drained() const {
  return draining_ && std::all_of(workers_.begin(), workers_.end(), [](const Worker& worker) {
           return worker.state == Worker::State::kDown || worker.state == Worker::State::kGone;
         });
}

}  // namespace dagz::sched
