#include <catch2/catch.hpp>

#include "tests/support/vassal_bench.hpp"

using namespace dagz;
using namespace dagz::test;
using report::Outcome;

namespace {

// Long after the last test ended.
void lose(VassalBench& bench, Duration after = Duration::seconds(1)) {
  bench.now = bench.now + after;
  for (auto& [slot, queue] : bench.queues) queue.clear();
  bench.event(RunnerLost{"SIGKILL"});
  bench.advance();
}

// Workers that were started again say hello.
void ready_again(VassalBench& bench) {
  const auto starts = bench.all<StartWorker>();
  bench.commands.clear();
  for (const StartWorker& start : starts) bench.ready(start.slot);
}

}  // namespace

TEST_CASE("a lost runner: the only test that ran has done it, and the others go on", "[sched]") {
  VassalBench bench(1, 20, kLong);
  bench.begin(3);
  REQUIRE(bench.queued(0) == Indexes{0});
  bench.commands.clear();
  lose(bench, Duration::seconds(2));
  const auto results = bench.written<report::Finished>();
  REQUIRE(results.size() == 1);
  CHECK(results[0].index == 0);
  CHECK(results[0].outcome == Outcome::kCrashed);
  CHECK(results[0].message == "the runner died with it: SIGKILL");
  CHECK(results[0].duration == Duration::seconds(2));
  REQUIRE(bench.all<RestartRunner>().size() == 1);
  CHECK(bench.all<RestartRunner>()[0].charged == std::vector<LocalTest>{{0, 0}});
  REQUIRE(bench.all<StartWorker>().size() == 1);
  CHECK(std::holds_alternative<RestartRunner>(bench.commands[0]));  // before the worker
  CHECK(bench.vassal.statuses(bench.now)[0].reconnects == 1);
  ready_again(bench);
  CHECK(bench.queued(0) == Indexes{0});  // its first retry
  bench.done(0);
  bench.done(0);
  bench.done(0);
  CHECK(bench.written<report::Finished>().size() == 4);
  CHECK(bench.all_answered());
}

TEST_CASE("a lost runner: a test that has just begun may pay for the one before it", "[sched]") {
  VassalBench bench(1, 20, kLong);
  bench.begin(3);
  bench.now = bench.now + Duration::seconds(2);
  bench.done(0);
  REQUIRE(bench.queued(0) == Indexes{1});
  bench.commands.clear();
  lose(bench, Duration::milliseconds(20));
  CHECK(bench.written<report::Finished>().size() == 1);
  ready_again(bench);
  // When it happens again, and nothing has run before it, it was this one.
  CHECK(bench.written<report::Finished>().size() == 1);
  REQUIRE(bench.queued(0) == Indexes{1});
  bench.commands.clear();
  lose(bench, Duration::milliseconds(20));
  ready_again(bench);
  const auto results = bench.written<report::Finished>();
  REQUIRE(results.size() == 2);
  CHECK(results[1].index == 1);
  CHECK(results[1].outcome == Outcome::kCrashed);
}

TEST_CASE("a lost runner: the first test of a worker answers for it at once", "[sched]") {
  VassalBench bench(1, 20, kLong);
  bench.begin(3);
  REQUIRE(bench.queued(0) == Indexes{0});
  lose(bench, Duration::milliseconds(20));
  const auto results = bench.written<report::Finished>();
  REQUIRE(results.size() == 1);
  CHECK(results[0].outcome == Outcome::kCrashed);
}

TEST_CASE("a lost runner: of several none is charged, and each runs again alone", "[sched]") {
  VassalBench bench(2, 20, kLong);
  bench.begin(6);
  const uint32_t first = bench.queued(0)[0];
  const uint32_t second = bench.queued(1)[0];
  bench.commands.clear();
  lose(bench);
  CHECK(bench.written<report::Finished>().empty());
  CHECK(bench.all<RestartRunner>().at(0).charged.empty());
  ready_again(bench);
  bench.advance();
  const Slot slot = bench.queues[0].empty() ? 1 : 0;
  REQUIRE(bench.queued(slot).size() == 1);
  CHECK(bench.queues[1 - slot].empty());
  const uint32_t alone = bench.queued(slot)[0];
  CHECK((alone == first || alone == second));
  lose(bench);
  const auto results = bench.written<report::Finished>();
  REQUIRE(results.size() == 1);
  CHECK(results[0].index == alone);
  CHECK(results[0].outcome == Outcome::kCrashed);
}

TEST_CASE("a lost runner: a test that was innocent passes, and the workers fill up", "[sched]") {
  VassalBench bench(2, 20, kLong);
  bench.begin(6);
  bench.commands.clear();
  lose(bench);
  ready_again(bench);
  bench.advance();
  for (int alone = 0; alone < 2; ++alone) {
    const Slot slot = bench.queues[0].empty() ? 1 : 0;
    REQUIRE(bench.queued(slot).size() == 1);
    CHECK(bench.queues[1 - slot].empty());
    bench.done(slot);
    bench.advance();
  }
  CHECK(bench.queued(0).size() == 1);
  CHECK(bench.queued(1).size() == 1);
  for (const report::Finished& one : bench.written<report::Finished>()) {
    CHECK(one.outcome == Outcome::kPassed);
  }
}

TEST_CASE("a lost runner: lost again and again with nothing running it is given up", "[sched]") {
  VassalBench bench(2, 20, kLong);
  bench.grant({{kFile, 0, 4}});
  bench.advance();
  for (int loss = 0; loss < 3; ++loss) {
    CHECK(bench.all<AbandonRunner>().empty());
    lose(bench);
  }
  CHECK(bench.all<RestartRunner>().size() == 2);
  REQUIRE(bench.all<AbandonRunner>().size() == 1);
  bench.call([&](auto& out) { bench.vassal.runner_failed(out); });
  CHECK(bench.given_up().size() == 4);
  CHECK(bench.all_answered());
}

TEST_CASE("a lost runner: too many losses are too many", "[sched]") {
  VassalBench bench(1, 40, kLong);
  bench.begin(40);
  for (int loss = 0; loss < 21; ++loss) {
    CHECK(bench.all<AbandonRunner>().empty());
    lose(bench);
    ready_again(bench);
    if (loss < 20) bench.commands.clear();
    if (loss == 20) break;
  }
  CHECK(bench.written<report::Finished>().size() == 21);
  bench.call([&](auto& out) { bench.vassal.runner_failed(out); });
  CHECK(bench.all_answered());
}

TEST_CASE("a lost runner: nobody starts it for nothing", "[sched]") {
  VassalBench bench(1, 20, kLong);
  bench.begin(1);
  bench.done(0);
  bench.commands.clear();
  lose(bench);
  CHECK(bench.commands.empty());
  bench.grant({{kFile, 1, 1}});
  bench.advance();
  CHECK(bench.all<RestartRunner>().size() == 1);

  VassalBench leaving(1, 20, kLong);
  leaving.begin(3);
  leaving.call([&](auto& out) { leaving.vassal.leave(out); });
  leaving.commands.clear();
  lose(leaving);
  CHECK(leaving.commands.empty());
  CHECK(leaving.vassal.is_drained());
  CHECK(leaving.all_answered());
}

TEST_CASE("left-overs: a process without a parent is named with its test", "[sched]") {
  VassalBench bench(1, 20, kLong);
  bench.begin(3);
  const std::string running = bench.job.tests()[0].id;
  bench.event(LeftOver{running, "sleep 9, pid 1"});
  bench.event(LeftOver{running, "sleep 9, pid 2"});
  bench.done(0);
  bench.done(0, Outcome::kFailed);
  const auto results = bench.written<report::Finished>();
  REQUIRE(results.size() == 2);
  CHECK(results[0].message == "left behind, without a parent: sleep 9, pid 1; sleep 9, pid 2");
  CHECK(results[1].message.empty());

  // Its test has ended, or nobody knows which it was.
  Vassal::Output out;
  bench.vassal.handle(bench.now, 0, LeftOver{running, "sleep 9, pid 3"}, out);
  CHECK(out.notice == running + " has left a process behind: sleep 9, pid 3");
  bench.vassal.handle(bench.now, 0, LeftOver{"", "sh, pid 4"}, out);
  CHECK(out.notice == "a test has left a process behind: sh, pid 4");
}
