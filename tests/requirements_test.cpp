#include <catch2/catch.hpp>

#include "mesh/rng.hpp"
#include "tests/support/scheduler_bench.hpp"
#include "tests/support/vassal_bench.hpp"

// Tests that ask for more than a worker: in the fold, at the scheduler and in the vassal.

using namespace dagz;
using namespace dagz::test;
using report::Outcome;
using report::Required;

namespace {

Required exclusive(std::vector<uint32_t> tests) {
  return {test::kFile, true, 1, "", 1, std::move(tests)};
}
Required heavy(uint32_t weight, std::vector<uint32_t> tests) {
  return {test::kFile, false, weight, "", 1, std::move(tests)};
}
Required locked(std::vector<uint32_t> tests, const std::string& mutex = "database") {
  return {test::kFile, false, 1, mutex, 1, std::move(tests)};
}

std::size_t running(VassalBench& bench) {
  std::size_t busy = 0;
  for (const auto& [slot, queue] : bench.queues) {
    if (!queue.empty()) ++busy;
  }
  return busy;
}

// Of the tests that the workers have: which is at the head where.
std::optional<Slot> runs_on(VassalBench& bench, uint32_t index) {
  for (const auto& [slot, queue] : bench.queues) {
    if (!queue.empty() && queue.front().index == index) return slot;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("requirements: they are in the fold, whichever comes first", "[report]") {
  for (const bool names_first : {true, false}) {
    report::JobState job;
    job.apply(kA, report::Offered{test::kFile});
    if (names_first) job.apply(kA, listed(test::kFile, "f", 4));
    job.apply(kA, Required{test::kFile, true, 3, "database", 5, {1, 99}});
    job.apply(kB, heavy(2, {1, 2}));
    job.apply(kB, Required{test::kFile, false, 1, "", report::kTimesUsualMax + 1, {3}});
    if (!names_first) job.apply(kA, listed(test::kFile, "f", 4));
    const auto& tests = job.tests();
    CHECK((tests[1].exclusive && tests[1].weight == 3 && tests[1].times_usual == 5));
    CHECK(job.mutex(tests[1].mutex).name == "database");
    CHECK(job.mutex(tests[1].mutex).tests == std::vector<report::TestIndex>{1});
    CHECK((!tests[2].exclusive && tests[2].weight == 2 && tests[2].mutex == 0));
    CHECK(tests[3].times_usual == report::kTimesUsualMax);
    CHECK((tests[0].weight == 1 && !tests[0].exclusive && tests[0].times_usual == 1));
  }
}

TEST_CASE("requirements: they are known with the names, of a file that is listed in parts",
          "[report]") {
  report::JobState job;
  job.apply(kA, report::Offered{test::kFile});
  job.apply(kA, Required{test::kFile, true, 3, "database", 5, {1, 3}});
  job.apply(kA, report::Grouped{test::kFile, "together", {1}});
  job.apply(kA, report::Listed{test::kFile, "f", 4, 0, {"f::0", "f::1"}});
  const report::Test& test = job.tests()[1];
  CHECK((test.exclusive && test.weight == 3 && test.times_usual == 5));
  CHECK(job.group(test.group) == "together");
  job.apply(kA, report::Listed{test::kFile, "f", 4, 2, {"f::2", "f::3"}});
  CHECK(job.tests()[3].exclusive);
  CHECK(job.mutex(job.tests()[3].mutex).tests == std::vector<report::TestIndex>{1, 3});
}

TEST_CASE("requirements: an exclusive test runs first, and alone", "[sched]") {
  VassalBench bench(3, 10, kLong);
  bench.fold(kChief, exclusive({4}));
  bench.begin(10);
  const auto slot = runs_on(bench, 4);
  REQUIRE(slot);
  CHECK(running(bench) == 1);
  bench.event(WorkerWants{*slot});
  CHECK(bench.queued(*slot) == Indexes{4});
  bench.done(*slot);
  bench.advance();
  CHECK(running(bench) == 3);
}

TEST_CASE("requirements: one that comes later waits until its node is free", "[sched]") {
  VassalBench bench(2, 10, Duration::milliseconds(300));
  bench.fold(kChief, exclusive({8}));
  bench.begin(6);
  REQUIRE(running(bench) == 2);
  bench.grant({{kFile, 8, 1}});
  bench.advance();
  bench.done(0);
  bench.advance();
  // The other is nearly done: this one waits for it.
  CHECK(bench.queues[0].empty());
  bench.done(1);
  bench.advance();
  REQUIRE(runs_on(bench, 8));
  CHECK(running(bench) == 1);
  bench.done(*runs_on(bench, 8));
  bench.advance();
  CHECK(running(bench) == 2);
}

TEST_CASE("requirements: no worker is kept idle while a long test runs", "[sched]") {
  VassalBench bench(2, 10, Duration::seconds(60));
  bench.fold(kChief, exclusive({8}));
  bench.begin(6);
  bench.grant({{kFile, 8, 1}});
  for (int i = 0; i < 4; ++i) {
    bench.done(0);
    bench.advance();
    REQUIRE(!bench.queues[0].empty());
  }
  bench.done(0);
  bench.advance();
  CHECK(bench.queues[0].empty());
  bench.done(1);
  bench.advance();
  CHECK(runs_on(bench, 8));
}

TEST_CASE("requirements: who takes longer than expected is not waited for without end", "[sched]") {
  VassalBench bench(2, 10, Duration::milliseconds(500));
  bench.fold(kChief, exclusive({8}));
  bench.begin(2);
  bench.grant({{kFile, 8, 1}});
  bench.done(0);
  bench.grant({{kFile, 3, 3}});
  bench.advance();
  REQUIRE(!bench.queues[1].empty());
  CHECK(bench.queues[0].empty());
  bench.now = bench.now + Duration::milliseconds(1500);
  bench.advance();
  CHECK(!bench.queues[0].empty());
}

TEST_CASE("requirements: what waits behind heavy tests of a mutex can go elsewhere", "[sched]") {
  VassalBench bench(2, 10, kLong);
  bench.fold(kChief, Required{test::kFile, false, 2, "database", 1, {8, 9}});
  bench.begin(6);
  REQUIRE(running(bench) == 2);
  bench.grant({{kFile, 8, 2}});
  bench.done(0);
  bench.done(1);
  bench.advance();
  REQUIRE(runs_on(bench, 8));
  REQUIRE(running(bench) == 1);
  bench.now = bench.now + Duration::seconds(10);
  bench.call([&](auto& out) { bench.vassal.recalled(bench.now, 1, kLong * 10, out); });
  // The two of the mutex stay together.
  CHECK(bench.given_up().size() == 4);
  for (const uint32_t given : bench.given_up()) CHECK(given < 6);
}

TEST_CASE("requirements: heavy tests count as several workers, at most as all", "[sched]") {
  VassalBench bench(4, 10, kLong);
  bench.fold(kChief, heavy(3, {1}));
  bench.fold(kChief, heavy(2, {5, 6}));
  bench.fold(kChief, heavy(9, {7}));
  bench.begin(10);
  const auto weight = [](uint32_t index) {
    return index == 1 ? 3U : index == 7 ? 4U : index == 5 || index == 6 ? 2U : 1U;
  };
  std::size_t finished = 0;
  std::set<uint32_t> seen;
  while (finished < 10) {
    uint32_t busy = 0;
    std::optional<Slot> any;
    for (const auto& [slot, queue] : bench.queues) {
      if (queue.empty()) continue;
      any = slot;
      busy += weight(queue.front().index);
      if (weight(queue.front().index) > 1) CHECK(queue.size() == 1);
      seen.insert(queue.front().index);
    }
    REQUIRE(any);
    REQUIRE(busy <= 4);
    bench.done(*any);
    bench.advance();
    ++finished;
  }
  CHECK(seen.size() == 10);
  CHECK(bench.all_answered());
}

TEST_CASE("requirements: beside a heavy test the other workers go on", "[sched]") {
  VassalBench bench(3, 10, kLong);
  bench.fold(kChief, heavy(2, {0, 1, 2}));
  bench.begin(10);
  for (int i = 0; i < 3; ++i) {
    const auto slot = runs_on(bench, static_cast<uint32_t>(i));
    REQUIRE(slot);
    CHECK(running(bench) == 2);
    bench.done(*slot);
    bench.advance();
  }
  CHECK(running(bench) == 3);
}

TEST_CASE("requirements: of one mutex one runs at a time on a node", "[sched]") {
  VassalBench bench(3, 12, kLong);
  bench.fold(kChief, locked({2, 3, 4}));
  bench.fold(kChief, locked({8, 9}));
  bench.begin(6);
  bench.grant({{kFile, 6, 6}});
  for (std::size_t finished = 0; finished < 12; ++finished) {
    int holders = 0;
    std::optional<Slot> any;
    for (const auto& [slot, queue] : bench.queues) {
      if (queue.empty()) continue;
      any = slot;
      const uint32_t index = queue.front().index;
      if ((index >= 2 && index <= 4) || index == 8 || index == 9) ++holders;
    }
    REQUIRE(any);
    REQUIRE(holders <= 1);
    bench.done(*any);
    bench.advance();
  }
  CHECK(bench.all_answered());
}

TEST_CASE("requirements: whatever happens, a node is never overloaded, and all is answered",
          "[sched]") {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    INFO("seed " << seed);
    Rng rng(seed);
    const auto workers = static_cast<uint32_t>(1 + rng.below(4));
    const uint32_t tests = 30;
    const Duration each = rng.chance(1, 2) ? Duration::milliseconds(3) : kLong;
    VassalBench bench(workers, tests, each, true, 1000);
    std::vector<uint32_t> weights(tests, 1);
    std::vector<bool> has_mutex(tests, false);
    for (uint32_t i = 0; i < tests; ++i) {
      if (rng.chance(1, 6)) weights[i] = static_cast<uint32_t>(rng.between(2, 5));
      has_mutex[i] = rng.chance(1, 5);
      if (weights[i] > 1) bench.fold(kChief, heavy(weights[i], {i}));
      if (has_mutex[i]) bench.fold(kChief, locked({i}));
    }
    std::size_t seen = 0;
    const auto obey = [&] {
      for (; seen < bench.commands.size(); ++seen) {
        const RunnerCommand command = bench.commands[seen];
        if (const auto* start = std::get_if<StartWorker>(&command)) bench.ready(start->slot);
      }
    };
    for (int step = 0; step < 200; ++step) {
      bench.now = bench.now + Duration::milliseconds(rng.between(0, 400));
      const Slot slot = static_cast<Slot>(rng.below(workers));
      const uint64_t what = rng.below(20);
      if (what < 4) {
        const auto first = static_cast<uint32_t>(rng.below(tests));
        bench.grant(
            {{kFile, first, static_cast<uint32_t>(1 + rng.below(tests - first))}},
            rng.chance(1, 5) ? VassalBench::GrantKind::kTail : VassalBench::GrantKind::kWork);
      } else if (what < 5) {
        bench.call([&](auto& out) {
          bench.vassal.recalled(bench.now, rng.next(), each * rng.between(0, 9), out);
        });
      } else if (what < 6 && !bench.queues[slot].empty()) {
        bench.gone(slot, false);
      } else if (what < 9 && !bench.queues[slot].empty()) {
        bench.event(WorkerWants{slot});
      } else if (!bench.queues[slot].empty()) {
        bench.done(slot, rng.chance(1, 4) ? Outcome::kFailed : Outcome::kPassed);
      }
      bench.advance();
      obey();
      bench.obey_drains();
      uint32_t busy = 0;
      int holders = 0;
      for (const auto& [one, queue] : bench.queues) {
        if (queue.empty()) continue;
        busy += std::min(weights[queue.front().index], workers);
        const bool holds = std::any_of(queue.begin(), queue.end(), [&](const LocalTest& test) {
          return has_mutex[test.index];
        });
        holders += holds ? 1 : 0;
      }
      REQUIRE(busy <= workers);
      REQUIRE(holders <= 1);
    }
    // Nothing waits for ever: with nobody in the way all of it runs.
    for (int step = 0; step < 300; ++step) {
      for (Slot slot = 0; slot < workers; ++slot) {
        if (!bench.queues[slot].empty()) bench.done(slot);
      }
      bench.now = bench.now + Duration::milliseconds(100);
      bench.advance();
      obey();
      bench.obey_drains();
      bench.advance();
      obey();
    }
    REQUIRE(bench.all_answered());
  }
}

TEST_CASE("requirements: a mutex is granted to one node at a time", "[sched]") {
  SchedulerBench bench;
  bench.join(kA, 1);
  bench.join(kB, 1);
  bench.write(kA, locked({0, 1}));
  for (const NodeId& id : {kA, kB}) {
    bench.collect(id, test::kFile, "f", 3);
    bench.collected(id);
  }
  bench.advance();
  const auto holder = bench.held(kA).size() == 2 ? kA : kB;
  const auto other = holder == kA ? kB : kA;
  REQUIRE(bench.held(holder).size() == 2);
  REQUIRE(bench.held(other).size() == 1);
  bench.finish(other);
  // One of them goes back and is open, while the other runs.
  const auto places = bench.held(holder);
  bench.write(holder, report::GaveUp{0, {{places[1].file, places[1].index, 1}}});
  bench.ask(other);
  CHECK(bench.held(other).empty());
  bench.write(holder, finished(places[0].file, places[0].index));
  bench.ask(other);
  CHECK(bench.held(other).size() == 1);
}

TEST_CASE("requirements: tests of a mutex are no work for the workers beside it", "[sched]") {
  std::vector<KnownDuration> known;
  for (const std::string& id : names_of("f", 20)) known.push_back({id, Duration::seconds(1)});
  SchedulerBench bench({}, known);
  bench.write(kA, locked({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  for (const NodeId& id : {kA, kB}) bench.join(id, 2);
  for (const NodeId& id : {kA, kB}) {
    bench.collect(id, test::kFile, "f", 20);
    bench.collected(id);
  }
  bench.advance();
  const auto holder = bench.held(kA).front().index == 0 ? kA : kB;
  for (const report::Place& place : bench.held(holder)) {
    if (place.index >= 10) bench.write(holder, finished(place.file, place.index));
  }
  REQUIRE(bench.held(holder).size() == 10);
  bench.ask(holder);
  CHECK(bench.written<report::Recalled>().size() == 1);
}

TEST_CASE("requirements: the mutex of a lost node is free, of a departing one not yet", "[sched]") {
  const auto given_on = [](bool departs, Duration after) {
    const SchedulerConfig config;
    SchedulerBench bench(config);
    bench.write(kA, locked({0, 1}));
    bench.join_ready(kA, 2);
    bench.advance();
    REQUIRE(bench.held(kA).size() == 2);
    bench.join_ready(kB, 2);
    if (departs) bench.write(kA, report::Departed{"interrupted"});
    bench.lose(kA);
    bench.now = bench.now + after;
    bench.ask(kB);
    return bench.held(kB).size() == 2;
  };
  CHECK(given_on(false, {}));
  CHECK_FALSE(given_on(true, {}));
  CHECK(given_on(true, SchedulerConfig{}.drain_within));
}

TEST_CASE("requirements: after a takeover mutexes wait for what may not have been heard",
          "[sched]") {
  const SchedulerConfig config;
  SchedulerBench bench(config);
  bench.scheduler.begin(bench.now, claim_by(kA, 2), named(0));
  bench.write(kA, locked({0, 1}));
  bench.join_ready(kA, 3);
  bench.advance();
  CHECK(bench.held(kA).size() == 1);
  bench.now = bench.now + config.mutex_after_takeover;
  bench.ask(kA);
  CHECK(bench.held(kA).size() == 3);
}

TEST_CASE("requirements: a retry of the tail waits for its mutex", "[sched]") {
  SchedulerBench bench;
  bench.write(kA, locked({0, 1}));
  bench.join_ready(kA, 2);
  bench.advance();
  REQUIRE(bench.held(kA).size() == 2);
  bench.join_ready(kB, 2);
  bench.write(kA, finished(test::kFile, 0, Outcome::kFailed));
  bench.advance();
  CHECK(bench.held(kB).empty());
  bench.write(kA, finished(test::kFile, 1));
  bench.advance();
  CHECK(bench.held(kB).size() == 1);
}
