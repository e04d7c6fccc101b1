#include <catch2/catch.hpp>

#include "tests/support/vassal_bench.hpp"

using namespace dagz;
using namespace dagz::sched;
using namespace dagz::test;
using Bench = test::VassalBench;

namespace {

constexpr Duration ms(int64_t n) { return Duration::milliseconds(n); }

constexpr report::FileKey kShared = kFile + 1;

// A file "f" of one test, if that takes any time, and "g", whose tests of 100 ms share a set-up.
struct SetUpBench : Bench {
  SetUpBench(uint32_t workers, Duration alone, Duration setup, uint32_t count)
      : Bench(workers, known(alone, setup, count)) {
    list(kFile, "f", 1);
    list(kShared, "g", count);
  }

  static std::vector<KnownDuration> known(Duration alone, Duration setup, uint32_t count) {
    std::vector<KnownDuration> known{{"g", setup}};
    if (alone.ns > 0) known.push_back({"f::t0", alone});
    for (const std::string& id : names_of("g", count)) known.push_back({id, ms(100)});
    return known;
  }
  void begin(uint32_t count) {
    std::vector<report::Run> runs{{kShared, 0, count}};
    if (estimates.is_known(0)) runs.push_back({kFile, 0, 1});
    grant(runs);
    advance();
    for (const StartWorker& start : all<StartWorker>()) ready(start.slot);
  }
  void recall(Duration wanted) {
    call([&](auto& out) { vassal.recalled(now, 1, wanted, out); });
  }
};

}  // namespace

TEST_CASE("vassal steals: a neighbour that has to set up takes only what ends earlier with it",
          "[sched]") {
  // What the worker of the group has left when its neighbour is free is 350 ms, or 1050.
  for (const auto& [setup, count, stolen] : {std::tuple(400, 4U, 0U), std::tuple(200, 10U, 4U)}) {
    INFO(count);
    SetUpBench bench(2, ms(2000), ms(setup), count);
    bench.begin(count);
    REQUIRE(bench.queues[0].size() == 1);
    const Slot shared = bench.queues[0].front().file == 1 ? 0 : 1;
    const Slot other = 1 - shared;
    bench.now = bench.now + ms(450);
    bench.done(other);
    CHECK(bench.vassal.statuses(bench.now)[other].stolen == stolen);
  }
}

TEST_CASE("vassal steals: a set-up that is a little late is not taken for stuck", "[sched]") {
  SetUpBench bench(2, ms(2000), ms(400), 4);
  bench.begin(4);
  const Slot other = bench.queues[0].front().file == 1 ? 1 : 0;
  bench.now = bench.now + ms(501);
  bench.done(other);
  CHECK(bench.queues[other].empty());
  // By now it is late by more than it takes elsewhere.
  bench.now = bench.now + ms(800);
  bench.advance();
  CHECK(!bench.queues[other].empty());
}

TEST_CASE("vassal steals: who has set a file up helps with it for nothing", "[sched]") {
  SetUpBench bench(2, ms(2000), ms(400), 4);
  bench.begin(4);
  const Slot shared = bench.queues[0].front().file == 1 ? 0 : 1;
  const Slot other = 1 - shared;
  bench.now = bench.now + ms(2000);
  bench.done(other);
  REQUIRE(!bench.queues[other].empty());
  bench.done(other);
  bench.done(shared);
  // 100 ms each are worth no set-up of 400.
  CHECK(bench.queues[shared].size() + bench.queues[other].size() == 2);
  CHECK(!bench.queues[other].empty());
}

TEST_CASE("vassal steals: a recall takes a group with its set-up, or a part that is worth another",
          "[sched]") {
  const auto given = [](int64_t wanted) {
    SetUpBench bench(1, ms(5000), ms(400), 4);
    bench.begin(4);
    REQUIRE(bench.queues[0].front().file == 0);
    bench.recall(ms(wanted));
    return bench.given_up().size();
  };
  // All of it takes 800, which is less than twice as much.
  CHECK(given(500) == 4);
  // 200 less here, and 600 more there: both end together.
  CHECK(given(400) == 2);
  CHECK(given(250) == 0);
}

TEST_CASE("vassal steals: what a worker has reserved goes only where it ends earlier", "[sched]") {
  const auto given = [](int64_t setup, int64_t wanted) {
    SetUpBench bench(1, {}, ms(setup), 8);
    bench.begin(8);
    REQUIRE(bench.queues[0].front().file == 1);
    bench.recall(ms(wanted));
    return bench.given_up().size();
  };
  CHECK(given(0, 400) == 4);
  CHECK(given(300, 400) == 2);
  CHECK(given(700, 750) == 4);
  // The thief would end no earlier than this worker.
  CHECK(given(3000, 5000) == 0);
}

TEST_CASE("vassal steals: what shares a set-up begins before shorter tests that do not",
          "[sched]") {
  SetUpBench bench(1, ms(700), ms(400), 4);
  bench.begin(4);
  CHECK(bench.queues[0].front().file == 1);
}

namespace {

// A worker that is idle beside one that runs for long, and a heavy test that waits for both.
struct HeavyBench : Bench {
  HeavyBench() : Bench(2, 4, ms(1000)) {
    fold(kChief, report::Required{kFile, true, 1, {}, 1, {2}});
    begin(2);
    grant({{kFile, 2, 1}});
    done(0);
    now = now + ms(3000);
  }
};

}  // namespace

TEST_CASE("vassal steals: an idle worker's node asks, whatever waits for room", "[sched]") {
  HeavyBench bench;
  REQUIRE(bench.queues[0].empty());
  bench.steal_request = false;
  bench.advance();
  CHECK(bench.steal_request);
}

TEST_CASE("vassal steals: an idle worker's node asks, whatever a neighbour has reserved",
          "[sched]") {
  Bench bench(2, 6, ms(1000));
  bench.fold(kChief, report::Required{kFile, false, 1, "port", 1, {0, 1, 2, 3, 4}});
  bench.begin(6);
  const Slot other = bench.queues[0].front().index == 5 ? 0 : 1;
  bench.done(other);
  REQUIRE(bench.queues[other].empty());
  bench.now = bench.now + ms(200);
  bench.steal_request = false;
  bench.advance();
  CHECK(bench.steal_request);
}

TEST_CASE("vassal steals: beside a test that fills its node nobody is in want", "[sched]") {
  Bench bench(2, 6, ms(1000));
  bench.fold(kChief, report::Required{kFile, true, 1, {}, 1, {0}});
  bench.begin(6);
  REQUIRE((bench.queues[0].size() == 1) != (bench.queues[1].size() == 1));
  bench.now = bench.now + ms(200);
  bench.steal_request = false;
  bench.advance();
  CHECK_FALSE(bench.steal_request);
}

TEST_CASE("vassal steals: a retry of the tail does not wait for what waits for room", "[sched]") {
  HeavyBench bench;
  bench.failed_elsewhere(3);
  bench.grant_tail({{kFile, 3, 1}});
  bench.advance();
  REQUIRE(bench.all<DrainWorker>().size() == 1);
  CHECK(bench.all<DrainWorker>()[0].slot == 0);
}

TEST_CASE("vassal steals: a long test that has to run alone keeps nothing else from moving",
          "[sched]") {
  std::vector<KnownDuration> known{{"f::t0", ms(20'000)}, {"f::t1", ms(20'000)}};
  for (const std::string& id : names_of("g", 8)) known.push_back({id, ms(100)});
  Bench bench(3, known);
  bench.list(kFile, "f", 2);
  bench.list(kShared, "g", 8);
  bench.grant({{kFile, 0, 2}, {kShared, 0, 8}});
  bench.advance();
  for (const Slot slot : {0U, 1U, 2U}) bench.ready(slot);
  REQUIRE(bench.vassal.running() == 3);
  bench.event(RunnerLost{"SIGKILL"});
  bench.advance();
  for (const Slot slot : {0U, 1U, 2U}) bench.ready(slot);
  // One of the three that ran runs again; the others, one of them long, wait for that.
  REQUIRE(bench.vassal.running() == 1);
  bench.call([&](auto& out) { bench.vassal.recalled(bench.now, 1, ms(1000), out); });
  const auto answers = bench.written<report::GaveUp>();
  REQUIRE(answers.size() == 1);
  std::size_t given = 0;
  for (const report::Run& run : answers[0].runs) {
    CHECK(run.file == kShared);
    given += run.count;
  }
  CHECK(given >= 7);
}
