#include "report/test_logs.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "mesh/io/seal.hpp"
#include "report/job_state.hpp"
#include "tests/support/jobs.hpp"
#include "tests/support/summaries.hpp"

// One test in full: which one is meant, what its spans were, and what is told of it.

using namespace dagz;
using namespace dagz::report;
using nlohmann::json;

namespace {

TestLogs sample() {
  JobSummary summary = test::mixed_job();
  summary.nodes[1].id = "68b0080d";
  summary.ci_url = "https://ci/job/7";
  TestLogs logs;
  logs.shown = record_of(summary, summary.tests[2]);  // test_fail, two attempts
  logs.spans = {"0123456789abcdef", "fedcba9876543210"};
  logs.asked = 1;
  JobSummary before =
      test::job({test::test("t/a.py::test_fail", {test::attempt(Outcome::kPassed)})});
  before.short_id = "j0516.3";
  logs.earlier = {record_of(before, before.tests[0])};
  return logs;
}

}  // namespace

TEST_CASE("test logs: an id, its end or a part of it", "[logs]") {
  const std::vector<std::string> ids = {"a.py::test_x", "a.py::test_xy", "b.py::TestX::test_x",
                                        "b.py::test_z[1]"};
  CHECK(match_test(ids, "a.py::test_x").id == "a.py::test_x");
  CHECK(match_test(ids, "test_z[1]").id == "b.py::test_z[1]");
  CHECK(match_test(ids, "test_z").id == "b.py::test_z[1]");
  CHECK(match_test(ids, "_xy").id == "a.py::test_xy");
  const TestMatch several = match_test(ids, "test_x");
  CHECK((several.id.empty() && several.matches == 3 && several.candidates.size() == 3));
  const TestMatch none = match_test(ids, "a.py::tst_x");
  CHECK((none.id.empty() && none.matches == 0));
  REQUIRE_FALSE(none.candidates.empty());
  CHECK(none.candidates.front() == "a.py::test_x");
  CHECK(match_test(ids, "nothing like it").candidates.empty());
  CHECK(match_test({}, "a").candidates.empty());
}

TEST_CASE("test logs: ten candidates and no more", "[logs]") {
  std::vector<std::string> ids;
  for (int i = 0; i < 30; ++i) ids.push_back("t.py::test_" + std::to_string(i));
  const TestMatch match = match_test(ids, "test_");
  CHECK((match.candidates.size() == kCandidatesMax && match.matches == 30));
}

// hashlib.blake2b("68b0080d\0t/a.py::test_fail\0" + run, digest_size=8)
TEST_CASE("test logs: span ids are those that the driver computes", "[logs]") {
  TestLogs logs = sample();
  logs.shown.test.attempts[1].run = 2;
  const auto spans = span_ids(logs.shown.nodes, logs.shown.test, mesh::short_digest);
  CHECK(spans == std::vector<std::string>{"08ddd9ac1fb7ee31", "0f08b2c6fa70a506"});
  CHECK(is_span_id(spans[0]));
  CHECK_FALSE(is_span_id("0123456789ABCDEF"));
  logs.shown.nodes[1].id.clear();
  CHECK(span_ids(logs.shown.nodes, logs.shown.test, mesh::short_digest) ==
        std::vector<std::string>{"", ""});
}

TEST_CASE("test logs: the runs of a test on a node are counted by its failures", "[logs]") {
  const NodeId a = test::numbered_id(1);
  const NodeId b = test::numbered_id(2);
  JobState job;
  job.apply(a, test::named(3));
  job.apply(a, Enlisted{a, 0, 0, 1});
  job.apply(a, Enlisted{b, 1, 1, 1});
  job.apply(a, test::listed(7, "t.py", 1));
  for (const NodeId& to : {a, b, a}) job.apply(a, test::granted(a, to, {{7, 0, 1}}));
  job.apply(a, test::finished(7, 0, Outcome::kFailed, 2000));
  job.apply(b, test::finished(7, 0, Outcome::kFailed, 3000));
  job.apply(a, test::finished(7, 0, Outcome::kPassed, 4000));
  const JobSummary summary = job.summary();
  const auto& attempts = summary.tests.at(0).attempts;
  REQUIRE(attempts.size() == 3);
  CHECK((attempts[0].run == 1 && attempts[1].run == 1 && attempts[2].run == 2));
  CHECK(summary.nodes[0].id == short_name(a));
}

TEST_CASE("test logs: as text", "[logs]") {
  const std::string text = format_test_logs(sample());
  CHECK(text ==
        R"(FAILED t/a.py::test_fail
job: j0517.50 FAILED, 2026-05-17T10:11:12Z, 4m12.3s
CI: https://ci/job/7
again: dagz run -n 1 --retries 0 -- pytest 't/a.py::test_fail'

attempt 1 of 2   failed   0.510s   worker #3 on node-2   began at 00:00:01.000   %cpu=7   span 0123456789abcdef
    AssertionError: 0 != 2
output:
    first trace

attempt 2 of 2   failed   0.520s   worker #3 on node-2   began at 00:00:01.000   %cpu=7   span fedcba9876543210   <- asked for
    AssertionError: 1 != 2
output:
    E  assert 1 == 2

1 earlier job: 0 failed, 0 flaky
j0516.3    2026-05-17T10:11:12Z   OK         0.500s   1 attempt
)");
}

TEST_CASE("test logs: again by the command of the job, wherever that is told", "[logs]") {
  TestLogs logs = sample();
  logs.shown.job.again = {{"tox", "-e", "py", "--", "-m", "not slow"}, "../"};
  const std::string line =
      "dagz run -n 1 --retries 0 -- tox -e py -- -m 'not slow' '../t/a.py::test_fail'";
  CHECK(format_test_logs(logs).find("\nagain: " + line + "\n") != std::string::npos);
  CHECK(json::parse(format_test_logs_json(logs))["rerun"] == line);
  CHECK(format_bundle(logs)[0].content.find(line) != std::string::npos);
}

TEST_CASE("test logs: the context for an agent", "[logs]") {
  TestLogs logs = sample();
  logs.shown.test.id = "t/a.py::test_fail['``` \x1b[31m]";
  logs.shown.test.attempts[0].output = "```\nno fence\n````\n";
  const auto files = format_bundle(logs);
  REQUIRE(files.size() == 4);
  CHECK(files[0].name == "context.md");
  CHECK(files[0].content.find("`````text\n```\nno fence\n````\n`````\n") != std::string::npos);
  CHECK(files[0].content.find("https://ci/job/7") != std::string::npos);
  CHECK(files[0].content.find("AssertionError: 1 != 2") != std::string::npos);
  CHECK(files[0].content.find('\x1b') == std::string::npos);
  CHECK(files[2].name == "output-attempt-1.txt");
  CHECK(files[2].content == logs.shown.test.attempts[0].output);
  const json context = json::parse(files[1].content);
  CHECK((context["test"] == logs.shown.test.id && context["verdict"] == "FAILED"));
  CHECK(context["attempts"][1]["span"] == "fedcba9876543210");
  CHECK(context["attempts"][1]["output_file"] == "output-attempt-2.txt");
  CHECK(context["attempts"][1]["host"] == "host-b");
  CHECK(context["earlier"][0]["id"] == "j0516.3");
  CHECK(context["rerun"].get<std::string>().find("'\\''") != std::string::npos);
  CHECK(json::parse(format_test_logs_json(logs))["attempts"][1]["output"] == "E  assert 1 == 2\n");
}
