#include "sched/plan.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "mesh/rng.hpp"

using namespace dagz;
using namespace dagz::sched;

namespace {

PlanGroup group(int64_t ms, uint32_t order = 0) { return {Duration::milliseconds(ms), order}; }

// Graham's rule as one would say it: the longest group left goes to the worker that is free first.
Plan reference(const std::vector<PlanGroup>& groups, const std::vector<PlanNode>& nodes) {
  Plan plan;
  std::vector<std::pair<Duration, uint32_t>> workers;
  for (uint32_t node = 0; node < nodes.size(); ++node) {
    for (uint32_t i = 0; i < nodes[node].workers; ++i) {
      workers.emplace_back(nodes[node].load / nodes[node].workers, node);
    }
  }
  if (workers.empty()) return plan;
  plan.node_of_group.assign(groups.size(), 0);
  std::vector<bool> placed(groups.size());
  for (std::size_t round = 0; round < groups.size(); ++round) {
    std::size_t longest = groups.size();
    for (std::size_t i = 0; i < groups.size(); ++i) {
      if (placed[i]) continue;
      if (longest == groups.size() || groups[i].expected > groups[longest].expected ||
          (groups[i].expected == groups[longest].expected &&
           groups[i].order < groups[longest].order)) {
        longest = i;
      }
    }
    std::size_t free = 0;
    for (std::size_t i = 1; i < workers.size(); ++i) {
      if (workers[i] < workers[free]) free = i;
    }
    placed[longest] = true;
    plan.node_of_group[longest] = workers[free].second;
    workers[free].first += groups[longest].expected;
    plan.makespan = std::max(plan.makespan, workers[free].first);
  }
  return plan;
}

}  // namespace

TEST_CASE("plan: nobody to run anything gives an empty plan", "[sched]") {
  CHECK(make_plan({group(5)}, {}).node_of_group.empty());
  CHECK(make_plan({group(5)}, {{0, {}}}).node_of_group.empty());
  CHECK(make_plan({}, {{2, {}}}).makespan == Duration{});
}

TEST_CASE("plan: the longest goes first, to whoever is free first", "[sched]") {
  const Plan plan = make_plan({group(2), group(7), group(3), group(6)}, {{1, {}}, {1, {}}});
  // 7 and 2 on one, 6 and 3 on the other.
  CHECK(plan.node_of_group == std::vector<uint32_t>{0, 0, 1, 1});
  CHECK(plan.makespan == Duration::milliseconds(9));
}

TEST_CASE("plan: a node with more workers gets more", "[sched]") {
  std::vector<PlanGroup> groups(40, group(10));
  for (uint32_t i = 0; i < 40; ++i) groups[i].order = i;
  const Plan plan = make_plan(groups, {{3, {}}, {1, {}}});
  CHECK(std::count(plan.node_of_group.begin(), plan.node_of_group.end(), 0) == 30);
  CHECK(plan.makespan == Duration::milliseconds(100));
}

TEST_CASE("plan: a slow node gets less", "[sched]") {
  const std::vector<PlanGroup> groups(40, group(10));
  const Plan plan = make_plan(groups, {{1, {}, 3000}, {1, {}, 1000}});
  CHECK(std::count(plan.node_of_group.begin(), plan.node_of_group.end(), 0) == 30);
  CHECK(plan.makespan <= Duration::milliseconds(101));
}

TEST_CASE("plan: the longest goes where it is done first", "[sched]") {
  const Plan plan = make_plan({group(1000), group(700)}, {{1, {}, 500}, {1, {}, 1000}});
  CHECK(plan.node_of_group == std::vector<uint32_t>{1, 0});
  const Plan busy =
      make_plan({group(1000)}, {{1, {}, 500}, {1, Duration::milliseconds(1500), 1000}});
  CHECK(busy.node_of_group == std::vector<uint32_t>{0});
  CHECK(busy.makespan == Duration::seconds(2));
}

TEST_CASE("plan: what a node has already counts", "[sched]") {
  const Plan plan =
      make_plan({group(10), group(10), group(10)}, {{1, Duration::milliseconds(100)}, {1, {}}});
  CHECK(plan.node_of_group == std::vector<uint32_t>{1, 1, 1});
}

TEST_CASE("plan: it agrees with a naive one on random jobs", "[sched]") {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    Rng rng(seed);
    std::vector<PlanGroup> groups(rng.below(40));
    for (PlanGroup& one : groups) {
      // Few values, so that ties are frequent.
      one = group(rng.between(0, 8), static_cast<uint32_t>(rng.below(50)));
    }
    std::vector<PlanNode> nodes(1 + rng.below(5));
    for (PlanNode& node : nodes) {
      node = {static_cast<uint32_t>(rng.below(4)), Duration::milliseconds(rng.between(0, 20))};
    }
    const Plan plan = make_plan(groups, nodes);
    const Plan naive = reference(groups, nodes);
    REQUIRE(plan.node_of_group == naive.node_of_group);
    REQUIRE(plan.makespan == naive.makespan);
  }
}

TEST_CASE("plan: the last worker is at most a third later than the best possible", "[sched]") {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Rng rng(seed);
    std::vector<PlanGroup> groups(1 + rng.below(200));
    Duration total;
    Duration longest;
    for (PlanGroup& one : groups) {
      one = group(rng.between(1, 1000));
      total += one.expected;
      longest = std::max(longest, one.expected);
    }
    const auto workers = static_cast<uint32_t>(1 + rng.below(16));
    const Duration bound = std::max(total / workers, longest);
    // Graham: at most 4/3 of the optimum, which is no less than the bound, nor more than both.
    REQUIRE(make_plan(groups, {{workers, {}}}).makespan <= (total / workers + longest) * 4 / 3);
    REQUIRE(make_plan(groups, {{workers, {}}}).makespan >= bound);
  }
}
