#include "report/flakiness.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/summaries.hpp"

// How flaky a test is, from what it came to in the jobs that are remembered.

using namespace dagz;
using namespace dagz::report;

namespace {

JobRow row(int number, uint64_t passed, uint64_t failed, JobStatus status = JobStatus::kPassed) {
  JobRow job;
  job.short_id = "j0517." + std::to_string(number);
  job.started.ms = 1000 * number;
  job.status = status;
  job.counts.passed = passed;
  job.counts.failed = failed;
  return job;
}

Flakiness known(const std::string& id, uint32_t flaky, uint32_t jobs) {
  return {id, jobs, flaky, 0, {}, "j0517.1"};
}

}  // namespace

TEST_CASE("flakiness: a test is flaky in a job where it failed and passed", "[report]") {
  Flakiness test{"a.py::t"};
  CHECK(format_flakiness(test).empty());
  count_job(test, row(3, 9, 0), Verdict::kOkFlaky);
  count_job(test, row(1, 9, 0), Verdict::kOkFlaky);
  count_job(test, row(4, 9, 1), Verdict::kFailed);
  count_job(test, row(5, 9, 0), Verdict::kOk);
  count_job(test, row(6, 9, 0), Verdict::kXfail);
  CHECK((test.jobs == 5 && test.flaky == 2 && test.failed == 1));
  CHECK(test.flaky_permille() == 400);
  CHECK(format_flakiness(test) == "flaky in 2 of its last 5 jobs (40.0 %), last in j0517.3");
}

TEST_CASE("flakiness: jobs in which it did not run do not count", "[report]") {
  Flakiness test{"a.py::t"};
  for (const Verdict verdict :
       {Verdict::kSkipped, Verdict::kRedundant, Verdict::kPending, Verdict::kRetry}) {
    count_job(test, row(1, 9, 0), verdict);
  }
  count_job(test, row(1, 9, 0, JobStatus::kRunning), Verdict::kOkFlaky);
  CHECK(test.jobs == 0);
  CHECK(test.flaky_permille() == 0);
}

TEST_CASE("flakiness: a job in which most tests failed does not count", "[report]") {
  Flakiness test{"a.py::t"};
  count_job(test, row(1, 5, 6), Verdict::kOkFlaky);
  CHECK(test.jobs == 0);
  // As many as passed are not most.
  count_job(test, row(2, 5, 5), Verdict::kOkFlaky);
  CHECK((test.jobs == 1 && test.flaky == 1));
  JobRow errors = row(3, 1, 0);
  errors.counts.errors = 2;
  CHECK(most_failed(errors.counts));
  errors.counts.flaky = 1;
  CHECK_FALSE(most_failed(errors.counts));
  CHECK_FALSE(most_failed({}));
}

TEST_CASE("flakiness: of one test's logs", "[report]") {
  TestLogs logs;
  logs.shown.test.id = "a.py::t";
  logs.shown.test.verdict = Verdict::kFailed;
  logs.shown.job = row(9, 9, 1, JobStatus::kFailed);
  TestRecord before;
  before.job = row(8, 9, 0);
  before.test.verdict = Verdict::kOkFlaky;
  logs.earlier = {before};
  const Flakiness test = flakiness_of(logs);
  CHECK(format_flakiness(test) == "flaky in 1 of its last 2 jobs (50.0 %), last in j0517.8");
  CHECK(format_test_logs(logs).find("flaky in 1 of its last 2 jobs") != std::string::npos);
  const auto json = nlohmann::json::parse(format_test_logs_json(logs));
  CHECK(json["flakiness"] == nlohmann::json{{"jobs", 2}, {"flaky", 1}, {"failed", 1}});
}

TEST_CASE("flakiness: the flakiest first", "[report]") {
  std::vector<Flakiness> tests = {known("rare", 1, 20), known("b", 5, 10), known("often", 10, 20),
                                  known("a", 5, 10), known("always", 1, 1)};
  sort_flakiest(tests);
  std::vector<std::string> ids;
  for (const Flakiness& test : tests) ids.push_back(test.id);
  CHECK(ids == std::vector<std::string>{"always", "often", "a", "b", "rare"});
}

TEST_CASE("flakiness: the table, and as JSON", "[report]") {
  FlakyTests flaky;
  flaky.jobs = 22;
  CHECK(format_flaky_tests(flaky) == "no test was flaky over 22 jobs\n");
  flaky.left_out = 2;
  flaky.tests = {known("a.py::t\x1b[2J", 3, 20)};
  const std::string text = format_flaky_tests(flaky);
  CHECK(
      text.starts_with("    RATE  FLAKY  FAILED  JOBS  LAST        TEST\n"
                       "  15.0 %      3       0    20  j0517.1     a.py::t"));
  CHECK(text.ends_with("over 22 jobs; 2 in which most tests failed are left out\n"));
  CHECK(text.find('\x1b') == std::string::npos);
  const auto json = nlohmann::json::parse(format_flaky_tests_json(flaky));
  CHECK(json["jobs"] == 22);
  CHECK(json["jobs_left_out"] == 2);
  CHECK(json["tests"][0]["flaky_rate"] == 0.15);
  for (int i = 0; i < 60; ++i) flaky.tests.push_back(known("t" + std::to_string(i), 1, 20));
  CHECK(format_flaky_tests(flaky).find("… and 11 more: --format json has them all\n") !=
        std::string::npos);
  CHECK(nlohmann::json::parse(format_flaky_tests_json(flaky))["tests"].size() == 61);
}
