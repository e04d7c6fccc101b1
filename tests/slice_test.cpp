#include "sched/slice.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/support/scheduler_bench.hpp"

using namespace dagz;
using namespace dagz::test;

namespace {

SchedulerConfig sliced(uint32_t index, uint32_t total) {
  SchedulerConfig config;
  config.slice = Slice{index, total};
  return config;
}

}  // namespace

TEST_CASE("slice: every test is of exactly one, and they are about even", "[sched]") {
  for (const uint32_t total : {1U, 2U, 3U, 7U, 20U}) {
    std::vector<int> sizes(total);
    for (int i = 0; i < 10'000; ++i) {
      const std::string id = "tests/test_it.py::test_it[" + std::to_string(i) + "]";
      int owners = 0;
      for (uint32_t index = 0; index < total; ++index) {
        if (!Slice{index, total}.has(id)) continue;
        ++owners;
        ++sizes[index];
      }
      REQUIRE(owners == 1);
    }
    for (const int size : sizes) {
      CHECK(size > 10'000 / static_cast<int>(total) * 8 / 10);
      CHECK(size < 10'000 / static_cast<int>(total) * 12 / 10 + 1);
    }
  }
}

TEST_CASE("slice: a node that meets nobody runs its own, and says so", "[sched]") {
  std::size_t all = 0;
  for (const uint32_t index : {0U, 1U, 2U}) {
    SchedulerBench bench(sliced(index, 3));
    bench.join_ready(kA, 90);
    bench.advance();
    const std::size_t mine = bench.held(kA).size();
    all += mine;
    CHECK(mine < 60);
    bench.finish(kA);
    bench.ask(kA);
    bench.drain(kA);
    bench.advance();
    REQUIRE(bench.closed.size() == 1);
    CHECK(bench.closed[0].reason == report::CloseReason::kSlice);
    const report::JobSummary summary = bench.job.summary();
    CHECK(summary.status == report::JobStatus::kPassed);
    CHECK(summary.counts.total == mine);
    CHECK(summary.tests.size() == mine);
    CHECK(summary.notes.front().starts_with("only slice " + std::to_string(index + 1) + " of 3"));
  }
  CHECK(all == 90);
}

TEST_CASE("slice: one that holds none of the suite's tests has passed", "[sched]") {
  int empty = 0;
  for (const uint32_t index : {0U, 1U, 2U}) {
    for (const uint32_t tests : {0U, 1U}) {
      SchedulerBench bench(sliced(index, 3));
      bench.join(kA, 1);
      if (tests > 0) bench.collect(kA, kFile, "f", tests);
      bench.advance();
      bench.collected(kA);
      bench.advance();
      bench.finish(kA);
      bench.ask(kA);
      bench.drain(kA);
      bench.advance();
      REQUIRE(bench.closed.size() == 1);
      const report::JobSummary summary = bench.job.summary();
      // Of a suite without tests nobody may say that it has passed.
      CHECK((summary.status == report::JobStatus::kPassed) == (tests > 0));
      if (tests > 0 && summary.counts.total == 0) ++empty;
    }
  }
  CHECK(empty == 2);
}

TEST_CASE("slice: the first other member opens the rest, and it stays open", "[sched]") {
  SchedulerBench bench(sliced(0, 3));
  bench.join_ready(kA, 90);
  bench.advance();
  const std::size_t slice = bench.held(kA).size();
  bench.join(kB);
  bench.advance();
  bench.lose(kB);
  bench.finish(kA);
  bench.ask(kA);
  CHECK(bench.held(kA).size() == 90 - slice);
  bench.finish(kA);
  bench.ask(kA);
  bench.drain(kA);
  bench.advance();
  REQUIRE(bench.closed.size() == 1);
  CHECK(bench.closed[0].reason == report::CloseReason::kComplete);
  CHECK(bench.job.summary().counts.total == 90);
}

TEST_CASE("slice: a member that comes while everything is torn down brings the rest", "[sched]") {
  SchedulerBench bench(sliced(0, 3));
  bench.join_ready(kA, 90);
  bench.advance();
  const std::size_t slice = bench.held(kA).size();
  bench.finish(kA);
  bench.advance();
  REQUIRE(bench.written<report::Draining>().size() == 1);
  bench.join(kB);
  bench.advance();
  CHECK(bench.reopened == 1);
  bench.collect(kB, kFile, "f", 90);
  bench.collected(kB);
  bench.advance();
  CHECK(bench.held(kA).size() + bench.held(kB).size() == 90 - slice);
  bench.finish(kA);
  bench.finish(kB);
  bench.advance();
  bench.drain(kA);
  bench.drain(kB);
  bench.advance();
  REQUIRE(bench.closed.size() == 1);
  CHECK(bench.closed[0].reason == report::CloseReason::kComplete);
  CHECK(bench.job.summary().counts.passed == 90);
}

TEST_CASE("slice: the only node of its step runs everything", "[sched]") {
  SchedulerBench bench(sliced(0, 1));
  bench.join_ready(kA, 9);
  bench.advance();
  bench.finish(kA);
  bench.ask(kA);
  bench.drain(kA);
  bench.advance();
  REQUIRE(bench.closed.size() == 1);
  CHECK(bench.closed[0].reason == report::CloseReason::kComplete);
}
