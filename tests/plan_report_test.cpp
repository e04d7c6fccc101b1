#include "report/plan_report.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace dagz;
using namespace dagz::report;

namespace {

PlanSummary sample() {
  PlanSummary plan;
  plan.nodes = 2;
  plan.tests = 3;
  plan.files = 2;
  plan.known_tests = 2;
  plan.total = Duration::milliseconds(12'500);
  plan.makespan = Duration::milliseconds(10'250);
  plan.lower_bound = Duration::milliseconds(10'000);
  plan.workers = {{0,
                   0,
                   Duration::milliseconds(10'250),
                   {{"a.py", 1, 2, Duration::seconds(10), {"a.py::x"}},
                    {"b\x1b[31m.py", 1, 1, Duration::milliseconds(250), {"b.py::y"}}}},
                  {1,
                   1,
                   Duration::milliseconds(2'250),
                   {{"a.py", 2, 2, Duration::milliseconds(2'250), {"a.py::z\xff"}}}}};
  return plan;
}

}  // namespace

TEST_CASE("plan report: lines for people", "[report]") {
  CHECK(format_plan(sample()) ==
        "plan of 3 tests in 2 files, 2 with a history\n"
        "makespan 10.25s · lower bound 10.00s · all tests 12.50s · 2 nodes · 2 workers\n"
        "worker #0 on node-0: 10.25s, 2 tests\n"
        "  10.00s  a.py (1 of 2)  1 test\n"
        "   0.25s  b\\x1b[31m.py  1 test\n"
        "worker #1 on node-1: 2.25s, 1 test\n"
        "  2.25s  a.py (2 of 2)  1 test\n");
}

TEST_CASE("plan report: it says when nothing is known, and what is missing", "[report]") {
  PlanSummary plan = sample();
  plan.known_tests = 0;
  plan.uncollected = {"broken.py"};
  const std::string text = format_plan(plan);
  CHECK(text.find("none with a history: all times are guesses\n") != std::string::npos);
  CHECK(text.ends_with("not planned, for it could not be collected: broken.py\n"));
}

TEST_CASE("plan report: one JSON document with the ids", "[report]") {
  const std::string text = format_plan_json(sample());
  CHECK(text.find('\n') == text.size() - 1);
  const auto json = nlohmann::json::parse(text);
  CHECK(json["nodes"] == 2);
  CHECK(json["makespan_s"] == 10.25);
  CHECK(json["lower_bound_s"] == 10.0);
  CHECK(json["workers"].size() == 2);
  CHECK(json["workers"][1]["node"] == "node-1");
  CHECK(json["workers"][0]["groups"][0]["tests"][0] == "a.py::x");
  CHECK(json["workers"][1]["groups"][0]["part"] == 2);
  CHECK(json["uncollected"].empty());
}
