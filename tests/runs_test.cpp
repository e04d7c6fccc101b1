#include "sched/runs.hpp"

#include <catch2/catch.hpp>

#include "tests/support/jobs.hpp"

using namespace dagz;

TEST_CASE("runs: neighbours in one file become one run", "[sched]") {
  std::vector<report::Run> runs;
  for (const report::Place& place :
       {report::Place{1, 4}, {1, 5}, {1, 6}, {2, 7}, {2, 9}, {2, 8}, {2, 9}}) {
    sched::add_place(runs, place);
  }
  CHECK(runs == std::vector<report::Run>{{1, 4, 3}, {2, 7, 1}, {2, 9, 1}, {2, 8, 2}});
}

TEST_CASE("runs: only tests that are known are visited", "[sched]") {
  report::JobState job;
  const NodeId node = test::numbered_id(1);
  job.apply(node, report::Offered{7});
  job.apply(node, test::listed(7, "f", 3));
  std::vector<report::TestIndex> visited;
  sched::for_each_test(job, {{7, 1, UINT32_MAX}, {7, 3, 1}, {8, 0, 2}},
                       [&](report::TestIndex test) { visited.push_back(test); });
  CHECK(visited == std::vector<report::TestIndex>{1, 2});
}
