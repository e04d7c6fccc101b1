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
  ExitPolicy policy;
  CHECK(exit_code(job({kFlakyTest}), policy) == 0);
  policy.flaky_fails = true;
  CHECK(exit_code(job({kFlakyTest}), policy) == 19);
  CHECK(exit_code(job({kFailedTest, kFlakyTest}), policy) == 1);
  CHECK(exit_code(job({kOkTest}), policy) == 0);
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
  summary.status = final_status(summary.counts, true);
  CHECK(exit_code(summary, {}) == 2);
}

TEST_CASE("exit code: differing collections and warnings", "[report]") {
  ExitPolicy policy;
  policy.collections_differ = true;
  policy.max_warnings = true;
  CHECK(exit_code(job({kOkTest}), policy) == 18);
  CHECK(exit_code(job({kFailedTest}), policy) == 1);
  policy.collections_differ = false;
  CHECK(exit_code(job({kOkTest}), policy) == 6);
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
