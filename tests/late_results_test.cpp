#include "report/late_results.hpp"

#include <catch2/catch.hpp>

#include "tests/support/summaries.hpp"

using namespace dagz;
using report::Outcome;

namespace {

report::AttemptSummary by(const std::string& node, Outcome outcome = Outcome::kPassed,
                          uint32_t run = 1) {
  report::AttemptSummary one = test::attempt(outcome);
  one.node = node;
  one.run = run;
  return one;
}

report::JobSummary job_of(std::vector<report::TestSummary> tests) {
  report::JobSummary job = test::job(std::move(tests));
  job.nodes[0].id = "aaaa";
  job.nodes[1].id = "bbbb";
  return job;
}

}  // namespace

TEST_CASE("late results: runs that only one of two reports has", "[report]") {
  const auto closed = job_of({test::test("a.py::one", {by("node-1")}),
                              test::test("a.py::two", {by("node-1", Outcome::kFailed)})});
  CHECK(report::late_results(closed, closed) == 0);
  const auto less = job_of({test::test("a.py::one", {by("node-1")})});
  CHECK(report::late_results(closed, less) == 0);
  // The same test on another node, once more on the same one, and one that the others never had.
  const auto more = job_of({
      test::test("a.py::one", {by("node-1"), by("node-2")}),
      test::test("a.py::two", {by("node-1", Outcome::kFailed), by("node-1", Outcome::kPassed, 2)}),
      test::test("b.py::new", {by("node-2")}),
  });
  CHECK(report::late_results(closed, more) == 3);
}

TEST_CASE("late results: a second word on a run is no further one", "[report]") {
  const auto closed = job_of({test::test("a.py::one", {by("node-1")})});
  const auto amended =
      job_of({test::test("a.py::one", {by("node-1"), by("node-1", Outcome::kError)})});
  CHECK(report::late_results(closed, amended) == 0);
}

TEST_CASE("late results: a node that bears another number is the same node", "[report]") {
  const auto closed = job_of({test::test("a.py::one", {by("node-1")})});
  auto renumbered = job_of({test::test("a.py::one", {by("node-2")})});
  std::swap(renumbered.nodes[0].id, renumbered.nodes[1].id);
  CHECK(report::late_results(closed, renumbered) == 0);
}

TEST_CASE("late results: what a report was shortened by is no news", "[report]") {
  const auto here = job_of({test::test("a.py::one", {by("node-1")}),
                            test::test("a.py::two", {by("node-1", Outcome::kFailed)})});
  auto closed = here;
  closed.tests.erase(closed.tests.begin());
  CHECK(report::late_results(closed, here) == 0);
  closed.tests[0].attempts.clear();
  CHECK(report::late_results(closed, here) == 1);
}
