#include "sched/runs.hpp"

#include <catch2/catch.hpp>

using namespace dagz;

TEST_CASE("runs: neighbours in one file become one run", "[sched]") {
  std::vector<report::Run> runs;
  for (const report::Place& place :
       {report::Place{1, 4}, {1, 5}, {1, 6}, {2, 7}, {2, 9}, {2, 8}, {2, 9}}) {
    sched::add_place(runs, place);
  }
  CHECK(runs == std::vector<report::Run>{{1, 4, 3}, {2, 7, 1}, {2, 9, 1}, {2, 8, 2}});
}
