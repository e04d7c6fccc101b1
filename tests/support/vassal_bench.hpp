#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sched/vassal.hpp"
#include "tests/support/jobs.hpp"

// A vassal on a bench: its fold, and workers that the test moves by hand.

namespace dagz::test {

using namespace sched;

inline const NodeId kMe = numbered_id(1);
inline const NodeId kChief = numbered_id(9);

// One node's vassal, its fold, and workers that do as they are told when the test says so.
struct VassalBench {
  report::JobState job;
  Estimates estimates;
  Vassal vassal;
  Instant now = at_ms(1000);
  std::vector<report::Entry> entries;
  std::vector<RunnerCommand> commands;
  bool steal_request = false;
  std::map<Slot, std::deque<LocalTest>> queues;
  std::size_t drains_obeyed = 0;
  uint32_t files = 0;

  explicit VassalBench(uint32_t workers = 1, uint32_t tests = 10, Duration each = {},
                       bool enlist = true, uint32_t deaths_max = 5, uint64_t max_memory = 0,
                       Duration test_timeout = {})
      : estimates(history(tests, each)),
        vassal(config(workers, deaths_max, max_memory, test_timeout), job, estimates) {
    fold(kChief, named(2));
    list(kFile, "f", tests);
    if (enlist) enlist_as(workers);
  }
  // With this history and no file yet.
  VassalBench(uint32_t workers, const std::vector<KnownDuration>& known, Duration test_timeout = {})
      : estimates(known), vassal(config(workers, 5, 0, test_timeout), job, estimates) {
    fold(kChief, named(2));
    enlist_as(workers);
  }

  void list(report::FileKey file, const std::string& path, uint32_t tests) {
    fold(kMe, report::Offered{file});
    fold(kChief, listed(file, path, tests));
    vassal.offer(file, files++);
  }
  void enlist_as(uint32_t workers) {
    const report::Enlisted enlisted{kMe, 3, 10, workers};
    fold(kChief, enlisted);
    vassal.enlisted(enlisted);
  }

  static VassalConfig config(uint32_t workers, uint32_t deaths_max, uint64_t max_memory,
                             Duration test_timeout) {
    VassalConfig config;
    config.workers = workers;
    config.deaths_in_a_row_max = deaths_max;
    config.max_worker_memory = max_memory;
    config.test_timeout = test_timeout;
    config.unproven = Duration{};  // estimates are trusted from the start
    return config;
  }
  static std::vector<KnownDuration> history(uint32_t tests, Duration each) {
    std::vector<KnownDuration> known;
    if (each.ns == 0) return known;
    for (const std::string& id : names_of("f", tests)) known.push_back({id, each});
    return known;
  }

  void fold(const NodeId& origin, const report::Entry& entry) {
    job.apply(origin, entry);
    for (const report::Change& change : job.take_changes()) {
      if (change.kind == report::Change::Kind::kKnown) estimates.add(job.tests()[change.test]);
    }
  }
  void take(Vassal::Output out) {
    for (report::Entry& entry : out.entries) {
      fold(kMe, entry);
      entries.push_back(std::move(entry));
    }
    for (RunnerCommand& command : out.commands) {
      if (const auto* run = std::get_if<RunTests>(&command)) {
        auto& queue = queues[run->slot];
        queue.insert(queue.end(), run->tests.begin(), run->tests.end());
      }
      if (const auto* start = std::get_if<StartWorker>(&command)) queues[start->slot].clear();
      commands.push_back(std::move(command));
    }
    steal_request = steal_request || out.steal_request;
  }
  template <class Call>
  void call(Call what) {
    Vassal::Output out;
    what(out);
    take(std::move(out));
  }

  using GrantKind = Vassal::GrantKind;
  void grant(const std::vector<report::Run>& runs, GrantKind kind = GrantKind::kWork) {
    report::Granted entry = granted(kChief, kMe, runs);
    entry.tail = kind == GrantKind::kTail;
    entry.copies = kind == GrantKind::kCopies;
    fold(kChief, entry);
    call([&](auto& out) { vassal.granted(runs, kind, out); });
  }
  // Retries that the scheduler gives to the end of the queue.
  void grant_tail(const std::vector<report::Run>& runs) { grant(runs, GrantKind::kTail); }
  // As the fold of a node that failed this test before has it.
  void failed_elsewhere(uint32_t index) {
    fold(kChief, granted(kChief, kChief, {{kFile, index, 1}}));
    fold(kChief, finished(kFile, index, report::Outcome::kFailed));
  }
  void advance() {
    call([&](auto& out) { vassal.advance(now, out); });
  }
  void event(const RunnerEvent& what) {
    call([&](auto& out) { vassal.handle(now, 1'700'000'000'000, what, out); });
  }
  // A worker's first words: it is there, and has nothing to do.
  void ready(Slot slot) {
    event(WorkerReady{slot});
    event(WorkerWants{slot});
  }
  void done(Slot slot, report::Outcome outcome = report::Outcome::kPassed) {
    TestDone result;
    result.slot = slot;
    result.test = queues[slot].front();
    result.outcome = outcome;
    result.duration = Duration::milliseconds(5);
    queues[slot].pop_front();
    event(result);
    advance();  // feeds the worker
  }
  void gone(Slot slot, bool clean) {
    queues[slot].clear();
    event(WorkerGone{slot, clean, "SIGSEGV", "last words", "in wait"});
  }
  // Grants everything, starts the workers and lets them report.
  void begin(uint32_t tests) {
    grant({{kFile, 0, tests}});
    advance();
    for (const StartWorker& start : all<StartWorker>()) ready(start.slot);
  }

  template <class What>
  std::vector<What> all() const {
    std::vector<What> found;
    for (const RunnerCommand& command : commands) {
      if (const auto* one = std::get_if<What>(&command)) found.push_back(*one);
    }
    return found;
  }
  template <class What>
  std::vector<What> written() const {
    std::vector<What> found;
    for (const report::Entry& entry : entries) {
      if (const auto* one = std::get_if<What>(&entry)) found.push_back(*one);
    }
    return found;
  }
  // A worker that was told to end does so.
  void obey_drains() {
    for (; drains_obeyed < commands.size(); ++drains_obeyed) {
      const auto* drain = std::get_if<DrainWorker>(&commands[drains_obeyed]);
      if (drain != nullptr && queues[drain->slot].empty()) gone(drain->slot, true);
    }
  }
  // Indexes of the file in the order they were given up.
  std::vector<uint32_t> given_up() const {
    std::vector<uint32_t> indexes;
    for (const report::GaveUp& one : written<report::GaveUp>()) {
      for (const report::Run& run : one.runs) {
        for (uint32_t i = 0; i < run.count; ++i) indexes.push_back(run.first + i);
      }
    }
    return indexes;
  }
  std::vector<uint32_t> queued(Slot slot) {
    std::vector<uint32_t> indexes;
    for (const LocalTest& one : queues[slot]) indexes.push_back(one.index);
    return indexes;
  }
  bool all_answered() const {
    return std::all_of(job.tests().begin(), job.tests().end(), [](const report::Test& test) {
      return std::all_of(test.assignments.begin(), test.assignments.end(),
                         [](const report::Assignment& one) {
                           return one.grants + one.again == one.gave_up + one.finished;
                         });
    });
  }
};

inline constexpr Duration kLong = Duration::seconds(1);

using Indexes = std::vector<uint32_t>;

}  // namespace dagz::test
