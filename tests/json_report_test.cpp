#include "report/json_report.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "report/job_report.hpp"
#include "report/job_table.hpp"
#include "report/junit.hpp"
#include "report/markdown.hpp"
#include "tests/support/summaries.hpp"

// The job for scripts (JSON), for CI pages (Markdown) and as a row of `dagz jobs`.

namespace {

using namespace dagz::report;
using dagz::Duration;
using dagz::test::attempt;
using dagz::test::job;
using dagz::test::mixed_job;
using dagz::test::test;

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("json: the documented keys", "[report]") {
  const auto json = nlohmann::json::parse(format_json(mixed_job()));
  CHECK(json["schema"] == 1);
  CHECK(json["id"] == "j0517.50");
  CHECK(json["status"] == "FAILED");
  CHECK(json["started"] == "2026-05-17T10:11:12Z");
  CHECK(json["duration_s"] == 252.3);
  CHECK(json["efficiency"] == 0.972);
  CHECK(json["counts"]["errors"] == 2);
  CHECK(json["counts"]["total"] == 10);
  CHECK(json["nodes"][1]["lost"] == true);
  CHECK(json["collection_errors"][0]["path"] == "t/broken.py");
  CHECK(json["tests"].size() == 10);
  const auto& failed = json["tests"][2];
  CHECK(failed["id"] == "t/a.py::test_fail");
  CHECK(failed["verdict"] == "FAILED");
  CHECK(failed["attempts"][1]["outcome"] == "failed");
  CHECK(failed["attempts"][1]["duration_s"] == 0.52);
  CHECK(failed["attempts"][1]["message"] == "AssertionError: 1 != 2");
  CHECK_FALSE(json["tests"][4]["attempts"][0].contains("message"));
}

TEST_CASE("json: an unknown plan is null and an empty job is whole", "[report]") {
  JobSummary summary = job({});
  summary.plan = {};
  const auto json = nlohmann::json::parse(format_json(summary));
  CHECK(json["plan_s"].is_null());
  CHECK(json["status"] == "EMPTY");
  CHECK(json["tests"].empty());
}

TEST_CASE("json: bytes that are no UTF-8 are shown, control characters are kept", "[report]") {
  const auto json = nlohmann::json::parse(
      format_json(job({test("a\xff\n", {attempt(Outcome::kFailed, 1, "m\xc3", "\x1b[1m\x80")})})));
  CHECK(json["tests"][0]["id"] == "a\\xff\n");
  CHECK(json["tests"][0]["attempts"][0]["message"] == "m\\xc3");
  CHECK(json["tests"][0]["attempts"][0]["output"] == "\x1b[1m\\x80");
}

TEST_CASE("json: what is written can be read back", "[report]") {
  JobSummary summary = mixed_job();
  summary.notes = {"node-2 collected 3 tests that others did not"};
  summary.ci_url = "https://ci/1";
  summary.dashboard_url = "https://dagz/j";
  summary.tests[0].attempts[0].properties = {{"name", "value"}, {"b\n", ""}, {"of", "all", true}};
  summary.collections_differ = true;
  summary.strict_collection = GENERATE(false, true);
  summary.flaky_fails = !summary.strict_collection;
  summary.duration = Duration::microseconds(252'300'001);
  summary.status = GENERATE(JobStatus::kFailed, JobStatus::kRunning);
  summary.plan = GENERATE(Duration{}, Duration::seconds(248));
  const auto back = parse_json(format_json(summary));
  REQUIRE(back.has_value());
  CHECK(format_json(*back) == format_json(summary));
  CHECK(back->status == summary.status);
  CHECK(back->plan == summary.plan);
  CHECK(back->duration == summary.duration);
  CHECK(back->started == summary.started);
  CHECK(back->tests[0].attempts[0].properties == summary.tests[0].attempts[0].properties);
  CHECK(back->collections_differ);
  CHECK((back->strict_collection != back->flaky_fails));
  CHECK(back->flaky_fails == summary.flaky_fails);
  CHECK(format_junit(*back) == format_junit(summary));
  CHECK(format_markdown(*back) == format_markdown(summary));
  const auto hash = [](dagz::Bytes) { return dagz::Hash{}; };
  CHECK(to_text(format_job_report(*back, hash), false) ==
        to_text(format_job_report(summary, hash), false));
}

TEST_CASE("json: how many tests wait for a retry is told, and read", "[report]") {
  JobSummary summary = job({test("a", {attempt(Outcome::kFailed)})});
  summary.tests[0].verdict = Verdict::kRetry;
  dagz::test::recount(summary);
  const auto back = parse_json(format_json(summary));
  REQUIRE(back.has_value());
  CHECK(back->counts.retrying == 1);
  CHECK(back->counts.unfinished == 1);
}

TEST_CASE("json: what is no report is not read", "[report]") {
  const std::string good = format_json(mixed_job());
  CHECK_FALSE(parse_json("").has_value());
  CHECK_FALSE(parse_json("[]").has_value());
  CHECK_FALSE(parse_json("{}").has_value());
  CHECK_FALSE(parse_json(R"({"tool":"dagz","status":"LOST"})").has_value());
  CHECK_FALSE(parse_json(R"({"tool":"dagz","status":"PASSED","tests":[{}]})").has_value());
  CHECK_FALSE(parse_json(R"({"tool":"dagz","status":"PASSED","tests":[7]})").has_value());
  for (std::size_t size = 0; size + 2 < good.size(); size += 7) {
    CHECK_FALSE(parse_json(good.substr(0, size)).has_value());
  }
}

TEST_CASE("json: values of other types and sizes do no harm", "[report]") {
  const auto back = parse_json(
      R"({"tool":"dagz","status":"RUNNING","job":7,"duration_s":1e300,"plan_s":"x",)"
      R"("started_ms":-5,"workers":-1,"steals":99999999999,"efficiency":-1e9,"counts":[],)"
      R"("nodes":[null,1,{"name":"n","workers":1.5}],"notes":[1,"n"],"tests":{}})");
  REQUIRE(back.has_value());
  CHECK(back->full_id.empty());
  CHECK(back->duration == Duration{});
  CHECK(back->started.ms == -5);
  CHECK(back->workers == 0);
  CHECK(back->steals == UINT32_MAX);
  CHECK(back->nodes.size() == 3);
  CHECK(back->nodes[2].name == "n");
  CHECK(back->notes == std::vector<std::string>{"n"});
}

TEST_CASE("json: a large job shrinks to what a message may hold", "[report]") {
  std::vector<TestSummary> tests = mixed_job().tests;
  for (int i = 0; i < 1'000; ++i) {
    tests.push_back(test("z.py::test_" + std::to_string(i), {attempt(Outcome::kPassed)}));
  }
  JobSummary summary = job(std::move(tests));
  CHECK(format_json_within(summary, 10'000'000) == format_json(summary));

  const auto failures = format_json_within(summary, 10'000);
  REQUIRE(failures.has_value());
  CHECK(failures->size() <= 10'000);
  const auto read = parse_json(*failures);
  REQUIRE(read.has_value());
  CHECK(read->tests.size() == 5);
  CHECK(read->counts.total == 1'010);
  CHECK(contains(read->notes.at(0), "1005 tests without a failure"));

  summary.tests[2].attempts[1].output = std::string(20'000, 'x');
  const auto terse = parse_json(format_json_within(summary, 10'000).value_or(""));
  REQUIRE(terse.has_value());
  CHECK(terse->tests.size() == 5);
  CHECK(terse->tests[2].attempts[1].output.empty());
  CHECK(terse->tests[2].attempts[1].message == "AssertionError: 1 != 2");

  const auto counts = parse_json(format_json_within(summary, 1'500).value_or(""));
  REQUIRE(counts.has_value());
  CHECK(counts->tests.empty());
  CHECK(counts->counts.failed == 3);
  CHECK_FALSE(format_json_within(summary, 100).has_value());
}

TEST_CASE("markdown: a failed job with its tables and outputs", "[report]") {
  JobSummary summary = mixed_job();
  summary.dashboard_url = "https://dagz/j";
  const std::string text = format_markdown(summary);
  CHECK(text.starts_with("## ❌ dagz job j0517.50: FAILED in 4m12.3s\n\n"));
  CHECK(contains(text, "| 2 | 3 | 1 | 2 | 2 | 0 | 1 | 10 |\n"));
  CHECK(contains(text, "### Failed\n"));
  CHECK(contains(text,
                 "| FAILED | <code>t/a.py::test&#95;fail</code> | 0.52s | worker 3 on node-2 | "
                 "AssertionError: 1 &#33;= 2 |\n"));
  CHECK(contains(text, "<pre>E  assert 1 == 2\n</pre>"));
  CHECK(contains(text, "### Flaky\n"));
  CHECK(contains(text, "### Collection errors\n"));
  CHECK(contains(text, "Dashboard: https://dagz/j?spanTypes=failures\n"));
}

TEST_CASE("markdown: tests cannot break out of their place", "[report]") {
  const std::string text = format_markdown(
      job({test("a.py::t[|</code><img src=x>`]",
                {attempt(Outcome::kFailed, 1, "a | b\n# x", "</pre></details><script>")})}));
  CHECK_FALSE(contains(text, "<img"));
  CHECK_FALSE(contains(text, "<script"));
  CHECK_FALSE(contains(text, "a | b"));
}

TEST_CASE("markdown: a disaster stays below what CI accepts", "[report]") {
  std::vector<TestSummary> tests;
  for (int i = 0; i < 2'000; ++i) {
    tests.push_back(
        test("a.py::" + std::string(5'000, '_') + std::to_string(i),
             {attempt(Outcome::kFailed, 1, std::string(5'000, '*'), std::string(50'000, '<'))}));
  }
  JobSummary summary = job(std::move(tests));
  summary.collection_errors.assign(500, {std::string(5'000, '|'), std::string(50'000, '&')});
  summary.notes.assign(500, std::string(5'000, '#'));
  dagz::test::recount(summary);
  CHECK(format_markdown(summary).size() < 1'000'000);
}

TEST_CASE("job table: aligned columns, errors among the failed", "[report]") {
  JobRow first = row_of(mixed_job());
  first.ci_url = "https://ci/1";
  JobRow second = row_of(job({test("a", {attempt(Outcome::kPassed)})}));
  second.short_id = "j0517.7";
  CHECK(format_job_table({first, second}, false) ==
        "JOB       STATUS  STARTED               DURATION  PASSED  FAILED  FLAKY  SKIPPED   SAVED  "
        "CI\n"
        "j0517.50  FAILED  2026-05-17T10:11:12Z   4m12.3s       2       5      1        2  12m04s  "
        "https://ci/1\n"
        "j0517.7   PASSED  2026-05-17T10:11:12Z   4m12.3s       1       0      0        0  "
        "12m04s\n");
  CHECK(contains(format_job_table({first}, true), "  \x1b[31mFAILED\x1b[0m  2026"));
  CHECK(format_job_table({}, false) == "no jobs yet\n");
}
