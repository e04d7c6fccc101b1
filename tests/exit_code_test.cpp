#include "report/exit_code.hpp"

#include <catch2/catch.hpp>

#include "tests/support/summaries.hpp"

// Which number a job ends with.

namespace {

using namespace dagz::report;
using dagz::test::attempt;
using dagz::test::job;
using dagz::test::recount;
using dagz::test::test;

const TestSummary kOkTest = test("a.py::ok", {attempt(Outcome::kPassed)});
const TestSummary kFailedTest = test("a.py::bad", {attempt(Outcome::kFailed)});
const TestSummary kFlakyTest =
    test("a.py::flaky", {attempt(Outcome::kFailed), attempt(Outcome::kPassed)});

}  // namespace

TEST_CASE("exit code: each state of a job has its own", "[report]") {
  CHECK(exit_code(job({kOkTest}), {}) == 0);
  CHECK(exit_code(job({kFailedTest, kOkTest}), {}) == 1);
  CHECK(exit_code(job({}), {}) == 5);
  CHECK(exit_code(job({test("a.py::open", {}), kOkTest}), {}) == 17);
  CHECK(exit_code(job({test("a.py::skip", {attempt(Outcome::kSkipped)})}), {}) == 0);
}

TEST_CASE("exit code: flaky tests fail only when asked to", "[report]") {
  CHECK(exit_code(job({kFlakyTest}), {}) == 0);
  const auto strict = [](std::vector<TestSummary> tests) {
    JobSummary summary = job(std::move(tests));
    summary.flaky_fails = true;
    recount(summary);
    return std::pair(summary.status, exit_code(summary, {}));
  };
  CHECK(strict({kFlakyTest}) == std::pair(JobStatus::kFailed, 19));
  CHECK(strict({kFailedTest, kFlakyTest}) == std::pair(JobStatus::kFailed, 1));
  CHECK(strict({kFlakyTest, test("a.py::open", {})}) == std::pair(JobStatus::kIncomplete, 17));
  CHECK(strict({kOkTest}) == std::pair(JobStatus::kPassed, 0));
}

TEST_CASE("exit code: of a node's own, the flaky tests of others do not count", "[report]") {
  JobSummary summary = job({kFlakyTest});
  summary.flaky_fails = true;
  recount(summary);
  ExitPolicy policy;
  policy.own_node = "node-2";
  CHECK(exit_code(summary, policy) == 19);
  policy.own_node = "node-1";
  CHECK(exit_code(summary, policy) == 0);
}

TEST_CASE("exit code: a collection error fails the job", "[report]") {
  JobSummary summary = job({kOkTest});
  summary.collection_errors = {{"b.py", "SyntaxError"}};
  recount(summary);
  CHECK(summary.status == JobStatus::kFailed);
  CHECK(exit_code(summary, {}) == 1);
}

TEST_CASE("exit code: an interruption comes before failures", "[report]") {
  JobSummary summary = job({kFailedTest});
  summary.status = final_status(summary, true);
  CHECK(exit_code(summary, {}) == 2);
}

TEST_CASE("exit code: differing collections and warnings", "[report]") {
  ExitPolicy policy;
  policy.max_warnings = true;
  const auto strict = [&policy](std::vector<TestSummary> tests) {
    JobSummary summary = job(std::move(tests));
    summary.strict_collection = summary.collections_differ = true;
    recount(summary);
    return std::pair(summary.status, exit_code(summary, policy));
  };
  CHECK(strict({kOkTest}) == std::pair(JobStatus::kFailed, 18));
  CHECK(strict({kFailedTest}) == std::pair(JobStatus::kFailed, 1));
  CHECK(strict({kOkTest, test("a.py::open", {})}) == std::pair(JobStatus::kFailed, 18));
  JobSummary summary = job({kOkTest});
  summary.collections_differ = true;
  CHECK(exit_code(summary, policy) == 6);
}

TEST_CASE("exit code: a job that failed fails, whatever else is known of it", "[report]") {
  JobSummary summary = job({kOkTest});
  summary.status = JobStatus::kFailed;
  CHECK(exit_code(summary, {}) == 1);
}

TEST_CASE("exit code: a node can answer for its own tests only", "[report]") {
  ExitPolicy policy;
  policy.own_node = "node-1";
  CHECK(exit_code(job({kFailedTest, kOkTest}), policy) == 0);
  policy.own_node = "node-2";
  CHECK(exit_code(job({kFailedTest, kOkTest}), policy) == 1);
}

TEST_CASE("summary: counts put every test in one bucket", "[report]") {
  const JobSummary summary = dagz::test::mixed_job();
  const Counts& counts = summary.counts;
  CHECK(counts.passed == 2);
  CHECK(counts.failed == 3);
  CHECK(counts.flaky == 1);
  CHECK(counts.errors == 2);  // one of collection
  CHECK(counts.skipped == 2);
  CHECK(counts.unfinished == 1);
  CHECK(counts.total == 10);
}

TEST_CASE("summary: a report shows the attempt that explains the verdict", "[report]") {
  const TestSummary mixed = test("a", {attempt(Outcome::kTimedOut), attempt(Outcome::kFailed)});
  CHECK(shown_attempt(mixed) == &mixed.attempts[0]);
  const TestSummary flaky = test("b", {attempt(Outcome::kPassed), attempt(Outcome::kFailed)});
  CHECK(shown_attempt(flaky) == &flaky.attempts[1]);
  CHECK(shown_attempt(test("c", {})) == nullptr);
}
