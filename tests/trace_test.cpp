#include "report/trace.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/summaries.hpp"

using namespace dagz;
using nlohmann::json;

TEST_CASE("trace: a process per node, a thread per worker, a slice per attempt", "[trace]") {
  report::JobSummary summary = test::mixed_job();
  summary.tests[2].attempts[0].node = "node-1";
  summary.tests[2].attempts[0].worker = 1;
  summary.tests[2].id = "t/\xff\"\n.py";
  const json trace = json::parse(report::format_trace(summary));
  CHECK(trace["otherData"]["id"] == "j0517.50");

  std::vector<std::string> processes;
  std::vector<std::string> threads;
  std::vector<json> slices;
  std::size_t attempts = 0;
  for (const report::TestSummary& test : summary.tests) attempts += test.attempts.size();
  for (const json& event : trace["traceEvents"]) {
    if (event["name"] == "process_name") processes.push_back(event["args"]["name"]);
    if (event["name"] == "thread_name") threads.push_back(event["args"]["name"]);
    if (event["ph"] == "X") slices.push_back(event);
  }
  CHECK(processes == std::vector<std::string>{"node-1 (host-a)", "node-2 (host-b), lost"});
  CHECK(threads == std::vector<std::string>{"worker #3", "worker #1"});
  REQUIRE(slices.size() == attempts);
  CHECK((slices[0]["name"] == "t/a.py::test_crash" && slices[0]["cname"] == "terrible"));
  CHECK((slices[0]["ts"] == 1'000'000 && slices[0]["dur"] == 20'000));
  CHECK((slices[0]["pid"] == 2 && slices[0]["tid"] == 3));
  CHECK((slices[2]["pid"] == 1 && slices[2]["tid"] == 1));
  CHECK(slices[2]["name"] == "t/\\xff\"\n.py");
  CHECK((slices[3]["args"]["attempt"] == 2 && slices[3]["args"]["verdict"] == "FAILED"));
  CHECK((slices[3]["args"]["outcome"] == "failed" && slices[3]["args"]["cpu_percent"] == 7));
}

TEST_CASE("trace: a job without tests is a trace, too", "[trace]") {
  CHECK(json::parse(report::format_trace({}))["traceEvents"].empty());
}
