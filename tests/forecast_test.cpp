#include "sched/forecast.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "mesh/rng.hpp"
#include "tests/support/jobs.hpp"

using namespace dagz;
using namespace dagz::sched;

namespace {

constexpr Duration kSecond = Duration::seconds(1);

FileCollected file(uint32_t number, const std::string& path, uint32_t tests,
                   std::vector<LocalGroup> groups = {}) {
  return {number, path, test::names_of(path, tests), std::move(groups)};
}

std::vector<KnownDuration> history(const std::vector<FileCollected>& files, Duration each) {
  std::vector<KnownDuration> known;
  for (const FileCollected& one : files) {
    for (const std::string& id : one.ids) known.push_back({id, each});
  }
  return known;
}

report::PlanSummary plan_of(const std::vector<FileCollected>& files, uint32_t nodes,
                            uint32_t workers, Affinity affinity = Affinity::kModule) {
  Forecast forecast(history(files, kSecond));
  for (const FileCollected& one : files) forecast.add(one);
  return forecast.plan(affinity, nodes, workers);
}

}  // namespace

TEST_CASE("forecast: files go whole to workers, longest first", "[sched]") {
  const auto plan = plan_of({file(0, "a", 1), file(1, "b", 3), file(2, "c", 2)}, 2, 1);
  CHECK(plan.tests == 6);
  CHECK(plan.files == 3);
  CHECK(plan.known_tests == 6);
  CHECK(plan.total == kSecond * 6);
  CHECK(plan.makespan == kSecond * 3);
  CHECK(plan.lower_bound == kSecond * 3);
  REQUIRE(plan.workers.size() == 2);
  REQUIRE(plan.workers[0].groups.size() == 1);
  CHECK(plan.workers[0].groups[0].name == "b");
  CHECK(plan.workers[0].groups[0].tests == test::names_of("b", 3));
  REQUIRE(plan.workers[1].groups.size() == 2);
  CHECK(plan.workers[1].node == 1);
  CHECK(plan.workers[1].groups[0].name == "c");
  CHECK(plan.workers[1].groups[1].name == "a");
  CHECK(plan.workers[1].expected == kSecond * 3);
}

TEST_CASE("forecast: a heavy test keeps as many workers busy as it counts for", "[sched]") {
  FileCollected heavy = file(0, "a", 4);
  heavy.requirements.push_back({false, 2, "", 1, {0}});
  heavy.requirements.push_back({true, 1, "", 1, {1}});
  const auto plan = plan_of({heavy}, 1, 4);
  // One counts twice, one for all four workers, two for one each.
  CHECK(plan.total == kSecond * 4);
  CHECK(plan.lower_bound == kSecond * 2);
}

TEST_CASE("forecast: a file beyond a worker's share is cut, and its pieces say so", "[sched]") {
  const auto plan = plan_of({file(0, "a", 4)}, 1, 2);
  CHECK(plan.makespan == kSecond * 2);
  CHECK(plan.workers[0].node == plan.workers[1].node);
  CHECK(plan.workers[0].groups[0].part == 1);
  CHECK(plan.workers[1].groups[0].part == 2);
  CHECK(plan.workers[1].groups[0].parts == 2);
}

TEST_CASE("forecast: what cannot be cut bounds the makespan from below", "[sched]") {
  const auto plan = plan_of({file(0, "a", 5, {{"database", {0, 1, 2, 3}}})}, 1, 5);
  CHECK(plan.lower_bound == kSecond * 4);
  CHECK(plan.makespan == kSecond * 4);
  CHECK(plan.workers[0].groups[0].name == "database");
  CHECK(plan_of({file(0, "a", 2)}, 1, 5).lower_bound == kSecond);
}

TEST_CASE("forecast: groups are named as the affinity has them", "[sched]") {
  const FileCollected one{0, "a.py", {"a.py::C::x[1::2]", "a.py::C::y", "a.py::z"}, {}};
  const auto names = [&](Affinity affinity) {
    std::set<std::string> found;
    for (const auto& worker : plan_of({one}, 1, 1, affinity).workers) {
      for (const auto& group : worker.groups) found.insert(group.name);
    }
    return found;
  };
  CHECK(names(Affinity::kFile) == std::set<std::string>{"a.py"});
  CHECK(names(Affinity::kClass) == std::set<std::string>{"a.py::C", "a.py"});
  CHECK(names(Affinity::kNone).size() == 3);
}

TEST_CASE("forecast: without a history every test counts the same", "[sched]") {
  Forecast forecast({});
  forecast.add(file(0, "a", 3));
  const auto plan = forecast.plan(Affinity::kModule, 1, 1);
  CHECK(plan.known_tests == 0);
  CHECK(plan.total == Estimates::kGuess * 3);
}

TEST_CASE("forecast: every test is planned once, within Graham's bound, and always the same",
          "[sched]") {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    INFO("seed " << seed);
    Rng rng(seed);
    std::vector<FileCollected> files;
    std::vector<KnownDuration> known;
    for (uint32_t i = 0; i < 1 + rng.below(20); ++i) {
      files.push_back(file(i, "f" + std::to_string(i), static_cast<uint32_t>(1 + rng.below(30))));
      for (const std::string& id : files.back().ids) {
        known.push_back({id, Duration::milliseconds(rng.between(1, 3000))});
      }
    }
    const auto nodes = static_cast<uint32_t>(1 + rng.below(4));
    const auto workers = static_cast<uint32_t>(1 + rng.below(4));
    const auto make = [&] {
      Forecast forecast(known);
      for (const FileCollected& one : files) forecast.add(one);
      return forecast.plan(Affinity::kModule, nodes, workers);
    };
    const report::PlanSummary plan = make();
    std::multiset<std::string> planned;
    Duration total;
    Duration last;
    for (const auto& worker : plan.workers) {
      total += worker.expected;
      last = std::max(last, worker.expected);
      for (const auto& group : worker.groups) {
        planned.insert(group.tests.begin(), group.tests.end());
      }
    }
    CHECK(planned.size() == plan.tests);
    CHECK(std::set<std::string>(planned.begin(), planned.end()).size() == plan.tests);
    CHECK(total == plan.total);
    CHECK(last == plan.makespan);
    CHECK(plan.makespan >= plan.lower_bound);
    CHECK(plan.makespan.ns <= plan.lower_bound.ns * 3);
    CHECK(report::format_plan_json(plan) == report::format_plan_json(make()));
  }
}
