#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "sched/scheduler.hpp"
#include "tests/support/jobs.hpp"

// A scheduler on a bench, with the fold of its node.

namespace dagz::test {

using namespace sched;

inline const NodeId kA = numbered_id(1);
inline const NodeId kB = numbered_id(2);
inline const NodeId kC = numbered_id(3);

// The scheduler's node (A) with its fold; the other nodes' words are what the test writes.
struct SchedulerBench {
  report::JobState job;
  Estimates estimates;
  Rerun rerun;
  Scheduler scheduler;
  std::vector<LiveNode> live;
  Instant now = at_ms(1000);
  std::vector<std::pair<NodeId, report::Entry>> log;
  std::vector<std::pair<NodeId, std::vector<report::FileKey>>> names_wanted;
  std::vector<report::Closed> closed;
  uint32_t reopened = 0;

  explicit SchedulerBench(const SchedulerConfig& config = {},
                          const std::vector<KnownDuration>& history = {},
                          std::optional<EarlierAttempt> earlier = std::nullopt)
      : estimates(history), rerun(std::move(earlier)), scheduler(config, job, estimates, rerun) {
    scheduler.begin(now, claim_by(kA), named(0));
  }

  void write(const NodeId& origin, const report::Entry& entry) {
    log.emplace_back(origin, entry);
    job.apply(origin, entry);
    for (const report::Change& change : job.take_changes()) {
      if (change.kind == report::Change::Kind::kKnown) estimates.add(job.tests()[change.test]);
      scheduler.changed(change);
      if (change.kind == report::Change::Kind::kFinished) {
        const report::Finished& result = job.tests()[change.test].attempts[change.attempt].result;
        estimates.learn(change.test, result.duration);
        estimates.learn_setup(change.test, result.group_setup);
      }
    }
    scheduler.seen(now, origin, entry);
    if (rerun.seen(origin, entry)) scheduler.rerun_changed();
  }
  // A member with as many workers; it has not collected yet.
  void join(const NodeId& id, uint32_t workers = 1) {
    live.push_back({id, workers});
    scheduler.set_live(live);
  }
  void collect(const NodeId& id, report::FileKey file, const std::string& path, uint32_t tests) {
    write(id, report::Offered{file});
    write(id, listed(file, path, tests));
  }
  void collected(const NodeId& id) { write(id, report::Collected{}); }
  // Joins with the same file as everybody, and is enlisted.
  void join_ready(const NodeId& id, uint32_t tests, uint32_t workers = 1) {
    join(id, workers);
    collect(id, kFile, "f", tests);
    advance();
    collected(id);
  }
  void lose(const NodeId& id) {
    std::erase_if(live, [&id](const LiveNode& one) { return one.id == id; });
    scheduler.set_live(live);
  }

  NodeId self = kA;  // whose scheduler this is

  void advance() {
    for (int round = 0; round < 20; ++round) {
      Scheduler::Output out;
      scheduler.advance(now, out);
      for (const report::Entry& entry : out.entries) write(self, entry);
      for (auto& one : out.names_wanted) names_wanted.push_back(one);
      if (out.reopens) {
        ++reopened;
        scheduler.begin(now, claim_by(self, 1 + reopened), named(0));
      }
      if (out.closed) {
        closed.push_back(*out.closed);
        write(self, *out.closed);
      }
      if (out.entries.empty() && !out.reopens) return;
    }
    throw std::logic_error("the scheduler finds no end");
  }

  // What a node holds: given to it, neither answered nor given up.
  std::vector<report::Place> held(const NodeId& id) const {
    std::vector<report::Place> places;
    const report::NodeIndex node = job.node_index(id);
    for (report::TestIndex test = 0; test < job.tests().size(); ++test) {
      for (const report::Assignment& one : job.tests()[test].assignments) {
        if (one.node == node && one.held()) places.push_back(*job.place_on(test, node));
      }
    }
    return places;
  }
  void finish(const NodeId& id, std::size_t count = SIZE_MAX,
              report::Outcome outcome = report::Outcome::kPassed) {
    for (const report::Place& place : held(id)) {
      if (count-- == 0) return;
      write(id, finished(place.file, place.index, outcome));
    }
  }
  void give_up(const NodeId& id, uint64_t recall, std::size_t count) {
    report::GaveUp answer{recall, {}};
    const auto places = held(id);
    for (std::size_t i = places.size() - count; i < places.size(); ++i) {
      answer.runs.push_back({places[i].file, places[i].index, 1});
    }
    write(id, answer);
  }
  void ask(const NodeId& id) {
    scheduler.steal_requested(id);
    advance();
  }
  template <class What>
  std::vector<What> written() const {
    std::vector<What> found;
    for (const auto& [origin, entry] : log) {
      if (const auto* one = std::get_if<What>(&entry)) found.push_back(*one);
    }
    return found;
  }
  void drain(const NodeId& id) {
    write(id, report::Drained{written<report::Draining>().back().claim});
  }
};

}  // namespace dagz::test
