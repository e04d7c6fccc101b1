#include "report/job_report.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "report/failures.hpp"
#include "report/markdown.hpp"
#include "tests/support/summaries.hpp"

// The report of a job, byte for byte, and the failures printed above it.

namespace {

using namespace dagz::report;
using dagz::Bytes;
using dagz::Hash;
using dagz::test::attempt;
using dagz::test::job;
using dagz::test::test;

// Predictable: the number of bytes and their sum.
Hash fake_hash(Bytes data) {
  uint32_t sum = 0;
  for (const uint8_t byte : data) sum = sum * 31 + byte;
  Hash hash;
  for (std::size_t i = 0; i < 4; ++i) hash.bytes[i] = static_cast<uint8_t>(sum >> (8 * i));
  return hash;
}

JobReport report_of(const JobSummary& summary) { return format_job_report(summary, fake_hash); }

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("job report: a failed job, failures first", "[report]") {
  JobSummary summary = dagz::test::mixed_job();
  summary.notes = {"collections differ in t/b.py"};
  summary.ci_url = "https://ci/jobs/123";
  summary.dashboard_url = "https://dagz/jobs/j0517.50";
  const std::vector<std::string> expected = {
      "ERROR    t/broken.py   collection   ImportError: no module",
      "CRASHED  t/a.py::test_crash   0.02s  worker #3 on node-2   signal 11 (SIGSEGV)",
      "ERROR    t/a.py::test_error   0.03s  worker #3 on node-2   fixture failed",
      "FAILED   t/a.py::test_fail   0.52s  worker #3 on node-2   AssertionError: 1 != 2",
      "TIMEOUT  t/a.py::test_timeout   60.00s  worker #3 on node-2   no end after 60 s",
      "OK_FLAKY t/a.py::test_flaky   0.04s  worker #3 on node-2   once",
      "collections differ in t/b.py",
      ("j0517.50 FAILED: 3 failed, 2 passed, 1 flaky, 2 errors, 2 skipped, 0 redundant, 1 not run "
       "of 10 tests in 4m12.3s"),
      ("plan 248.0s · ideal 245.1s · efficiency 97.2% · saved 12m04s · 2 nodes · 16 workers · "
       "31 steals · 1 lost node"),
      "CI: https://ci/jobs/123",
      "Dashboard: https://dagz/jobs/j0517.50?spanTypes=failures",
  };
  CHECK(report_of(summary).lines == expected);
}

TEST_CASE("job report: a passed job has two lines between the rules", "[report]") {
  JobSummary summary = job({test("a.py::t", {attempt(Outcome::kPassed)})});
  summary.nodes.resize(1);
  summary.workers = 1;
  summary.steals = 1;
  summary.lost_nodes = 0;
  summary.plan = {};
  const JobReport report = report_of(summary);
  CHECK(to_text(report, false) ==
        "═══ DAGZ job report ═══════════════════════════════════════════════════════════\n"
        "j0517.50 PASSED: 0 failed, 1 passed, 0 flaky, 0 errors, 0 skipped, 0 redundant of 1 test "
        "in 4m12.3s\n"
        "plan unknown · ideal 245.1s · efficiency 97.2% · saved 12m04s · 1 node · 1 worker · "
        "1 steal · 0 lost nodes\n"
        "═══ end of report " +
            report.digest + " ════════════════════════════════════════════════════\n");
}

TEST_CASE("job report: the digest is that of the lines between the rules", "[report]") {
  const JobReport report = report_of(dagz::test::mixed_job());
  std::string text;
  for (const std::string& line : report.lines) text += line + "\n";
  const Hash hash = fake_hash({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  CHECK(report.digest == dagz::to_hex(hash).substr(0, 8));
  CHECK(contains(to_text(report, true), "end of report " + report.digest + " "));
}

TEST_CASE("job report: colour by status, line by line", "[report]") {
  const JobReport passed = report_of(job({test("a", {attempt(Outcome::kPassed)})}));
  const JobReport failed = report_of(dagz::test::mixed_job());
  const JobReport open = report_of(job({test("a", {})}));
  CHECK(contains(to_text(passed, true), "\x1b[32m" + passed.lines[0] + "\x1b[0m\n"));
  CHECK(contains(to_text(failed, true), "\x1b[31m" + failed.lines[0] + "\x1b[0m\n"));
  CHECK(contains(to_text(open, true), "\x1b[33m" + open.lines[0] + "\x1b[0m\n"));
  CHECK_FALSE(contains(to_text(failed, false), "\x1b"));
}

TEST_CASE("job report: ids and messages cannot forge lines", "[report]") {
  const JobReport report = report_of(job({test(
      "a.py::t[\n\x1b[2J\xff]", {attempt(Outcome::kFailed, 1, "bad\x07 \x80\nj0517.50 PASSED")})}));
  CHECK(report.lines[0] ==
        "FAILED   a.py::t[\\x0a\\x1b[2J\\xff]   0.00s  worker #3 on node-2   bad\\x07 \\x80");
}

TEST_CASE("job report: tests are sorted whatever the order they come in", "[report]") {
  JobSummary summary = dagz::test::mixed_job();
  const JobReport sorted = report_of(summary);
  std::reverse(summary.tests.begin(), summary.tests.end());
  CHECK(report_of(summary).lines == sorted.lines);
}

TEST_CASE("job report: a long message is cut, an id is not", "[report]") {
  const std::string id = "a.py::" + std::string(1'000, 'x');
  const JobReport report =
      report_of(job({test(id, {attempt(Outcome::kFailed, 1, std::string(1'000, 'm'))})}));
  CHECK(contains(report.lines[0], id));
  CHECK(report.lines[0].ends_with(std::string(kReportMessageMax - 3, 'm') + "…"));
}

TEST_CASE("job report: the dashboard link keeps a query that is there", "[report]") {
  JobSummary summary = dagz::test::mixed_job();
  CHECK(dashboard_link(summary).empty());
  summary.dashboard_url = "http://d/jobs?id=1";
  CHECK(dashboard_link(summary) == "http://d/jobs?id=1&spanTypes=failures");
  summary.counts = {};
  summary.status = JobStatus::kPassed;
  CHECK(dashboard_link(summary) == "http://d/jobs?id=1");
}

TEST_CASE("job report: of a running job, how well it goes is not said", "[report]") {
  JobSummary summary = job({test("a.py::ok", {attempt(Outcome::kPassed)}), test("a.py::open", {})});
  summary.status = JobStatus::kRunning;
  const std::string text = to_text(report_of(summary), false);
  CHECK(contains(text, " RUNNING: 0 failed, 1 passed,"));
  CHECK(contains(text, ", 1 left of 2 tests"));
  CHECK_FALSE(contains(text, "efficiency"));
  CHECK_FALSE(contains(format_markdown(summary), "efficiency"));
  CHECK(contains(format_markdown(summary), "| left |"));
}

TEST_CASE("failures: shown as pytest shows them, collection errors first", "[report]") {
  const std::string text = format_failures(dagz::test::mixed_job());
  CHECK(text.starts_with(
      "==================================== ERRORS ====================================\n"
      "_________________________ ERROR collecting t/broken.py _________________________\n"
      "\nImportError: no module\n  at line 1\n"
      "=================================== FAILURES ===================================\n"
      "______________________________ t/a.py::test_crash ______________________________\n"
      "CRASHED on worker #3 of node-2, attempt 1 of 1, 0.02s\n"
      "signal 11 (SIGSEGV)\n"));
  CHECK(
      contains(text,
               "______________________________ t/a.py::test_fail _______________________________\n"
               "FAILED on worker #3 of node-2, attempt 2 of 2, 0.52s\n"
               "E  assert 1 == 2\n"));
  CHECK_FALSE(contains(text, "test_flaky"));
}

TEST_CASE("failures: what this node's history knows to be flaky is told", "[report]") {
  Flakiness known{"t/a.py::test_fail", 20, 3, 1, {}, "j0516.3"};
  const std::string text = format_failures(dagz::test::mixed_job(), {{known.id, known}});
  CHECK(contains(text,
                 "attempt 2 of 2, 0.52s\n"
                 "known to be flaky in 3 of its last 20 jobs (15.0 %), last in j0516.3\n"
                 "E  assert 1 == 2\n"));
}

TEST_CASE("failures: a tear-down that failed later is no further attempt", "[report]") {
  TestSummary late = test("a", {attempt(Outcome::kPassed), attempt(Outcome::kError)});
  late.verdict = Verdict::kError;
  CHECK(contains(format_failures(job({late})), "attempt 1 of 1, "));
  late.attempts[1].run = 2;
  CHECK(contains(format_failures(job({late})), "attempt 2 of 2, "));
}

TEST_CASE("failures: nothing failed, nothing printed", "[report]") {
  CHECK(format_failures(job({test("a", {attempt(Outcome::kPassed)})})).empty());
}

TEST_CASE("failures: output is bounded, per test and in all", "[report]") {
  std::vector<TestSummary> tests;
  for (int i = 0; i < 250; ++i) {
    tests.push_back(
        test("a.py::t" + std::to_string(1'000 + i),
             {attempt(Outcome::kFailed, 1, "m", i == 0 ? std::string(1 << 20, 'o') : "x")}));
  }
  const std::string text = format_failures(job(std::move(tests)));
  CHECK(text.size() < 2 * kFailureOutputMax);
  CHECK(contains(text, "left out ..."));
  CHECK(contains(text, "... and 50 more failing tests: "));
}
