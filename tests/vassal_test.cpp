#include "sched/vassal.hpp"

#include <catch2/catch.hpp>

#include "mesh/rng.hpp"
#include "tests/support/vassal_bench.hpp"

using namespace dagz;
using namespace dagz::sched;
using report::Outcome;
using namespace dagz::test;
using Bench = test::VassalBench;

namespace {

VassalBench::GrantKind drawn_kind(Rng& rng) {
  const uint64_t drawn = rng.below(20);
  if (drawn < 2) return VassalBench::GrantKind::kFenced;
  if (drawn < 4) return VassalBench::GrantKind::kCopies;
  return drawn < 8 ? VassalBench::GrantKind::kTail : VassalBench::GrantKind::kWork;
}

}  // namespace

TEST_CASE("vassal: nothing starts before the node is enlisted", "[sched]") {
  Bench bench(1, 10, {}, false);
  bench.grant({{kFile, 0, 5}});
  bench.advance();
  CHECK(bench.commands.empty());
  bench.vassal.enlisted({kMe, 0, 4, 1});
  bench.advance();
  REQUIRE(bench.all<StartWorker>().size() == 1);
  CHECK(bench.all<StartWorker>()[0].number == 4);
}

TEST_CASE("vassal: no more workers than there are tests", "[sched]") {
  Bench bench(3);
  bench.advance();
  CHECK(bench.commands.empty());
  bench.grant({{kFile, 0, 2}});
  bench.advance();
  const auto starts = bench.all<StartWorker>();
  REQUIRE(starts.size() == 2);
  CHECK(starts[0].slot == 0);
  CHECK(starts[1].slot == 1);
  CHECK(starts[1].number == 11);
  bench.grant({{kFile, 2, 5}});
  bench.advance();
  CHECK(bench.all<StartWorker>().size() == 3);
}

TEST_CASE("vassal: short tests are fed in windows, long ones singly", "[sched]") {
  Bench brief(1, 100, Duration::milliseconds(4));
  brief.begin(100);
  // The running one and what covers 20 ms.
  CHECK(brief.queues[0].size() == 5);
  brief.done(0);
  CHECK(brief.queues[0].size() >= 4);

  Bench tiny(1, 100, Duration::microseconds(1));
  tiny.begin(100);
  CHECK(tiny.queues[0].size() == 64);

  Bench slow(1, 10, kLong);
  slow.begin(10);
  CHECK(slow.queued(0) == Indexes{0});
}

TEST_CASE("vassal: a worker gets one more test before it tears its last down", "[sched]") {
  Bench bench(1, 3, kLong);
  bench.begin(2);
  REQUIRE(bench.queued(0) == Indexes{0});
  bench.event(WorkerWants{0});
  CHECK(bench.queued(0) == Indexes{0, 1});
  // A question that crossed the answer needs none.
  const std::size_t answers = bench.all<RunTests>().size();
  bench.event(WorkerWants{0});
  CHECK(bench.all<RunTests>().size() == answers);
  bench.done(0);
  // Nothing is left: it is told so at once, or it would wait for ever.
  bench.event(WorkerWants{0});
  REQUIRE(bench.all<RunTests>().size() == answers + 1);
  CHECK(bench.all<RunTests>().back().tests.empty());
  bench.done(0);
  CHECK(bench.all_answered());
  // Idle, it gets what comes later.
  bench.grant({{kFile, 2, 1}});
  bench.advance();
  CHECK(bench.queued(0) == Indexes{2});
}

TEST_CASE("vassal: every result names the test, the worker and what it cost", "[sched]") {
  Bench bench(1);
  bench.begin(1);
  TestDone done;
  done.test = {0, 0};
  done.outcome = Outcome::kFailed;
  done.duration = Duration::milliseconds(200);
  done.cpu = Duration::milliseconds(50);
  done.message = std::string(report::kMessageMax + 50, 'm');
  done.output = std::string(report::kOutputMax + 50, 'o');
  bench.event(done);
  const auto results = bench.written<report::Finished>();
  REQUIRE(results.size() == 1);
  CHECK(results[0].file == kFile);
  CHECK(results[0].index == 0);
  CHECK(results[0].outcome == Outcome::kFailed);
  CHECK(results[0].slot == 0);
  CHECK(results[0].cpu_percent == 25);
  CHECK(results[0].started_wall_ms == 1'700'000'000'000 - 200);
  report::Entry back;
  CHECK(decode(encode(bench.entries[0]), back));
}

TEST_CASE("vassal: an idle worker takes the tail of its neighbour's group", "[sched]") {
  Bench bench(2, 10, kLong);
  bench.begin(10);
  CHECK(bench.queued(0) == Indexes{0});
  // Half of what the first had reserved, in order.
  CHECK(bench.queued(1) == Indexes{5});
  bench.done(1);
  CHECK(bench.queued(1) == Indexes{6});
  bench.done(0);
  CHECK(bench.queued(0) == Indexes{1});
  CHECK(bench.vassal.statuses(bench.now)[1].stolen == 5);
}

TEST_CASE("vassal: the status counts what a worker finished of what it stole", "[sched]") {
  Bench bench(2, 4, kLong);
  bench.begin(4);
  const auto stolen = bench.vassal.statuses(bench.now)[1].stolen;
  REQUIRE(stolen > 0);
  while (!bench.queues[1].empty()) bench.done(1);
  CHECK(bench.vassal.statuses(bench.now)[1].stolen_finished >= stolen);
}

TEST_CASE("vassal: a whole file waits for the next idle worker before any is split", "[sched]") {
  Bench bench(2, 4, kLong);
  bench.vassal.offer(8, 1);
  bench.fold(kChief, listed(8, "g", 4));
  bench.grant({{kFile, 0, 4}, {8, 0, 4}});
  bench.advance();
  bench.ready(0);
  bench.ready(1);
  // Nobody knows the tests of the second: they come first.
  CHECK(bench.queues[0].front() == LocalTest{1, 0});
  CHECK(bench.queues[1].front() == LocalTest{0, 0});
}

TEST_CASE("vassal: a recall gives up only what was not begun, from the end", "[sched]") {
  Bench bench(1, 10, kLong);
  bench.begin(10);
  REQUIRE(bench.queued(0) == Indexes{0});
  bench.call([&](auto& out) { bench.vassal.recalled(bench.now, 44, kLong * 3, out); });
  auto given = bench.written<report::GaveUp>();
  REQUIRE(given.size() == 1);
  CHECK(given[0].recall == 44);
  CHECK(bench.given_up() == Indexes{7, 8, 9});
  bench.call([&](auto& out) { bench.vassal.recalled(bench.now, 45, kLong * 100, out); });
  CHECK(bench.given_up() == Indexes{7, 8, 9, 1, 2, 3, 4, 5, 6});
  // Nothing left but what runs: the answer is empty, and still an answer.
  bench.call([&](auto& out) { bench.vassal.recalled(bench.now, 46, kLong, out); });
  given = bench.written<report::GaveUp>();
  REQUIRE(given.size() == 3);
  CHECK(given[2].recall == 46);
  CHECK(given[2].runs.empty());
  bench.done(0);
  CHECK(bench.all_answered());
}

TEST_CASE("vassal: a recall takes waiting groups before what workers have reserved", "[sched]") {
  Bench bench(1, 4, kLong);
  bench.vassal.offer(8, 1);
  bench.fold(kChief, listed(8, "g", 4));
  bench.begin(4);
  bench.grant({{8, 0, 2}});
  const Duration each = bench.estimates.of(bench.job.test_at(8, 1));
  bench.call([&](auto& out) { bench.vassal.recalled(bench.now, 1, each * 2 / 3, out); });
  REQUIRE(bench.written<report::GaveUp>().size() == 1);
  CHECK(bench.written<report::GaveUp>()[0].runs == std::vector<report::Run>{{8, 1, 1}});
  // What is more than twice what is wanted would end later elsewhere.
  bench.call([&](auto& out) { bench.vassal.recalled(bench.now, 2, each / 2, out); });
  REQUIRE(bench.written<report::GaveUp>().size() == 2);
  CHECK(bench.written<report::GaveUp>()[1].runs.empty());
}

TEST_CASE("vassal: what cannot be run is handed back at once", "[sched]") {
  Bench bench(1);
  bench.grant({{kFile, 0, 2}}, VassalBench::GrantKind::kFenced);  // fenced off
  CHECK(bench.given_up() == Indexes{0, 1});
  CHECK(bench.all_answered());
  bench.begin(3);
  bench.grant({{kFile, 1, 1}});  // held already
  CHECK(bench.given_up() == Indexes{0, 1, 1});
  while (!bench.queues[0].empty()) bench.done(0);
  CHECK(bench.all_answered());
  bench.grant({{kFile, 0, 1}});  // has its verdict
  CHECK(bench.given_up() == Indexes{0, 1, 1, 0});
  bench.call([&](auto& out) { bench.vassal.drain(out); });
  bench.grant({{kFile, 5, 1}});
  CHECK(bench.given_up() == Indexes{0, 1, 1, 0, 5});
  CHECK(bench.all_answered());
}

TEST_CASE("vassal: a second grant of a held test does not disturb the first", "[sched]") {
  Bench bench(1, 10, kLong);
  bench.grant({{kFile, 0, 1}});
  bench.grant({{kFile, 0, 1}});
  CHECK(bench.given_up() == Indexes{0});
  bench.advance();
  REQUIRE(bench.all<StartWorker>().size() == 1);
  bench.ready(0);
  CHECK(bench.queued(0) == Indexes{0});
  // Nor does a third.
  bench.grant({{kFile, 0, 1}});
  CHECK(bench.given_up() == Indexes{0, 0});
  bench.done(0);
  CHECK(bench.all_answered());
}

TEST_CASE("vassal: a crash costs one test, the rest goes on in order", "[sched]") {
  Bench bench(1, 10, Duration::milliseconds(4));
  bench.begin(10);
  REQUIRE(bench.queued(0) == Indexes{0, 1, 2, 3, 4});
  bench.done(0);
  bench.now = bench.now + Duration::milliseconds(30);
  bench.gone(0, false);
  const auto results = bench.written<report::Finished>();
  REQUIRE(results.size() == 2);
  CHECK(results[1].index == 1);
  CHECK(results[1].outcome == Outcome::kCrashed);
  CHECK(results[1].message.find("SIGSEGV") != std::string::npos);
  CHECK(results[1].output == "last words");
  CHECK(results[1].duration == Duration::milliseconds(30));
  bench.advance();
  REQUIRE(bench.all<StartWorker>().size() == 2);
  bench.ready(0);
  CHECK(bench.queues[0].front().index == 2);
  while (!bench.queues[0].empty()) bench.done(0);
  CHECK(bench.written<report::Finished>().size() == 11);  // the crashed one twice
  CHECK(bench.all_answered());
  CHECK(bench.vassal.statuses(bench.now)[0].reconnects == 1);
}

TEST_CASE("vassal: a worker that ends with words takes down none of the tests in its queue",
          "[sched]") {
  Bench bench(1, 10, {}, true, 3);
  bench.begin(3);
  bench.done(0);  // and asked for the end of the run
  bench.gone(0, true);
  CHECK(bench.written<report::Finished>().size() == 1);
  bench.advance();
  REQUIRE(bench.all<StartWorker>().size() == 2);
  bench.ready(0);
  CHECK(bench.queued(0) == Indexes{1, 2});
  // But not for ever.
  bench.gone(0, true);
  bench.advance();
  bench.ready(0);
  bench.gone(0, true);
  CHECK(bench.given_up() == Indexes{1, 2});
  CHECK(bench.written<report::Unable>().size() == 1);
}

TEST_CASE("vassal: a tear-down that does not end is ended, and the last test answers for it",
          "[sched]") {
  Bench bench(1);
  bench.begin(2);
  bench.done(0);
  bench.done(0);
  bench.call([&](auto& out) { bench.vassal.drain(out); });
  bench.advance();
  const Instant begin = bench.now;
  CHECK(bench.vassal.next_deadline() == begin + Duration::seconds(10));
  Vassal::Output slow;
  bench.vassal.advance(begin + Duration::seconds(10), slow);
  CHECK(slow.notice == "SLOW: worker #10 on node-3 has been tearing down for 10.0s");
  bench.now = begin + Duration::seconds(59);
  bench.advance();
  CHECK(bench.all<KillWorker>().empty());
  bench.now = begin + Duration::seconds(60);
  bench.advance();
  bench.advance();
  REQUIRE(bench.all<KillWorker>().size() == 1);
  CHECK(bench.all<KillWorker>()[0].stacks);
  bench.gone(0, false);
  CHECK(bench.vassal.is_drained());
  REQUIRE(bench.written<report::Finished>().size() == 3);
  const report::Finished last = bench.written<report::Finished>()[2];
  CHECK((last.amends && last.index == 1 && last.slot == 0));
  CHECK(last.outcome == Outcome::kTimedOut);
  CHECK(last.output == "last words");
  CHECK(report::is_failure(bench.job.tests()[1].verdict));
}

TEST_CASE("vassal: a worker that dies as it tears down is an error of its last test", "[sched]") {
  Bench bench(2);
  bench.begin(4);
  while (!bench.queues[0].empty()) bench.done(0);
  bench.call([&](auto& out) { bench.vassal.drain(out); });
  const std::size_t results = bench.written<report::Finished>().size();
  bench.gone(0, false);
  REQUIRE(bench.written<report::Finished>().size() == results + 1);
  CHECK(bench.written<report::Finished>().back().outcome == Outcome::kError);
  CHECK(bench.written<report::Finished>().back().amends);
}

TEST_CASE("vassal: a worker that only dies is given up, and all tests go back", "[sched]") {
  Bench bench(1, 10, {}, true, 3);
  bench.grant({{kFile, 0, 4}});
  for (int i = 0; i < 3; ++i) {
    bench.advance();
    bench.gone(0, false);
  }
  bench.advance();
  CHECK(bench.all<StartWorker>().size() == 3);
  CHECK(bench.given_up() == Indexes{0, 1, 2, 3});
  CHECK(bench.written<report::Finished>().empty());
  CHECK(bench.all_answered());
}

TEST_CASE("vassal: with no worker left, new grants go back and none are asked for", "[sched]") {
  Bench bench(1, 10, {}, true, 1);
  bench.grant({{kFile, 0, 2}});
  bench.advance();
  bench.gone(0, false);
  REQUIRE(bench.all_answered());
  bench.grant({{kFile, 4, 2}});
  bench.advance();
  CHECK(bench.all_answered());
  bench.steal_request = false;
  bench.now = bench.now + Duration::seconds(1);
  bench.advance();
  CHECK_FALSE(bench.steal_request);
}

TEST_CASE("vassal: a worker that finishes tests between deaths is started again", "[sched]") {
  Bench bench(1, 10, {}, true, 2);
  bench.begin(10);
  for (int i = 0; i < 4; ++i) {
    bench.gone(0, false);
    bench.advance();
    bench.ready(0);
  }
  while (!bench.queues[0].empty()) bench.done(0);
  CHECK(bench.written<report::Finished>().size() == 14);  // each crash is tried again
}

TEST_CASE("vassal: draining hands back what was not sent and lets the workers end", "[sched]") {
  Bench bench(2, 10, kLong);
  bench.grant({{kFile, 0, 4}});
  bench.advance();
  bench.ready(0);
  bench.call([&](auto& out) { bench.vassal.drain(out); });
  CHECK(bench.given_up() == Indexes{1, 2, 3});
  CHECK(bench.all<DrainWorker>().size() == 1);
  CHECK_FALSE(bench.vassal.is_drained());
  // The other was starting, which may take long: it is not waited for.
  REQUIRE(bench.all<KillWorker>().size() == 1);
  CHECK(bench.all<KillWorker>()[0].slot == 1);
  bench.done(0);
  bench.gone(0, true);
  CHECK_FALSE(bench.vassal.is_drained());
  bench.gone(1, false);
  CHECK(bench.vassal.is_drained());
  CHECK(bench.all_answered());
  bench.advance();
  CHECK(bench.all<StartWorker>().size() == 2);
  CHECK(bench.vassal.next_deadline() == Instant::never());
}

TEST_CASE("vassal: an end at once kills what runs, and it has no verdict", "[sched]") {
  Bench bench(3, 10, kLong);
  bench.grant({{kFile, 0, 4}});
  bench.advance();
  bench.ready(0);
  bench.ready(1);
  bench.done(1);
  bench.call([&](auto& out) { bench.vassal.drain(out, true); });
  REQUIRE(bench.all<KillWorker>().size() == 3);
  CHECK(bench.all<KillWorker>()[0].slot == 0);
  bench.call([&](auto& out) { bench.vassal.drain(out, true); });
  CHECK(bench.all<KillWorker>().size() == 3);
  bench.gone(0, false);
  bench.gone(1, false);
  bench.gone(2, false);
  CHECK(bench.vassal.is_drained());
  const auto runs = bench.written<report::Finished>();
  REQUIRE(runs.size() == 3);
  CHECK(runs[0].outcome == report::Outcome::kPassed);
  for (const std::size_t stopped : {1U, 2U}) {
    CHECK(runs[stopped].outcome == report::Outcome::kStopped);
    CHECK(runs[stopped].message == "in wait");
    CHECK_FALSE(runs[stopped].again);
  }
  CHECK(bench.all_answered());
}

TEST_CASE("vassal: a test that takes too long is ended, and its result says where it was",
          "[sched]") {
  Bench bench(1, 10, {}, true, 5, 0, Duration::seconds(1));
  bench.begin(1);
  CHECK(bench.vassal.next_deadline() <= bench.now + Duration::seconds(1));
  bench.now = bench.now + Duration::seconds(1);
  bench.advance();
  REQUIRE(bench.all<KillWorker>().size() == 1);
  CHECK(bench.all<KillWorker>()[0].stacks);
  bench.gone(0, false);
  REQUIRE(bench.written<report::Finished>().size() == 1);
  CHECK(bench.written<report::Finished>()[0].outcome == report::Outcome::kTimedOut);
  CHECK(bench.written<report::Finished>()[0].message ==
        "ran longer than 1.0s and was ended in wait");
}

TEST_CASE("vassal: a polite end may become one at once", "[sched]") {
  Bench bench(1, 10, kLong);
  bench.begin(2);
  bench.call([&](auto& out) { bench.vassal.drain(out); });
  CHECK(bench.all<KillWorker>().empty());
  bench.call([&](auto& out) { bench.vassal.drain(out, true); });
  CHECK(bench.all<KillWorker>().size() == 1);
  bench.gone(0, false);
  CHECK(bench.vassal.is_drained());
  REQUIRE(bench.written<report::Finished>().size() == 1);
  CHECK(bench.written<report::Finished>()[0].outcome == report::Outcome::kStopped);
  CHECK(bench.all_answered());
}

TEST_CASE("vassal: a worker that takes long to start is told, with what its death said",
          "[sched]") {
  Bench bench(1, 10, kLong, true, 1);
  bench.grant({{kFile, 0, 4}});
  bench.advance();
  Vassal::Output out;
  bench.vassal.advance(bench.now + Duration::seconds(30), out);
  CHECK(out.notice == "SLOW: worker #10 on node-3 has been starting for 30.0s");
  bench.gone(0, false);
  REQUIRE(bench.written<report::Unable>().size() == 1);
  CHECK_THAT(bench.written<report::Unable>()[0].reason, Catch::Contains("ran a test: "));
}

TEST_CASE("vassal: a worker that dies while draining leaves no grant unanswered", "[sched]") {
  Bench bench(1, 10, Duration::milliseconds(4));
  bench.begin(4);
  REQUIRE(bench.queued(0).size() == 4);
  bench.call([&](auto& out) { bench.vassal.drain(out); });
  bench.gone(0, false);
  CHECK(bench.vassal.is_drained());
  CHECK(bench.all_answered());
}

TEST_CASE("vassal: a new scheduler may have it go on", "[sched]") {
  Bench bench(1, 10, kLong);
  bench.begin(2);
  bench.call([&](auto& out) { bench.vassal.drain(out); });
  bench.done(0);
  bench.gone(0, true);
  REQUIRE(bench.vassal.is_drained());
  bench.vassal.resume();
  CHECK_FALSE(bench.vassal.is_draining());
  bench.grant({{kFile, 1, 2}});
  bench.advance();
  REQUIRE(bench.all<StartWorker>().size() == 2);
  bench.ready(0);
  CHECK(bench.queued(0) == Indexes{1});
}

TEST_CASE("vassal: who leaves finishes what runs and takes nothing more", "[sched]") {
  Bench bench(1, 10, kLong);
  bench.begin(4);
  bench.call([&](auto& out) { bench.vassal.leave(out); });
  CHECK(bench.given_up() == Indexes{1, 2, 3});
  bench.vassal.resume();
  bench.grant({{kFile, 5, 1}});
  CHECK(bench.given_up() == Indexes{1, 2, 3, 5});
  bench.done(0);
  CHECK(bench.queues[0].empty());
  bench.gone(0, true);
  CHECK(bench.vassal.is_drained());
  CHECK(bench.all_answered());
}

TEST_CASE("vassal: a broken runner hands everything back, what runs too", "[sched]") {
  Bench bench(2, 10, kLong);
  bench.begin(6);
  bench.call([&](auto& out) { bench.vassal.runner_failed(out); });
  Indexes given = bench.given_up();
  std::sort(given.begin(), given.end());
  CHECK(given == Indexes{0, 1, 2, 3, 4, 5});
  CHECK(bench.all_answered());
  bench.grant({{kFile, 8, 1}});
  CHECK(bench.all_answered());
  bench.advance();
  CHECK(bench.all<StartWorker>().size() == 2);
}

TEST_CASE("vassal: a late word on a tear-down is an amendment if it is bad news", "[sched]") {
  Bench bench(1);
  bench.begin(1);
  bench.done(0);
  TestDone late;
  late.test = {0, 0};
  late.outcome = Outcome::kPassed;
  bench.event(late);
  CHECK(bench.written<report::Finished>().size() == 1);
  late.outcome = Outcome::kError;
  bench.event(late);
  const auto results = bench.written<report::Finished>();
  REQUIRE(results.size() == 2);
  CHECK(results[1].amends);
  CHECK(results[1].file == kFile);
  CHECK(bench.all_answered());
  // Of a file that nobody knows.
  late.test = {9, 0};
  bench.event(late);
  CHECK(bench.written<report::Finished>().size() == 2);
}

TEST_CASE("vassal: a result out of turn loses no other test", "[sched]") {
  Bench bench(1, 10, Duration::milliseconds(4));
  bench.begin(3);
  REQUIRE(bench.queued(0) == Indexes{0, 1, 2});
  TestDone second;
  second.test = {0, 1};
  bench.event(second);
  bench.gone(0, false);
  bench.call([&](auto& out) { bench.vassal.leave(out); });
  CHECK(bench.all_answered());
}

TEST_CASE("vassal: it asks for more before it runs dry, and not too often", "[sched]") {
  Bench bench(2, 10, Duration::milliseconds(200));
  bench.begin(10);
  bench.now = bench.now + Duration::seconds(1);
  bench.advance();
  CHECK_FALSE(bench.steal_request);
  while (bench.written<report::Finished>().size() < 8) {
    bench.done(bench.queues[0].empty() ? 1 : 0);
  }
  bench.now = bench.now + Duration::milliseconds(100);
  bench.advance();
  REQUIRE(bench.steal_request);
  // Soon again, then less and less often.
  for (const int64_t gap : {10, 20, 40, 80}) {
    bench.steal_request = false;
    bench.now = bench.now + Duration::milliseconds(gap - 1);
    bench.advance();
    CHECK_FALSE(bench.steal_request);
    bench.now = bench.now + Duration::milliseconds(1);
    CHECK(bench.vassal.next_deadline() <= bench.now);
    bench.advance();
    CHECK(bench.steal_request);
  }
}

TEST_CASE("vassal: it says when the end of its work is near", "[sched]") {
  Bench bench(1, 10, Duration::milliseconds(200));
  const auto ends_soon = [&bench] {
    bench.now = bench.now + Duration::milliseconds(100);
    Vassal::Output out;
    bench.vassal.advance(bench.now, out);
    const bool soon = out.ends_soon;
    bench.take(std::move(out));
    return soon;
  };
  bench.begin(10);
  CHECK_FALSE(ends_soon());
  while (bench.written<report::Finished>().size() < 6) bench.done(0);
  CHECK(ends_soon());
}

TEST_CASE("vassal: a long test keeps one worker busy, and no more", "[sched]") {
  // Of both nobody knew that they would be long.
  Bench bench(2, 2, Duration::milliseconds(50));
  bench.begin(2);
  bench.now = bench.now + Duration::milliseconds(100);
  bench.advance();
  CHECK(bench.steal_request);
  bench.steal_request = false;
  bench.now = bench.now + Duration::seconds(10);
  bench.advance();
  CHECK_FALSE(bench.steal_request);
  bench.done(1);
  bench.now = bench.now + Duration::seconds(1);
  bench.advance();
  REQUIRE(bench.steal_request);
}

TEST_CASE("vassal: events of workers that do not exist are ignored", "[sched]") {
  Bench bench(1);
  bench.begin(1);
  const std::size_t commands = bench.commands.size();
  bench.event(WorkerReady{5});
  bench.event(WorkerWants{5});
  bench.event(WorkerGone{5, false, "", ""});
  bench.event(TestDone{5, {0, 0}});
  CHECK(bench.commands.size() == commands);
  CHECK(bench.entries.empty());
}

TEST_CASE("vassal: a worker's status says where its test comes from", "[sched]") {
  using report::QueueKind;
  Bench bench(1, 3, Duration::seconds(1));
  const auto status = [&bench] { return bench.vassal.statuses(bench.now)[0]; };
  bench.grant({{kFile, 2, 1}}, VassalBench::GrantKind::kFenced);  // fenced off: no batch
  bench.begin(1);
  CHECK(status().queue == QueueKind::kRegular);
  bench.done(0, Outcome::kFailed);
  CHECK(status().queue == QueueKind::kRetry);
  CHECK(status().batch == 1);
  bench.grant({{kFile, 1, 1}});
  bench.done(0, Outcome::kFailed);
  CHECK(status().queue == QueueKind::kRegular);
  CHECK(status().batch == 2);
  bench.grant_tail({{kFile, 0, 1}});
  bench.done(0);
  bench.advance();
  bench.obey_drains();
  bench.advance();
  bench.ready(0);
  CHECK(status().queue == QueueKind::kTail);
  CHECK(status().batch == 3);
}

TEST_CASE("vassal: every grant is answered exactly once, whatever happens", "[sched]") {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    Rng rng(seed);
    const auto workers = static_cast<uint32_t>(1 + rng.below(3));
    const auto tests = static_cast<uint32_t>(1 + rng.below(60));
    const Duration each = rng.chance(1, 2) ? Duration::milliseconds(3) : kLong;
    Bench bench(workers, tests, each, true, 1000);
    std::size_t seen = 0;
    const auto obey = [&] {
      for (; seen < bench.commands.size(); ++seen) {
        const RunnerCommand command = bench.commands[seen];
        if (const auto* start = std::get_if<StartWorker>(&command)) bench.ready(start->slot);
      }
    };
    for (int step = 0; step < 200; ++step) {
      bench.now = bench.now + Duration::milliseconds(rng.between(0, 50));
      const Slot slot = static_cast<Slot>(rng.below(workers));
      const uint64_t what = rng.below(20);
      if (what < 4) {
        const auto first = static_cast<uint32_t>(rng.below(tests));
        bench.grant({{kFile, first, static_cast<uint32_t>(1 + rng.below(tests - first))}},
                    drawn_kind(rng));
      } else if (what < 6) {
        bench.call([&](auto& out) {
          bench.vassal.recalled(bench.now, rng.next(), each * rng.between(0, 9), out);
        });
      } else if (what < 7 && !bench.queues[slot].empty()) {
        bench.gone(slot, rng.chance(1, 2));
      } else if (what < 9 && !bench.queues[slot].empty()) {
        bench.event(WorkerWants{slot});
      } else if (!bench.queues[slot].empty()) {
        bench.done(slot, rng.chance(1, 3) ? Outcome::kFailed : Outcome::kPassed);
      }
      bench.advance();
      obey();
      bench.obey_drains();
      for (const report::Test& test : bench.job.tests()) {
        for (const report::Assignment& one : test.assignments) {
          REQUIRE(one.grants + one.again >= one.gave_up + one.finished);
        }
      }
    }
    bench.call([&](auto& out) { bench.vassal.drain(out); });
    for (Slot slot = 0; slot < workers; ++slot) {
      while (!bench.queues[slot].empty()) bench.done(slot);
    }
    REQUIRE(bench.all_answered());
  }
}

TEST_CASE("vassal: what passed before is given back unrun, however much it is", "[sched]") {
  constexpr uint32_t kTests = 20'000;
  Bench bench(1, kTests);
  const auto skip = [&](uint32_t first) {
    report::Redundant redundant{1000, {}, {}};
    for (uint32_t i = first; i < kTests; i += 2) redundant.runs.push_back({kFile, i, 1});
    bench.fold(kChief, redundant);
  };
  skip(0);
  bench.grant({{kFile, 0, kTests}});
  uint32_t given = 0;
  for (const report::Entry& entry : bench.entries) {
    const auto& runs = std::get<report::GaveUp>(entry).runs;
    CHECK(runs.size() <= report::kRunsWrittenMax);
    for (const report::Run& run : runs) given += run.count;
  }
  CHECK(bench.entries.size() == 2);
  CHECK(given == kTests / 2);
  // What it holds by then as well; a test that a worker has been sent runs.
  bench.advance();
  bench.ready(0);
  const std::size_t sent = bench.queues[0].size();
  REQUIRE(sent > 0);
  skip(1);
  while (!bench.queues[0].empty()) bench.done(0);
  CHECK(bench.job.counts().passed == sent);
  CHECK(bench.job.counts().redundant == kTests - sent);
  for (const report::Test& test : bench.job.tests()) {
    for (const report::Assignment& one : test.assignments) CHECK_FALSE(one.held());
  }
}
