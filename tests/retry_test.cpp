#include "sched/retry.hpp"

#include <catch2/catch.hpp>

#include "tests/support/scheduler_bench.hpp"
#include "tests/support/vassal_bench.hpp"

using namespace dagz;
using namespace dagz::test;
using report::Outcome;

TEST_CASE("scheduler: a failing test is tried again until its tries are used up", "[sched]") {
  SchedulerConfig config;
  config.retries = 2;
  SchedulerBench bench(config);
  bench.join_ready(kA, 1);
  bench.advance();
  for (uint32_t attempt = 1; attempt <= 3; ++attempt) {
    INFO("try " << attempt);
    REQUIRE(bench.held(kA).size() == 1);
    bench.finish(kA, 1, Outcome::kFailed);
    bench.ask(kA);
    CHECK(bench.written<report::Draining>().empty() == (attempt < 3));
  }
  CHECK(bench.held(kA).empty());
  CHECK(bench.job.counts().failed == 1);
}

TEST_CASE("scheduler: a retry that passes ends the tries", "[sched]") {
  SchedulerBench bench;
  bench.join_ready(kA, 1);
  bench.advance();
  bench.finish(kA, 1, Outcome::kCrashed);
  bench.ask(kA);
  bench.finish(kA);
  bench.ask(kA);
  CHECK(bench.held(kA).empty());
  CHECK(bench.job.counts().flaky == 1);
  CHECK(bench.written<report::Draining>().size() == 1);
}

TEST_CASE("scheduler: retries stop when more than a tenth fails", "[sched]") {
  const auto failures_retried = [](std::size_t failures) {
    SchedulerBench bench;
    bench.join_ready(kA, 200);
    bench.advance();
    bench.finish(kA, failures, Outcome::kFailed);
    bench.finish(kA);
    bench.ask(kA);
    return bench.held(kA).size();
  };
  CHECK(failures_retried(20) == 20);
  CHECK(failures_retried(21) == 0);
  // A handful in a small suite is no landslide.
  SchedulerBench small;
  small.join_ready(kA, 10);
  small.advance();
  small.finish(kA, SIZE_MAX, Outcome::kFailed);
  small.ask(kA);
  CHECK(small.held(kA).size() == 10);
}

TEST_CASE("scheduler: with retries stopped the job ends, and what failed has failed", "[sched]") {
  SchedulerBench bench;
  bench.join_ready(kA, 100);
  bench.advance();
  bench.finish(kA, SIZE_MAX, Outcome::kFailed);
  bench.ask(kA);
  REQUIRE(bench.written<report::Draining>().size() == 1);
  bench.drain(kA);
  bench.advance();
  REQUIRE(bench.closed.size() == 1);
  CHECK(bench.job.summary().counts.failed == 100);
}

TEST_CASE("retry: out of proportion is what is long, and long beside a worker's share", "[sched]") {
  const RetryLimits limits;
  const Duration share = Duration::seconds(100);
  CHECK(is_out_of_proportion(Duration::seconds(26), share, limits));
  CHECK_FALSE(is_out_of_proportion(Duration::seconds(25), share, limits));
  CHECK_FALSE(is_out_of_proportion(Duration::seconds(10), Duration::seconds(12), limits));
  CHECK(is_out_of_proportion(Duration::seconds(11), Duration::seconds(12), limits));
}

TEST_CASE("retry: the tail goes to another node than saw the failure", "[sched]") {
  SchedulerBench bench;
  bench.join(kA, 1);
  bench.join(kB, 1);
  for (const NodeId& id : {kA, kB}) {
    bench.collect(id, kFile, "f", 40);
    bench.collected(id);
  }
  bench.advance();
  const report::Place failed = bench.held(kA).front();
  bench.write(kA, test::finished(failed.file, failed.index, Outcome::kFailed));
  bench.advance();
  const report::Granted last = bench.written<report::Granted>().back();
  CHECK(last.to == kB);
  CHECK(last.tail);
  CHECK_FALSE(last.stolen);
  CHECK(last.runs == std::vector<report::Run>{{failed.file, failed.index, 1}});
  // Alone, a node tries again itself.
  bench.lose(kB);
  bench.advance();
  bench.ask(kA);
  CHECK(std::ranges::any_of(bench.held(kA),
                            [&](const auto& one) { return one.index == failed.index; }));
}

TEST_CASE("retry: the tail goes to who is idle, if the better node is held up by long tests",
          "[sched]") {
  SchedulerBench bench;
  bench.join(kA, 1);
  bench.join(kB, 1);
  for (const NodeId& id : {kA, kB}) {
    bench.collect(id, kFile, "f", 2);
    bench.collected(id);
  }
  bench.advance();
  REQUIRE(bench.held(kA).size() == 1);
  const report::Place failed = bench.held(kA).front();
  bench.write(kA, test::finished(failed.file, failed.index, Outcome::kFailed));
  bench.advance();
  CHECK(bench.written<report::Granted>().back().to == kB);
  const auto gives_up = [&] {
    bench.write(kB, report::GaveUp{0, {{failed.file, failed.index, 1}}});
    bench.advance();
    return bench.written<report::Granted>().back().to;
  };
  // Not for a test that has just begun.
  CHECK(gives_up() == kB);
  bench.now = bench.now + Duration::seconds(2);
  CHECK(gives_up() == kA);
}

TEST_CASE("retry: whoever has no room for the tail gets it back when a test of his has ended",
          "[sched]") {
  SchedulerBench bench;
  for (const NodeId& id : {kA, kB}) bench.join(id, 2);
  for (const NodeId& id : {kA, kB}) {
    bench.collect(id, kFile, "f", 6);
    bench.collected(id);
  }
  bench.advance();
  const report::Place failed = bench.held(kA).front();
  bench.write(kA, test::finished(failed.file, failed.index, Outcome::kFailed));
  bench.advance();
  // Each of them runs a test alone, and leaves a worker idle that may not begin another.
  const auto is_held = [&] {
    const auto has_it = [&](const auto& one) { return one.index == failed.index; };
    return std::ranges::any_of(bench.held(kA), has_it) ||
           std::ranges::any_of(bench.held(kB), has_it);
  };
  const auto give_up = [&](const NodeId& id) {
    bench.write(id, report::GaveUp{0, {{failed.file, failed.index, 1}}});
  };
  uint32_t times = 0;
  for (; is_held() && times < 10; ++times) {
    give_up(bench.written<report::Granted>().back().to);
    bench.advance();
  }
  CHECK(times == 4);
  bench.now = bench.now + Duration::seconds(1);
  bench.finish(kB, 1);
  bench.advance();
  CHECK(bench.written<report::Granted>().back().to == kB);
  CHECK(is_held());
}

TEST_CASE("retry: while there is other work, the tail waits for who is still to come", "[sched]") {
  SchedulerBench bench;
  bench.join(kB, 1);
  bench.join_ready(kA, 10);
  bench.advance();
  const report::Place failed = bench.held(kA).front();
  bench.write(kA, test::finished(failed.file, failed.index, Outcome::kFailed));
  bench.advance();
  CHECK(bench.written<report::Granted>().size() == 1);
  bench.collect(kB, kFile, "f", 10);
  bench.collected(kB);
  bench.advance();
  CHECK(bench.written<report::Granted>().back().to == kB);
  CHECK(std::ranges::any_of(bench.held(kB),
                            [&](const auto& one) { return one.index == failed.index; }));
}

TEST_CASE("retry: when nothing else is left, the tail waits for nobody", "[sched]") {
  SchedulerBench bench;
  bench.join(kB, 1);
  bench.join_ready(kA, 1);
  bench.ask(kA);
  REQUIRE(bench.held(kA).size() == 1);
  bench.finish(kA, 1, Outcome::kFailed);
  bench.advance();
  CHECK(bench.held(kA).size() == 1);
}

TEST_CASE("retry: what the node tries again at once is not given to others", "[sched]") {
  SchedulerBench bench;
  bench.join_ready(kA, 1);
  bench.advance();
  bench.join_ready(kB, 1);
  report::Finished first = test::finished(kFile, 0, Outcome::kFailed);
  first.again = true;
  bench.write(kA, first);
  bench.ask(kB);
  CHECK(bench.held(kA).size() == 1);
  CHECK(bench.held(kB).empty());
  CHECK(bench.job.counts().unfinished == 1);
  bench.write(kA, test::finished(kFile, 0, Outcome::kFailed));
  bench.advance();
  CHECK(bench.held(kB).size() == 1);
  // With the node the promise goes.
  bench.write(kB, first);
  bench.lose(kB);
  bench.advance();
  CHECK(bench.job.counts().failed == 1);
}

TEST_CASE("retry: a promise to try again counts only from a node that had the test", "[sched]") {
  report::JobState job;
  job.apply(kA, report::Offered{kFile});
  job.apply(kA, test::listed(kFile, "f", 1));
  report::Finished first = test::finished(kFile, 0, Outcome::kFailed);
  first.again = true;
  job.apply(kB, first);
  CHECK_FALSE(job.tests()[0].assignments[0].held());
  job.apply(kA, test::granted(kA, kB, {{kFile, 0, 1}}));
  CHECK(job.tests()[0].assignments[0].held());
}

TEST_CASE("retry: out of proportion gets one retry, and its verdict then", "[sched]") {
  const auto retried = [](Duration took) {
    std::vector<KnownDuration> known;
    for (const std::string& id : test::names_of("f", 20)) {
      known.push_back({id, Duration::seconds(10)});
    }
    SchedulerBench bench({}, known);
    bench.join_ready(kA, 20);
    bench.advance();
    report::Finished first = test::finished(kFile, 0, Outcome::kFailed);
    first.duration = took;
    first.again = true;
    bench.write(kA, first);
    bench.advance();
    CHECK(bench.job.counts().failed == 0);
    first.again = false;
    bench.write(kA, first);
    bench.advance();
    CHECK(bench.written<report::Settled>().size() == bench.job.counts().failed);
    return bench.job.counts().failed == 0;
  };
  CHECK(retried(Duration::seconds(50)));
  CHECK_FALSE(retried(Duration::seconds(51)));
}

TEST_CASE("retry: only the claimant settles a test, and a pass still makes up", "[sched]") {
  report::JobState job;
  job.apply(kA, report::Offered{kFile});
  job.apply(kA, test::listed(kFile, "f", 1));
  job.apply(kA, test::named(2));
  job.apply(kA, test::granted(kA, kB, {{kFile, 0, 1}}));
  job.apply(kB, test::finished(kFile, 0, Outcome::kFailed));
  job.apply(kB, report::Settled{test::claim_by(kA), {{kFile, 0, 1}}});
  CHECK(job.tests()[0].verdict == report::Verdict::kRetry);
  job.apply(kA, report::Settled{test::claim_by(kA), {{kFile, 0, 1}}});
  CHECK(job.tests()[0].verdict == report::Verdict::kFailed);
  job.apply(kB, test::finished(kFile, 0, Outcome::kPassed));
  CHECK(job.tests()[0].verdict == report::Verdict::kOkFlaky);
}

TEST_CASE("retry: with a limit of failures the last word is wanted soon", "[sched]") {
  SchedulerConfig config;
  config.max_fail = 1;
  SchedulerBench bench(config);
  bench.join_ready(kA, 5);
  bench.advance();
  bench.write(kA, test::finished(kFile, 0, Outcome::kFailed));
  bench.advance();
  CHECK_FALSE(bench.written<report::Granted>().back().tail);
}

TEST_CASE("retry: one whose verdict is waited for comes before what the worker has reserved",
          "[sched]") {
  VassalBench bench(1, 10, kLong);
  bench.begin(8);
  bench.failed_elsewhere(9);
  bench.grant({{kFile, 9, 1}});
  bench.done(0);
  CHECK(bench.queued(0) == Indexes{9});
  bench.done(0);
  CHECK(bench.queued(0) == Indexes{1});
}

TEST_CASE("retry: a node tries again once, at once and on the same worker", "[sched]") {
  VassalBench bench(2, 10, kLong);
  bench.begin(10);
  const LocalTest first = bench.queues[0].front();
  bench.done(0, Outcome::kFailed);
  REQUIRE(bench.written<report::Finished>().size() == 1);
  CHECK(bench.written<report::Finished>()[0].again);
  CHECK(bench.queues[0].front() == first);
  bench.done(0, Outcome::kFailed);
  CHECK_FALSE(bench.written<report::Finished>()[1].again);
  CHECK(bench.queues[0].front() != first);
  // A crash takes the worker along: the next one on this node tries again.
  const LocalTest second = bench.queues[0].front();
  bench.gone(0, false);
  CHECK(bench.written<report::Finished>()[2].again);
  bench.advance();
  bench.ready(0);
  CHECK(bench.queues[0].front() == second);
}

TEST_CASE("retry: not at once without tries, after other failures, or at the end", "[sched]") {
  VassalBench none(1, 10, kLong);
  none.fold(kMe, test::named(0, 0));
  none.begin(2);
  none.done(0, Outcome::kFailed);
  CHECK_FALSE(none.written<report::Finished>()[0].again);

  VassalBench other(1, 10, kLong);
  other.begin(2);
  other.failed_elsewhere(0);
  other.done(0, Outcome::kFailed);
  CHECK_FALSE(other.written<report::Finished>()[0].again);

  VassalBench last(1, 10, kLong);
  last.begin(2);
  last.call([&](auto& out) { last.vassal.drain(out); });
  last.done(0, Outcome::kFailed);
  CHECK_FALSE(last.written<report::Finished>()[0].again);

  VassalBench landslide(1, 100, Duration::milliseconds(1));
  landslide.begin(100);
  for (int i = 0; i < 30; ++i) landslide.done(0, Outcome::kFailed);
  CHECK(landslide.written<report::Finished>().front().again);
  CHECK_FALSE(landslide.written<report::Finished>().back().again);
}

TEST_CASE("retry: the tail comes last, each in a fresh process on another worker", "[sched]") {
  VassalBench bench(2, 10, kLong);
  bench.begin(4);
  bench.done(0, Outcome::kFailed);
  bench.done(0, Outcome::kFailed);  // tried again at once
  bench.grant_tail({{kFile, 0, 1}});
  CHECK(bench.vassal.statuses(bench.now)[0].left + bench.vassal.statuses(bench.now)[1].left == 4);
  while (!bench.queues[0].empty() || !bench.queues[1].empty()) {
    for (const Slot slot : {0U, 1U}) {
      if (!bench.queues[slot].empty()) bench.done(slot);
    }
    bench.advance();
    if (!bench.all<DrainWorker>().empty()) break;
  }
  while (!bench.queues[0].empty()) bench.done(0);
  // The other worker has nothing to do: it begins anew.
  REQUIRE(bench.all<DrainWorker>().size() == 1);
  CHECK(bench.all<DrainWorker>()[0].slot == 1);
  CHECK(bench.written<report::Finished>().size() == 5);
  bench.obey_drains();
  bench.advance();
  REQUIRE(bench.all<StartWorker>().size() == 3);
  bench.ready(1);
  CHECK(bench.queued(1) == std::vector<uint32_t>{0});
  CHECK(bench.vassal.statuses(bench.now)[1].reconnects == 1);
  bench.done(1, Outcome::kFailed);
  CHECK_FALSE(bench.written<report::Finished>().back().again);
  CHECK(bench.all_answered());
}

TEST_CASE("retry: a worker that never ran is fresh enough", "[sched]") {
  VassalBench bench(2, 10, kLong);
  bench.begin(1);
  REQUIRE(bench.all<StartWorker>().size() == 1);
  bench.done(0, Outcome::kFailed);
  bench.done(0, Outcome::kFailed);
  bench.grant_tail({{kFile, 0, 1}});
  bench.advance();
  CHECK(bench.all<DrainWorker>().empty());
  REQUIRE(bench.all<StartWorker>().size() == 2);
  CHECK(bench.all<StartWorker>()[1].slot == 1);
  bench.ready(1);
  CHECK(bench.queued(1) == std::vector<uint32_t>{0});
}

TEST_CASE("retry: a recall takes the tail first, and a drain gives it back", "[sched]") {
  VassalBench bench(1, 10, kLong);
  bench.begin(3);
  bench.failed_elsewhere(7);
  bench.failed_elsewhere(8);
  bench.grant_tail({{kFile, 7, 2}});
  bench.call([&](auto& out) { bench.vassal.recalled(bench.now, 1, kLong, out); });
  CHECK(bench.given_up() == std::vector<uint32_t>{8});
  bench.call([&](auto& out) { bench.vassal.drain(out); });
  bench.done(0);
  CHECK(bench.all_answered());
}

TEST_CASE("retry: what comes back to the tail is not given up a second time", "[sched]") {
  VassalBench bench(1, 10, kLong);
  bench.begin(1);
  bench.failed_elsewhere(7);
  bench.failed_elsewhere(8);
  bench.grant_tail({{kFile, 7, 2}});
  const auto recall = [&](uint64_t number) {
    bench.call([&](auto& out) { bench.vassal.recalled(bench.now, number, kLong * 9, out); });
    return bench.written<report::GaveUp>().back().runs;
  };
  CHECK(recall(1) == std::vector<report::Run>{{kFile, 7, 2}});
  bench.grant_tail({{kFile, 7, 2}});
  CHECK(recall(2).empty());
  // Unless it would wait there for long, and then not without end.
  bench.now = bench.now + Duration::seconds(2);
  for (uint64_t time = 2; time <= 5; ++time) {
    CHECK(recall(time) == std::vector<report::Run>{{kFile, 7, 2}});
    bench.grant_tail({{kFile, 7, 2}});
  }
  CHECK(recall(6).empty());
}

TEST_CASE("retry: a worker that is ended with the job gives its retry of the tail back",
          "[sched]") {
  VassalBench bench(1, 10, kLong);
  bench.failed_elsewhere(7);
  bench.grant_tail({{kFile, 7, 1}});
  bench.advance();
  bench.ready(0);
  REQUIRE(bench.queued(0) == Indexes{7});
  bench.call([&](auto& out) { bench.vassal.drain(out, true); });
  bench.gone(0, false);
  CHECK(bench.given_up().empty());
  REQUIRE(bench.written<report::Finished>().size() == 1);
  CHECK(bench.written<report::Finished>()[0].outcome == report::Outcome::kStopped);
  CHECK(bench.vassal.is_drained());
  CHECK(bench.all_answered());
}

TEST_CASE("retry: no test is to blame for what a drain has killed, should the job go on",
          "[sched]") {
  VassalBench bench(1, 10, kLong);
  bench.grant({{kFile, 0, 1}});
  bench.advance();
  bench.ready(0);
  REQUIRE(bench.queued(0) == Indexes{0});
  bench.call([&](auto& out) { bench.vassal.drain(out, true); });
  bench.vassal.resume();
  bench.gone(0, false);
  bench.advance();
  bench.ready(0);
  CHECK(bench.written<report::Finished>().empty());
  CHECK(bench.queued(0) == Indexes{0});
}

TEST_CASE("retry: a neighbour leaves a retry to the worker that will soon make it", "[sched]") {
  const auto stolen = [](Duration each) {
    VassalBench bench(2, 10, each);
    bench.begin(2);
    bench.grant({{kFile, 2, 1}});
    // Worker 0 has its next test already when it hears that its last one has failed.
    bench.event(WorkerWants{0});
    bench.advance();
    bench.done(0, Outcome::kFailed);
    bench.done(1);
    bench.event(WorkerWants{1});
    bench.advance();
    return !bench.queues[1].empty() && bench.queues[1].front().index == 0;
  };
  CHECK_FALSE(stolen(Duration::milliseconds(500)));
  CHECK(stolen(Duration::seconds(5)));
}
