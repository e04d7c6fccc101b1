#include <catch2/catch.hpp>

#include "tests/support/vassal_bench.hpp"

using namespace dagz;
using namespace dagz::test;
using report::Outcome;

namespace {

constexpr uint64_t kMega = uint64_t{1} << 20;
constexpr uint64_t kLimit = 160 * kMega;

VassalBench bench_with_limit(uint32_t workers, uint64_t limit = kLimit) {
  return VassalBench(workers, 20, kLong, true, 5, limit);
}

}  // namespace

TEST_CASE("recycling: a worker above the limit ends between tests and begins anew", "[sched]") {
  VassalBench bench = bench_with_limit(1);
  bench.begin(4);
  bench.event(WorkerMemory{0, 50 * kMega});
  bench.done(0);
  CHECK(bench.all<DrainWorker>().empty());
  CHECK(bench.queued(0) == Indexes{1});
  bench.event(WorkerMemory{0, kLimit + 1});
  bench.done(0);
  REQUIRE(bench.all<DrainWorker>().size() == 1);
  CHECK(bench.queues[0].empty());
  bench.obey_drains();
  bench.advance();
  REQUIRE(bench.all<StartWorker>().size() == 2);
  bench.ready(0);
  CHECK(bench.queued(0) == Indexes{2});
  CHECK(bench.vassal.statuses(bench.now)[0].reconnects == 1);
  // The next process is measured against its own start.
  bench.event(WorkerMemory{0, 50 * kMega});
  bench.done(0);
  bench.done(0);
  CHECK(bench.all<DrainWorker>().size() == 1);
  CHECK(bench.written<report::Finished>().size() == 4);
  CHECK(bench.all_answered());
}

TEST_CASE("recycling: a worker that hangs in its tear-down is ended, and begins anew", "[sched]") {
  VassalBench bench = bench_with_limit(1);
  bench.begin(4);
  bench.event(WorkerMemory{0, kLimit / 2});
  bench.done(0);
  bench.event(WorkerMemory{0, kLimit + 1});
  bench.done(0);
  REQUIRE(bench.all<DrainWorker>().size() == 1);
  CHECK(bench.vassal.next_deadline() <= bench.now + Duration::seconds(10));
  bench.now = bench.now + VassalConfig{}.tear_down_within;
  bench.advance();
  REQUIRE(bench.all<KillWorker>().size() == 1);
  bench.gone(0, false);
  CHECK(bench.written<report::Finished>().back().outcome == Outcome::kTimedOut);
  bench.advance();
  CHECK(bench.all<StartWorker>().size() == 2);
}

TEST_CASE("recycling: what it was sent it still runs", "[sched]") {
  VassalBench bench(1, 20, Duration::milliseconds(3), true, 5, kLimit);
  bench.begin(20);
  const std::size_t sent = bench.queues[0].size();
  REQUIRE(sent > 2);
  bench.event(WorkerMemory{0, 10 * kMega});
  bench.done(0);
  bench.event(WorkerMemory{0, 2 * kLimit});
  while (!bench.queues[0].empty()) bench.done(0);
  CHECK(bench.all<DrainWorker>().size() == 1);
  CHECK(bench.written<report::Finished>().size() >= sent);
  CHECK(bench.written<report::Finished>().size() < 20);
}

TEST_CASE("recycling: asked for the next test, it is told to end", "[sched]") {
  VassalBench bench = bench_with_limit(1);
  bench.begin(3);
  bench.event(WorkerMemory{0, kMega});
  bench.event(WorkerMemory{0, kLimit + 1});
  const std::size_t before = bench.all<RunTests>().size();
  bench.event(WorkerWants{0});
  CHECK(bench.all<DrainWorker>().size() == 1);
  CHECK(bench.all<RunTests>().size() == before);
  // The test that it was about to tear down still counts.
  bench.done(0, Outcome::kPassed);
  bench.obey_drains();
  CHECK(bench.written<report::Finished>().size() == 1);
  CHECK(bench.written<report::Finished>()[0].outcome == Outcome::kPassed);
}

TEST_CASE("recycling: where all workers are large, they stay until they have grown", "[sched]") {
  VassalBench bench = bench_with_limit(1);
  bench.begin(5);
  bench.event(WorkerMemory{0, kLimit * 2});
  bench.done(0);
  bench.event(WorkerMemory{0, kLimit * 2 + kLimit / 8});
  bench.done(0);
  CHECK(bench.all<DrainWorker>().empty());
  bench.event(WorkerMemory{0, kLimit * 2 + kLimit / 8 + 1});
  bench.done(0);
  REQUIRE(bench.all<DrainWorker>().size() == 1);
  bench.obey_drains();
  bench.advance();
  // Before it has run anything it is smaller than any worker that has.
  bench.event(WorkerReady{0});
  bench.event(WorkerMemory{0, kMega});
  bench.event(WorkerWants{0});
  bench.event(WorkerMemory{0, kLimit * 2 + 1});
  bench.done(0);
  CHECK(bench.all<DrainWorker>().size() == 1);
}

TEST_CASE("recycling: without a limit nobody is too large, nor who does not exist", "[sched]") {
  VassalBench bench = bench_with_limit(1, 0);
  bench.begin(2);
  bench.event(WorkerMemory{0, 1});
  bench.event(WorkerMemory{0, UINT64_MAX});
  bench.event(WorkerMemory{99, UINT64_MAX});
  bench.done(0);
  CHECK(bench.all<DrainWorker>().empty());
}

TEST_CASE("recycling: the others go on with what a recycled worker had reserved", "[sched]") {
  VassalBench bench = bench_with_limit(2);
  bench.begin(8);
  bench.event(WorkerMemory{0, kMega});
  bench.event(WorkerMemory{0, kLimit * 2});
  bench.done(0, Outcome::kFailed);  // to be tried again at once
  bench.obey_drains();
  while (!bench.queues[1].empty()) {
    bench.done(1);
    bench.advance();
  }
  CHECK(bench.written<report::Finished>().size() == 9);
  CHECK(bench.all_answered());
}

TEST_CASE("recycling: workers that are numbered anew run what they have begun, and begin anew",
          "[sched]") {
  VassalBench bench(2, 10, Duration::milliseconds(5));
  bench.begin(10);
  REQUIRE(bench.all<StartWorker>().size() == 2);
  CHECK(bench.all<StartWorker>()[1].number == 11);
  const report::Enlisted anew{kMe, 4, 20, 2, 1};
  bench.fold(kChief, anew);
  bench.vassal.enlisted(anew);
  bench.advance();
  CHECK(bench.all<DrainWorker>().empty());
  CHECK(bench.all<TakeBack>().size() == 2);
  for (const Slot slot : {0U, 1U}) {
    std::deque<LocalTest>& queue = bench.queues[slot];
    REQUIRE(queue.size() > 1);
    bench.event(TakenBack{slot, {queue.begin() + 1, queue.end()}});
    queue.resize(1);
    bench.advance();
    bench.done(slot);
  }
  CHECK(bench.all<TakeBack>().size() == 2);
  REQUIRE(bench.all<DrainWorker>().size() == 2);
  CHECK(bench.written<report::Finished>().size() == 2);
  bench.obey_drains();
  bench.advance();
  const auto starts = bench.all<StartWorker>();
  REQUIRE(starts.size() == 4);
  CHECK((starts[2].number == 20 && starts[3].number == 21));
  // Once is enough, whatever is written once more.
  bench.vassal.enlisted(anew);
  for (const Slot slot : {0U, 1U}) {
    bench.ready(slot);
    while (!bench.queues[slot].empty()) bench.done(slot);
  }
  CHECK(bench.all<DrainWorker>().size() == 2);
  CHECK(bench.written<report::Finished>().size() == 10);
  CHECK(bench.all_answered());
}
