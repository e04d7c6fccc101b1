#include <catch2/catch.hpp>

#include "tests/support/scheduler_bench.hpp"

using namespace dagz;
using namespace dagz::test;
using report::Outcome;
using report::Verdict;

namespace {

const NodeId kD = numbered_id(4);

// A schedules and has no worker; B, C and D have one each.
struct Poison : SchedulerBench {
  NodeId first{};  // who was lost before it was known what it ran

  explicit Poison(uint32_t tests = 4) {
    join_ready(kA, tests, 0);
    for (const NodeId& id : {kB, kC, kD}) join_ready(id, tests);
    advance();
  }
  void begin(const NodeId& id, uint32_t test) { write(id, report::Began{0, {{kFile, test, 1}}}); }
  // Until nothing but this test is left.
  void finish_others(uint32_t test) {
    for (int round = 0; round < 10; ++round) {
      for (const NodeId& id : {kB, kC, kD}) {
        for (const report::Place& place : held(id)) {
          if (place.index != test && is_there(id)) write(id, finished(kFile, place.index));
        }
        if (is_there(id)) ask(id);
      }
    }
  }
  bool is_there(const NodeId& id) const {
    return std::any_of(live.begin(), live.end(),
                       [&id](const LiveNode& one) { return one.id == id; });
  }
  std::optional<NodeId> holder(uint32_t test) const {
    for (const report::Assignment& one : job.tests()[job.test_at(kFile, test)].assignments) {
      if (one.held() && is_there(job.nodes()[one.node].id)) return job.nodes()[one.node].id;
    }
    return std::nullopt;
  }
  // The node that has the test is lost with it.
  void lose_holder(uint32_t test) {
    const NodeId id = *holder(test);
    lose(id);
    advance();
  }
  // Two nodes are lost with test 0, the second of which said that it begins it.
  void make_suspect() {
    first = *holder(0);
    lose_holder(0);
    for (const NodeId& id : {kB, kC, kD}) ask(id);
    begin(*holder(0), 0);
    lose_holder(0);
  }
  std::vector<report::Granted> alone() const {
    auto granted = written<report::Granted>();
    std::erase_if(granted, [](const report::Granted& one) { return !one.alone; });
    return granted;
  }
  Verdict verdict(uint32_t test) const { return job.tests()[job.test_at(kFile, test)].verdict; }
};

// All but a suspect test is finished.
struct Suspect : Poison {
  Suspect() {
    make_suspect();
    finish_others(0);
  }
};

}  // namespace

TEST_CASE("poison: what a lost node held runs elsewhere as soon as somebody is free", "[sched]") {
  Poison bench;
  bench.lose_holder(0);
  for (const NodeId& id : {kB, kC, kD}) {
    if (bench.is_there(id)) bench.ask(id);
  }
  CHECK(bench.holder(0).has_value());
  CHECK(bench.alone().empty());
}

TEST_CASE("poison: with what a second node was lost runs last, and alone", "[sched]") {
  Poison bench;
  bench.make_suspect();
  const NodeId left = bench.live.back().id;
  CHECK_FALSE(bench.holder(0));
  bench.finish_others(0);
  REQUIRE(bench.alone().size() == 1);
  CHECK(bench.alone()[0].to == left);
  CHECK(bench.alone()[0].runs == std::vector<report::Run>{{kFile, 0, 1}});
  bench.write(left, finished(kFile, 0));
  bench.advance();
  CHECK(bench.verdict(0) == Verdict::kOk);
  CHECK(bench.written<report::Poisoned>().empty());
  CHECK(bench.job.counts().unfinished == 0);
  CHECK(bench.written<report::Draining>().size() == 1);
}

TEST_CASE("poison: who began the test by a grant that is not known here is not given it",
          "[sched]") {
  Poison bench;
  bench.make_suspect();
  const NodeId left = bench.live.back().id;
  bench.begin(left, 0);
  bench.finish_others(0);
  CHECK(bench.alone().empty());
  // Its loss says nothing of a grant that it never heard of.
  bench.lose(left);
  bench.advance();
  bench.now = bench.now + Duration::seconds(30);
  bench.advance();
  CHECK(bench.written<report::Poisoned>().empty());
}

TEST_CASE("poison: who has answered for the test may run it alone once more", "[sched]") {
  Suspect bench;
  const NodeId left = bench.live.back().id;
  REQUIRE(bench.alone().size() == 1);
  bench.begin(left, 0);
  bench.write(left, finished(kFile, 0, Outcome::kFailed));
  bench.advance();
  REQUIRE(bench.alone().size() == 2);
  CHECK(bench.alone()[1].to == left);
}

TEST_CASE("poison: a node that never said that it begins the test was lost for something else",
          "[sched]") {
  Poison bench;
  bench.lose_holder(0);
  for (const NodeId& id : {kB, kC, kD}) bench.ask(id);
  bench.lose_holder(0);
  for (const NodeId& id : {kB, kC, kD}) {
    if (bench.is_there(id)) bench.ask(id);
  }
  CHECK(bench.holder(0).has_value());
  CHECK(bench.alone().empty());
}

TEST_CASE("poison: whom a third node is lost with, alone, has crashed", "[sched]") {
  Suspect bench;
  bench.begin(*bench.holder(0), 0);
  bench.lose_holder(0);
  // They may only be cut off.
  bench.now = bench.now + Duration::seconds(19);
  bench.advance();
  CHECK(bench.verdict(0) == Verdict::kPending);
  CHECK(bench.scheduler.next_deadline() <= bench.now + Duration::seconds(1));
  bench.now = bench.now + Duration::seconds(1);
  bench.join_ready(numbered_id(5), 4);
  bench.advance();
  CHECK(bench.verdict(0) == Verdict::kCrashed);
  REQUIRE(bench.written<report::Poisoned>().size() == 1);
  CHECK(bench.written<report::Poisoned>()[0].losses.size() == 2);
  CHECK(bench.written<report::Draining>().size() == 1);
  const auto attempts = bench.job.summary().tests[0].attempts;
  REQUIRE(attempts.size() == 2);
  CHECK(attempts[0].outcome == Outcome::kCrashed);
  CHECK(attempts[0].message == "its node was lost while it ran");
}

TEST_CASE("poison: a job that is stopped meanwhile waits for nobody", "[sched]") {
  Suspect bench;
  bench.begin(*bench.holder(0), 0);
  bench.lose_holder(0);
  bench.scheduler.stop(report::CloseReason::kInterrupted, "interrupted");
  bench.now = bench.now + Duration::seconds(30);
  bench.advance();
  CHECK(bench.written<report::Poisoned>().empty());
  CHECK(bench.scheduler.next_deadline() > bench.now);
}

TEST_CASE("poison: a node that comes back in time is not blamed on a test", "[sched]") {
  Suspect bench;
  const NodeId third = *bench.holder(0);
  bench.begin(third, 0);
  bench.lose(third);
  bench.advance();
  bench.now = bench.now + Duration::seconds(19);
  bench.join(third);
  bench.advance();
  bench.now = bench.now + Duration::seconds(10);
  bench.write(third, finished(kFile, 0));
  bench.advance();
  CHECK(bench.verdict(0) == Verdict::kOk);
  CHECK(bench.written<report::Poisoned>().empty());
}

TEST_CASE("poison: a node that was only cut off is none of the three", "[sched]") {
  Suspect bench;
  bench.begin(*bench.holder(0), 0);
  bench.lose_holder(0);
  bench.join_ready(bench.first, 4);
  bench.give_up(bench.first, 0, bench.held(bench.first).size());
  bench.advance();
  bench.now = bench.now + Duration::seconds(30);
  bench.advance();
  CHECK(bench.written<report::Poisoned>().empty());
  REQUIRE(bench.alone().size() == 2);
  CHECK(bench.alone()[1].to == bench.first);
  // Now there are three.
  bench.begin(bench.first, 0);
  bench.lose_holder(0);
  bench.now = bench.now + Duration::seconds(30);
  bench.advance();
  CHECK(bench.written<report::Poisoned>().size() == 1);
}

TEST_CASE("poison: no second copies of it", "[sched]") {
  Poison bench;
  bench.lose_holder(0);
  for (const NodeId& id : {kB, kC, kD}) bench.ask(id);
  const NodeId second = *bench.holder(0);
  for (LiveNode& one : bench.live) one.suspected = one.id == second;
  bench.scheduler.set_live(bench.live);
  bench.now = bench.now + Duration::seconds(1);
  for (const LiveNode& one : bench.live) {
    if (one.id != second && one.workers > 0) bench.ask(one.id);
  }
  for (const report::Granted& granted : bench.written<report::Granted>()) {
    CHECK_FALSE(granted.copies);
  }
}

TEST_CASE("poison: the fold knows crashes with nodes, in any order", "[sched]") {
  const auto fold = [](const std::vector<std::pair<NodeId, report::Entry>>& entries) {
    report::JobState job;
    job.apply(kA, named(2));
    job.apply(kA, listed(kFile, "f", 1));
    for (const auto& [origin, entry] : entries) job.apply(origin, entry);
    return job.tests()[0].verdict;
  };
  const std::pair<NodeId, report::Entry> given{kA, granted(kA, kB, {{kFile, 0, 1}})};
  const std::pair<NodeId, report::Entry> lost{kA,
                                              report::Poisoned{claim_by(kA), kFile, 0, {{kB, 0}}}};
  const std::pair<NodeId, report::Entry> passed{kB, finished(kFile, 0)};
  CHECK(fold({given, lost}) == Verdict::kCrashed);
  CHECK(fold({lost, given}) == Verdict::kCrashed);
  CHECK(fold({lost}) == Verdict::kPending);
  // Whoever has a result was not lost with it.
  CHECK(fold({given, lost, passed}) == Verdict::kOk);
  CHECK(fold({passed, lost, given}) == Verdict::kOk);
  // Only the scheduler says so.
  CHECK(fold({given, {kB, lost.second}}) == Verdict::kPending);
}

TEST_CASE("poison: two schedulers that name different workers are one, in any order", "[sched]") {
  const auto worker = [](uint32_t first, uint32_t second) {
    report::JobState job;
    job.apply(kA, named(2));
    job.apply(kA, listed(kFile, "f", 1));
    job.apply(kA, granted(kA, kB, {{kFile, 0, 1}}));
    job.apply(kA, report::Poisoned{claim_by(kA), kFile, 0, {{kB, first}}});
    job.apply(kC, report::Poisoned{claim_by(kC), kFile, 0, {{kB, second}}});
    REQUIRE(job.summary().tests[0].attempts.size() == 1);
    return job.summary().tests[0].attempts[0].worker;
  };
  CHECK(worker(1, 3) == worker(3, 1));
}

TEST_CASE("poison: a file whose collection takes nodes down is a collection error", "[sched]") {
  report::JobState job;
  job.apply(kA, named(2));
  job.apply(kA, report::Found{{{kFile, "test_f.py", 100}}});
  REQUIRE(job.uncollected() == 1);
  job.apply(kA, granted(kA, kB, {{kFile, 0, 1}}));
  job.apply(kA, report::Poisoned{claim_by(kA), kFile, 0, {{kB, 0}}});
  CHECK(job.uncollected() == 0);
  CHECK(job.collection_errors() == 1);
}

TEST_CASE("poison: what else is said of such a file may come before or after", "[sched]") {
  const auto errors = [](bool poisoned_first) {
    report::JobState job;
    job.apply(kA, report::Found{{{kFile, "test_f.py", 100}}});
    const report::Entry poisoned = report::Poisoned{claim_by(kA), kFile, 0, {{kB, 0}}};
    if (poisoned_first) job.apply(kA, poisoned);
    job.apply(kB, report::CollectionFailed{"test_f.py", "x is not defined"});
    if (!poisoned_first) job.apply(kA, poisoned);
    return job.summary().collection_errors.at(0).text;
  };
  CHECK(errors(true) == errors(false));
}
