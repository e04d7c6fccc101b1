#include <catch2/catch.hpp>

#include "sched/scheduler.hpp"
#include "tests/support/scheduler_bench.hpp"

using namespace dagz;
using namespace dagz::sched;
using namespace dagz::test;
using Bench = test::SchedulerBench;

namespace {

// Of 100 tests as long as each other: how many of them A is given.
std::size_t share_of_a(uint32_t a, uint32_t b) {
  Bench bench;
  bench.live = {{kA, 1, false, a}, {kB, 1, false, b}};
  bench.scheduler.set_live(bench.live);
  for (const NodeId& id : {kA, kB}) {
    bench.collect(id, kFile, "f", 100);
    bench.collected(id);
  }
  bench.advance();
  return bench.held(kA).size();
}

}  // namespace

TEST_CASE("scheduler speed: shares follow what nodes measure of themselves", "[sched]") {
  const std::size_t even = share_of_a(0, 0);
  CHECK((even >= 45 && even <= 55));
  CHECK(share_of_a(700, 700) == even);
  CHECK(share_of_a(20'000, 10'000) >= 60);
  CHECK(share_of_a(10'000, 20'000) <= 40);
  // Nodes of one kind differ by chance.
  CHECK(share_of_a(9'800, 10'200) == even);
  // A measure that nobody can be compared with says nothing, and none is too large.
  CHECK(share_of_a(20'000, 0) == even);
  CHECK(share_of_a(UINT32_MAX, UINT32_MAX) == even);
  CHECK(share_of_a(1, UINT32_MAX) < even);
}

TEST_CASE("scheduler speed: of results that wait for their names each counts once", "[sched]") {
  // One try that was too slow and one that was as usual: together they are slower than usual.
  const auto share_after = [](Duration first) {
    std::vector<KnownDuration> known;
    for (const std::string& id : names_of("f", 200)) known.push_back({id, Duration::seconds(1)});
    Bench bench({}, known);
    bench.join(kA);
    bench.join(kB);
    for (uint32_t test = 0; test < 60; ++test) {
      for (const Duration took : {first, Duration::seconds(1)}) {
        report::Finished result = finished(kFile, test);
        result.duration = took;
        bench.write(kB, result);
        result.index += 100;
        result.duration = Duration::seconds(1);
        bench.write(kA, result);
      }
    }
    for (const NodeId& id : {kA, kB}) {
      bench.collect(id, kFile, "f", 200);
      bench.collected(id);
    }
    bench.advance();
    return bench.held(kB).size();
  };
  CHECK(share_after(Duration::seconds(4)) < share_after(Duration::seconds(1)));
}

TEST_CASE("scheduler speed: the longest test goes to who measures itself the fastest", "[sched]") {
  Bench bench({}, {{"f::t0", Duration::seconds(10)}, {"f::t1", Duration::seconds(8)}});
  bench.live = {{kA, 1, false, 800}, {kB, 1, false, 1200}};
  bench.scheduler.set_live(bench.live);
  for (const NodeId& id : {kA, kB}) {
    bench.collect(id, kFile, "f", 2);
    bench.collected(id);
  }
  bench.advance();
  REQUIRE(bench.held(kB).size() == 1);
  CHECK(bench.held(kB).front().index == 0);
}

TEST_CASE("scheduler speed: a slow node gives up more, and is found sooner", "[sched]") {
  const Duration each = Duration::milliseconds(100);
  std::vector<KnownDuration> known;
  for (const std::string& id : names_of("f", 400)) known.push_back({id, each});
  const auto recalled = [&](Duration slow) {
    Bench bench({}, known);
    bench.join(kA, 1);
    bench.join(kB, 1);
    for (const NodeId& id : {kA, kB}) {
      bench.collect(id, kFile, "f", 400);
      bench.collected(id);
    }
    bench.advance();
    REQUIRE(bench.held(kA).size() == 200);
    // Both have done much, A a little more.
    const auto run = [&](const NodeId& id, std::size_t tests, Duration took) {
      const auto places = bench.held(id);
      for (std::size_t i = 0; i < tests; ++i) {
        report::Finished result = finished(places[i].file, places[i].index);
        result.duration = took;
        bench.write(id, result);
      }
    };
    run(kA, 110, each);
    run(kB, 100, slow);
    bench.ask(kA);
    REQUIRE(bench.written<report::Recalled>().size() == 1);
    CHECK(bench.written<report::Recalled>()[0].victim == kB);
    return bench.written<report::Recalled>()[0].wanted;
  };
  // 9 s and 10 s are left. Of equals one takes over half a second; from one that is half as fast so
  // much that about 12 s and 7 s are left.
  CHECK(recalled(each) == Duration::milliseconds(500));
  const Duration wanted = recalled(each * 2);
  CHECK(wanted > Duration::milliseconds(3'000));
  CHECK(wanted < Duration::milliseconds(4'000));
}

TEST_CASE(
    "scheduler speed: a slow node that asks gets some of what is open, though others are faster",
    "[sched]") {
  const Duration each = Duration::milliseconds(100);
  std::vector<KnownDuration> known;
  for (const std::string& id : names_of("f", 400)) known.push_back({id, each});
  Bench bench({}, known);
  bench.join_ready(kA, 400);
  bench.join_ready(kB, 400);
  bench.advance();
  bench.lose(kA);
  bench.ask(kB);
  const auto places = bench.held(kB);
  REQUIRE(places.size() == 400);
  for (std::size_t i = 0; i < 390; ++i) {
    report::Finished result = finished(places[i].file, places[i].index);
    result.duration = each * (i < 200 ? 1 : 8);
    bench.write(kB, result);
  }
  bench.give_up(kB, 0, 10);
  REQUIRE(bench.held(kB).empty());
  bench.join(kC);  // and never gets ready
  for (int asked = 0; asked < 10; ++asked) bench.ask(kB);
  CHECK(bench.held(kB).size() == 10);
}

TEST_CASE("scheduler speed: a late node is taken for as fast as the others are", "[sched]") {
  const Duration each = Duration::milliseconds(100);
  std::vector<KnownDuration> known;
  for (const std::string& id : names_of("f", 400)) known.push_back({id, each});
  Bench bench({}, known);
  bench.join_ready(kA, 400);
  bench.advance();
  const auto places = bench.held(kA);
  for (std::size_t i = 0; i < 200; ++i) {
    report::Finished result = finished(places[i].file, places[i].index);
    result.duration = each * 2;  // the history is of another machine
    bench.write(kA, result);
  }
  bench.join_ready(kB, 400);
  bench.ask(kB);
  REQUIRE(bench.written<report::Recalled>().size() == 1);
  const Duration wanted = bench.written<report::Recalled>()[0].wanted;
  CHECK(wanted > Duration::milliseconds(9'500));
  CHECK(wanted < Duration::milliseconds(10'500));
}

TEST_CASE("scheduler speed: crumbs behind a test that has run for long are taken over", "[sched]") {
  const Duration each = Duration::milliseconds(1);
  Bench bench({}, {{"f::t0", each}, {"f::t1", each}});
  bench.join_ready(kA, 2);
  bench.advance();
  REQUIRE(bench.held(kA).size() == 2);
  bench.join_ready(kB, 2);
  bench.ask(kB);
  REQUIRE(bench.written<report::Recalled>().empty());
  bench.now = bench.now + Duration::milliseconds(100);
  bench.ask(kB);
  REQUIRE(bench.written<report::Recalled>().size() == 1);
  // As it has run for 100 ms, the other one could begin in as many: half of that time is saved.
  CHECK(bench.written<report::Recalled>()[0].wanted >= Duration::milliseconds(50));
}

TEST_CASE("scheduler speed: nobody is asked for what another of its workers begins at once",
          "[sched]") {
  Bench bench;
  bench.join_ready(kA, 3, 2);
  bench.advance();
  bench.now = bench.now + Duration::milliseconds(100);
  bench.finish(kA, 1);
  REQUIRE(bench.held(kA).size() == 2);
  bench.join_ready(kB, 3);
  bench.ask(kB);
  CHECK(bench.written<report::Recalled>().empty());
}

TEST_CASE("scheduler speed: what waits for a test that wants its node for itself is taken over",
          "[sched]") {
  Bench bench;
  bench.join_ready(kA, 3, 3);
  bench.advance();
  REQUIRE(bench.held(kA).size() == 3);
  bench.join_ready(kB, 3);
  bench.now = bench.now + Duration::seconds(2);
  bench.ask(kB);
  // For all that is known each of its workers has one.
  REQUIRE(bench.written<report::Recalled>().empty());
  std::vector<report::WorkerStatus> workers(3);
  workers[0].current = "f::t0";
  workers[0].running_for = Duration::seconds(2);
  bench.scheduler.told(bench.now, kA, workers);
  bench.ask(kB);
  CHECK(bench.written<report::Recalled>().size() == 1);
}

TEST_CASE("scheduler speed: a long test is had from behind a short one that takes too long",
          "[sched]") {
  Bench bench({}, {{"f::t0", Duration::milliseconds(100)}, {"f::t1", Duration::seconds(8)}});
  bench.join_ready(kA, 2, 3);
  bench.advance();
  REQUIRE(bench.held(kA).size() == 2);
  bench.join_ready(kB, 2, 3);
  bench.now = bench.now + Duration::seconds(2);
  std::vector<report::WorkerStatus> workers(3);
  workers[0].current = "f::t0";
  workers[0].running_for = Duration::seconds(2);
  bench.scheduler.told(bench.now, kA, workers);
  bench.ask(kB);
  REQUIRE(bench.written<report::Recalled>().size() == 1);
  // A vassal gives nothing up that takes twice as long.
  CHECK(bench.written<report::Recalled>()[0].wanted > Duration::seconds(4));
}

TEST_CASE("scheduler speed: what a node has yet to set up is work", "[sched]") {
  std::vector<KnownDuration> known{{"f", Duration::seconds(8)}};
  for (const std::string& id : names_of("f", 20)) known.push_back({id, Duration::seconds(1)});
  const auto wanted = [&known](uint32_t done) {
    Bench bench({}, known);
    bench.join_ready(kA, 20);
    bench.advance();
    bench.join_ready(kB, 20);
    for (uint32_t test = 0; test < done; ++test) {
      report::Finished result = finished(kFile, test);
      result.duration = Duration::seconds(1);
      bench.write(kA, result);
    }
    bench.ask(kB);
    REQUIRE(bench.written<report::Recalled>().size() == 1);
    return bench.written<report::Recalled>()[0].wanted;
  };
  CHECK(wanted(0) == Duration::seconds(14));
  CHECK(wanted(2) == Duration::seconds(9));
}
