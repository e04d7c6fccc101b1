#include <catch2/catch.hpp>

#include "tests/support/vassal_bench.hpp"

using namespace dagz;
using namespace dagz::test;

namespace {

struct Heir : VassalBench {
  using VassalBench::VassalBench;
  // Another node was given these first, and has not answered.
  void held_elsewhere(uint32_t first, uint32_t count) {
    fold(kChief, granted(kChief, numbered_id(5), {{kFile, first, count}}));
  }
  void give(uint32_t first, uint32_t count) {
    grant({{kFile, first, count}});
    advance();
    for (const StartWorker& start : all<StartWorker>()) ready(start.slot);
  }
};

}  // namespace

TEST_CASE("poison: a node says when it begins what another one holds", "[sched]") {
  Heir bench;
  bench.held_elsewhere(1, 2);
  bench.give(0, 4);
  const auto began = bench.written<report::Began>();
  REQUIRE(began.size() == 1);
  CHECK(began[0].slot == 0);
  CHECK(began[0].runs == std::vector<report::Run>{{kFile, 1, 2}});
  const report::NodeIndex me = bench.job.node_index(kMe);
  for (const report::Assignment& one : bench.job.tests()[1].assignments) {
    CHECK(one.began == (one.node == me ? 1 : 0));
  }
}

TEST_CASE("poison: of all else nothing is said", "[sched]") {
  Heir bench;
  bench.held_elsewhere(1, 1);
  bench.fold(numbered_id(5), finished(kFile, 1, report::Outcome::kFailed));
  bench.held_elsewhere(2, 1);
  bench.fold(numbered_id(5), report::GaveUp{0, {{kFile, 2, 1}}});
  bench.held_elsewhere(3, 1);
  bench.fold(numbered_id(5), report::Departed{});
  bench.give(0, 4);
  CHECK(bench.written<report::Began>().empty());
}
