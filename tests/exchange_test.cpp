#include "report/exchange.hpp"

#include <catch2/catch.hpp>

#include "report/calendar.hpp"
#include "report/json_report.hpp"
#include "report/junit.hpp"
#include "tests/support/summaries.hpp"

// What comes in from other machines and other tools, damaged or not.

using namespace dagz;
using namespace dagz::report;

namespace {

struct Import {
  std::vector<JobSummary> jobs;
  std::vector<RecentDurations> durations;
  std::optional<ImportProblem> problem;

  explicit Import(std::string_view text) {
    ImportContext context;
    context.now = {1'000};
    context.digest = "d1";
    context.sink = [this](Imported item) {
      if (auto* job = std::get_if<JobSummary>(&item)) jobs.push_back(std::move(*job));
      if (auto* one = std::get_if<RecentDurations>(&item)) durations.push_back(std::move(*one));
      return true;
    };
    problem = import_text(text, context);
  }
  std::string complaint() const {
    return problem ? std::to_string(problem->line) + ": " + problem->text : "none";
  }
};

std::string exported() {
  JobSummary first = test::mixed_job();
  JobSummary second = test::job({test::test("b.py::t", {test::attempt(Outcome::kPassed)})});
  second.full_id = "job-2";
  return exchange_head() + exchange_job(first) + exchange_job(second) +
         exchange_durations({"a.py::x", "a.py", {{9, 8}, {7, 6}}}) + exchange_end(2);
}

}  // namespace

TEST_CASE("exchange: what is exported can be imported", "[exchange]") {
  const Import import(exported());
  REQUIRE(import.complaint() == "none");
  REQUIRE(import.jobs.size() == 2);
  CHECK(format_json(import.jobs[0]) == format_json(test::mixed_job()));
  REQUIRE(import.durations.size() == 1);
  CHECK(import.durations[0].recent == decltype(RecentDurations::recent){{9, 8}, {7, 6}});
}

TEST_CASE("exchange: damage is told by its line", "[exchange]") {
  std::string text = exported();
  const auto without_line = [&text](const std::string& sign) {
    std::string less = text;
    const auto at = less.find(sign);
    const auto begin = less.rfind('\n', at) + 1;
    return less.erase(begin, less.find('\n', at) + 1 - begin);
  };
  CHECK(Import(without_line("test_timeout")).complaint() ==
        "12: only 9 of 10 tests of the job before are here");
  CHECK(Import(without_line("\"end\"")).complaint() == "15: the file ends too early");
  CHECK(Import(without_line("\"job-2\"")).problem.has_value());
  CHECK(Import(text.substr(0, text.size() / 2)).problem.has_value());
  CHECK(Import(text + "{\"end\":2}\n").complaint() == "17: there is more after the end");
  std::string other = text;
  other.replace(other.find("\"verdict\":\"OK\""), 14, "\"verdict\":\"GO\"");
  CHECK(Import(other).complaint() == "7: this is no test");
  CHECK(Import("{\"dagz_history\":99}\n").complaint() ==
        "1: this was exported by another version of dagz");
}

TEST_CASE("exchange: any prefix of an export is refused", "[exchange]") {
  const std::string text = exported();
  for (std::size_t size = 0; size < text.size() - 1; size += 7) {
    CAPTURE(size);
    CHECK(Import(text.substr(0, size)).problem.has_value());
  }
}

TEST_CASE("exchange: durations of pytest-split", "[exchange]") {
  const Import import("{\n  \"t/a.py::test_x[a::b]\": 0.25,\n  \"b.py::test_y\": 3\n}\n");
  REQUIRE(import.complaint() == "none");
  REQUIRE(import.durations.size() == 2);
  CHECK((import.durations[0].id == "t/a.py::test_x[a::b]" && import.durations[0].file == "t/a.py"));
  CHECK(import.durations[0].recent == decltype(RecentDurations::recent){{1'000, 250'000}});
  CHECK(Import("{}").complaint() ==
        "1: this holds nothing that dagz knows: no jobs and no durations");
  CHECK(Import("{\n\"a\": 1,\n\"b\": \"2\"}").complaint() ==
        "3: the duration of 'b' is no number of seconds");
  CHECK(Import("{\n\"a\": -1}").problem->line == 2);
  CHECK(Import("{\"a\": 1,\n\"b\"").complaint() == "2: this is no JSON");
  CHECK(Import("").problem.has_value());
}

TEST_CASE("exchange: a JUnit file of pytest", "[exchange]") {
  const Import import(R"(<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" time="12.5" hostname="h"
    timestamp="2026-05-17T10:11:12.345678+02:00">
<testcase classname="tests.test_a" name="test_ok[a.b]" time="0.25"/>
<testcase classname="tests.test_a.TestX" name="test_fails" time="1">
  <failure message="assert 1 == 2">trace &lt;here&gt;</failure></testcase>
<testcase classname="tests.test_a" name="test_skip" time="0"><skipped type="pytest.skip" message="why"/></testcase>
<testcase classname="tests.test_a" name="test_xfail" time="0"><skipped type="pytest.xfail" message=""/></testcase>
<testcase classname="tests.test_a" name="test_down" time="0.1"/>
<testcase classname="tests.test_a" name="test_down" time="0.2"><error message="teardown">t</error></testcase>
<testcase classname="" name="tests.test_b" time="0"><error message="collection failure">no module</error></testcase>
</testsuite></testsuites>)");
  REQUIRE(import.complaint() == "none");
  const JobSummary& job = import.jobs.at(0);
  CHECK((job.full_id == "junit-d1" && job.status == JobStatus::kFailed));
  CHECK(format_timestamp(job.started) == "2026-05-17T08:11:12");
  CHECK(job.duration == Duration::milliseconds(12'500));
  REQUIRE(job.tests.size() == 5);
  CHECK((job.tests[0].id == "tests/test_a.py::TestX::test_fails"));
  CHECK(job.tests[0].attempts.at(0).output == "trace <here>");
  CHECK(job.tests[0].attempts.at(0).message == "assert 1 == 2");
  CHECK(job.tests[1].id == "tests/test_a.py::test_down");
  CHECK(is_failure(decide({job.tests[1].attempts.at(1).outcome}, true)));
  CHECK(job.tests[2].id == "tests/test_a.py::test_ok[a.b]");
  CHECK(job.tests[2].attempts.at(0).duration == Duration::milliseconds(250));
  CHECK((job.tests[3].verdict == Verdict::kSkipped && job.tests[4].verdict == Verdict::kXfail));
  CHECK(job.collection_errors.at(0).text == "no module");
}

TEST_CASE("exchange: our own JUnit file comes back", "[exchange]") {
  const JobSummary before = test::mixed_job();
  const Import import(format_junit(before));
  REQUIRE(import.complaint() == "none");
  const JobSummary& job = import.jobs.at(0);
  CHECK((job.full_id == before.full_id && job.short_id == before.short_id));
  REQUIRE(job.tests.size() == before.tests.size());
  for (std::size_t i = 0; i < job.tests.size(); ++i) {
    CHECK(job.tests[i].id == before.tests[i].id);
    CHECK((job.tests[i].verdict == before.tests[i].verdict ||
           before.tests[i].verdict == Verdict::kXpass));
  }
  CHECK(job.tests[2].attempts.size() == 2);
  CHECK(job.tests[3].attempts.at(0).output == "flaky trace");
}

TEST_CASE("exchange: damaged XML is told by its line", "[exchange]") {
  CHECK(
      Import("<testsuite>\n<testcase\n").complaint().starts_with("2: this is no well-formed XML"));
  CHECK(Import("<html>\n</html>").complaint() == "1: this XML is no JUnit report");
  CHECK(Import("<testsuite>\n\n<testcase time='1'/></testsuite>").complaint() ==
        "3: a test case without a name");
  CHECK(Import("<testsuite>\n<testcase name='a' time='soon'/></testsuite>").complaint() ==
        "2: the time of a test case is no number of seconds");
}

TEST_CASE("exchange: timestamps", "[exchange]") {
  const auto ms = [](const char* text) { return parse_timestamp(text).value_or(WallTime{-1}).ms; };
  CHECK(ms("1970-01-01T00:00:00") == 0);
  CHECK(ms("2026-05-17T10:11:12.345Z") == 1'779'012'672'345);
  CHECK(ms("2026-05-17T12:11:12+02:00") == 1'779'012'672'000);
  CHECK(ms("2024-02-29 23:59:59-0130") == 1'709'256'599'000);
  for (const char* bad : {"", "2026-05-17", "2026-13-01T00:00:00", "now", "2026-05-17T10:11:12x"}) {
    CHECK(ms(bad) == -1);
  }
}
