#include <catch2/catch.hpp>

#include "tests/support/vassal_bench.hpp"

using namespace dagz;
using namespace dagz::test;
using report::Outcome;

namespace {

struct Copies : VassalBench {
  using VassalBench::VassalBench;
  // Another node runs these, too.
  void also_elsewhere(uint32_t index) {
    fold(kChief, granted(kChief, kChief, {{kFile, index, 1}}));
  }
  void finished_there(uint32_t index, Outcome outcome = Outcome::kPassed, bool copy = false) {
    report::Finished result = finished(kFile, index, outcome);
    result.copy = copy;
    fold(kChief, result);
    call([&](auto& out) { vassal.finished_elsewhere(job.test_at(kFile, index), out); });
  }
  void copy(uint32_t index) {
    also_elsewhere(index);
    grant({{kFile, index, 1}}, GrantKind::kCopies);
    advance();
    for (const StartWorker& start : all<StartWorker>()) ready(start.slot);
    commands.clear();
  }
  // The other node runs a copy of what this one was granted first.
  void copied_elsewhere(uint32_t index) {
    report::Granted entry = granted(kChief, kChief, {{kFile, index, 1}});
    entry.copies = true;
    fold(kChief, entry);
  }
  report::Verdict verdict(uint32_t index) const {
    return job.tests()[job.test_at(kFile, index)].verdict;
  }
};

}  // namespace

TEST_CASE("a copy: its good result counts", "[sched]") {
  Copies bench;
  bench.copy(0);
  REQUIRE(bench.queued(0) == Indexes{0});
  bench.done(0);
  REQUIRE(bench.written<report::Finished>().size() == 1);
  CHECK(bench.written<report::Finished>()[0].copy);
  CHECK(bench.verdict(0) == report::Verdict::kOk);
}

TEST_CASE("a copy: its failure is nobody's news, and is not tried again", "[sched]") {
  Copies bench;
  bench.copy(0);
  bench.done(0, Outcome::kFailed);
  CHECK_FALSE(bench.written<report::Finished>()[0].again);
  CHECK(bench.verdict(0) == report::Verdict::kPending);
  CHECK(bench.job.counts().unfinished == 10);
  bench.finished_there(0);
  CHECK(bench.verdict(0) == report::Verdict::kOk);
}

TEST_CASE("a copy: any result of the first run ends it", "[sched]") {
  for (const Outcome outcome : {Outcome::kPassed, Outcome::kFailed}) {
    Copies bench;
    bench.copy(0);
    bench.finished_there(0, outcome);
    REQUIRE(bench.all<CancelTest>().size() == 1);
    CHECK(bench.given_up() == Indexes{0});
    CHECK(bench.vassal.running() == 0);
    // What it says from now on means nothing; when it is gone, another takes its place.
    bench.done(0, Outcome::kFailed);
    CHECK(bench.written<report::Finished>().empty());
    bench.gone(0, false);
    bench.grant({{kFile, 1, 1}});
    bench.advance();
    CHECK(bench.all<StartWorker>().size() == 1);
  }
}

TEST_CASE("a copy: its good result ends the first run, and others of its worker go on", "[sched]") {
  Copies bench(1, 4, Duration::milliseconds(1));
  bench.begin(4);
  REQUIRE(bench.queued(0) == Indexes{0, 1, 2, 3});
  bench.copied_elsewhere(0);
  bench.finished_there(0, Outcome::kFailed, true);
  CHECK(bench.all<CancelTest>().empty());
  bench.finished_there(0, Outcome::kPassed, true);
  REQUIRE(bench.all<CancelTest>().size() == 1);
  CHECK(bench.given_up() == Indexes{0});
  CHECK(bench.verdict(0) == report::Verdict::kOk);
  bench.commands.clear();
  bench.gone(0, true);
  bench.advance();
  REQUIRE(bench.all<StartWorker>().size() == 1);
  bench.ready(0);
  CHECK(bench.queued(0) == Indexes{1, 2, 3});
  for (int i = 0; i < 3; ++i) bench.done(0);
  CHECK(bench.job.counts().passed == 4);
}

TEST_CASE("a copy: what has a verdict meanwhile is not begun", "[sched]") {
  Copies bench(1, 4, kLong);
  bench.begin(4);
  REQUIRE(bench.queued(0) == Indexes{0});
  bench.copied_elsewhere(1);
  bench.finished_there(1, Outcome::kPassed, true);
  CHECK(bench.all<CancelTest>().empty());
  bench.done(0);
  CHECK(bench.queued(0) == Indexes{2});
  CHECK(bench.given_up() == Indexes{1});
}

TEST_CASE("a copy: two first runs of a split are both heard out", "[sched]") {
  Copies bench;
  bench.begin(1);
  bench.also_elsewhere(0);
  bench.finished_there(0);
  CHECK(bench.all<CancelTest>().empty());
  bench.done(0, Outcome::kFailed);
  CHECK(bench.verdict(0) == report::Verdict::kOkFlaky);
}

TEST_CASE("a copy: cancelled as it took the runner down, it charges nobody else", "[sched]") {
  Copies bench(2, 10, Duration::seconds(5));
  bench.copy(0);
  bench.grant({{kFile, 1, 1}});
  bench.advance();
  for (const StartWorker& start : bench.all<StartWorker>()) bench.ready(start.slot);
  bench.now = bench.now + Duration::seconds(1);
  bench.finished_there(0);
  REQUIRE(bench.all<CancelTest>().size() == 1);
  bench.event(RunnerLost{"SIGKILL"});
  CHECK(bench.written<report::Finished>().empty());
}
