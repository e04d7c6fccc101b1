#pragma once

#include <string>
#include <vector>

#include "report/summary.hpp"

// Small jobs as data, for the tests of the reports.

namespace dagz::test {

inline report::AttemptSummary attempt(report::Outcome outcome, int64_t ms = 500,
                                      std::string message = "", std::string output = "") {
  report::AttemptSummary result;
  result.outcome = outcome;
  result.node = "node-2";
  result.worker = 3;
  result.started_after = Duration::milliseconds(1'000);
  result.duration = Duration::milliseconds(ms);
  result.cpu_percent = 7;
  result.message = std::move(message);
  result.output = std::move(output);
  return result;
}

// The file is what precedes "::". The verdict is final.
inline report::TestSummary test(std::string id, std::vector<report::AttemptSummary> attempts) {
  report::TestSummary result;
  result.file = id.substr(0, id.find("::"));
  result.id = std::move(id);
  std::vector<report::Outcome> outcomes;
  for (const report::AttemptSummary& item : attempts) outcomes.push_back(item.outcome);
  result.verdict = report::decide(outcomes, true);
  result.attempts = std::move(attempts);
  return result;
}

inline void recount(report::JobSummary& summary) {
  summary.counts = report::count_tests(summary.tests, summary.collection_errors.size());
  summary.status = report::final_status(summary, false);
}

// 17 May 2026, the tests in order of their ids.
inline report::JobSummary job(std::vector<report::TestSummary> tests) {
  report::JobSummary summary;
  summary.full_id = "job-1";
  summary.short_id = "j0517.50";
  summary.started = {1'779'012'672'345};
  summary.duration = Duration::milliseconds(252'300);
  summary.plan = Duration::seconds(248);
  summary.ideal = Duration::milliseconds(245'100);
  summary.saved = Duration::seconds(724);
  summary.efficiency_permille = 972;
  summary.workers = 16;
  summary.steals = 31;
  summary.nodes = {{"node-1", "host-a", "https://ci/1", 8, false},
                   {"node-2", "host-b", "https://ci/2", 8, true}};
  summary.lost_nodes = 1;
  summary.tests = std::move(tests);
  recount(summary);
  return summary;
}

// One test of each verdict, and a collection error.
inline report::JobSummary mixed_job() {
  using report::Outcome;
  report::JobSummary summary = job({
      test("t/a.py::test_crash", {attempt(Outcome::kCrashed, 20, "signal 11 (SIGSEGV)")}),
      test("t/a.py::test_error", {attempt(Outcome::kError, 30, "fixture failed", "trace\n")}),
      test("t/a.py::test_fail",
           {attempt(Outcome::kFailed, 510, "AssertionError: 0 != 2", "first trace\n"),
            attempt(Outcome::kFailed, 520, "AssertionError: 1 != 2", "E  assert 1 == 2\n")}),
      test("t/a.py::test_flaky",
           {attempt(Outcome::kFailed, 40, "once", "flaky trace"), attempt(Outcome::kPassed, 41)}),
      test("t/a.py::test_ok", {attempt(Outcome::kPassed, 42)}),
      test("t/a.py::test_pending", {}),
      test("t/a.py::test_skip", {attempt(Outcome::kSkipped, 0, "not on Linux")}),
      test("t/a.py::test_timeout", {attempt(Outcome::kTimedOut, 60'000, "no end after 60 s")}),
      test("t/a.py::test_xfail", {attempt(Outcome::kXfailed, 1, "known")}),
      test("t/a.py::test_xpass", {attempt(Outcome::kXpassed, 1)}),
  });
  summary.collection_errors = {{"t/broken.py", "\nImportError: no module\n  at line 1\n"}};
  recount(summary);
  return summary;
}

}  // namespace dagz::test
