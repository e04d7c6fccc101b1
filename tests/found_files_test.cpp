#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "mesh/rng.hpp"
#include "report/job_state.hpp"
#include "report/json_report.hpp"
#include "tests/support/jobs.hpp"

// Files that are found first and collected where they run: what the fold makes of them.

using namespace dagz;
using namespace dagz::report;
using test::granted;
using test::listed;
using test::numbered_id;

namespace {

const NodeId kA = numbered_id(1);
const NodeId kB = numbered_id(2);
constexpr FileKey kFoundX = 100;  // x.py before it is collected
constexpr FileKey kFoundY = 101;
constexpr FileKey kX = 7;  // x.py with its tests
constexpr FileKey kY = 8;

const Found kFound{{{kFoundX, "x.py", 2000}, {kFoundY, "y.py", 3000}}};

using Logs = std::map<NodeId, std::vector<Entry>>;

JobState fold(const Logs& logs, Rng& rng) {
  JobState job;
  std::map<NodeId, std::size_t> at;
  std::vector<NodeId> open;
  for (const auto& [origin, log] : logs) open.push_back(origin);
  while (!open.empty()) {
    const std::size_t choice = rng.below(open.size());
    const NodeId origin = open[choice];
    job.apply(origin, logs.at(origin)[at[origin]++]);
    if (at[origin] == logs.at(origin).size()) {
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(choice));
    }
  }
  return job;
}

// A schedules. A collects x.py, B y.py; B then runs a test of x.py and misses another.
Logs small_job() {
  Logs logs;
  logs[kA] = {test::named(2),
              Enlisted{kA, 0, 0, 1},
              Enlisted{kB, 1, 1, 1},
              kFound,
              Collected{},
              granted(kA, kA, {{kFoundX, 0, 1}}),
              granted(kA, kB, {{kFoundY, 0, 1}}),
              Offered{kX},
              listed(kX, "x.py", 3),
              Expanded{kFoundX, {kX}},
              test::finished(kX, 0),
              GaveUp{0, {{kX, 1, 2}}},
              granted(kA, kB, {{kX, 1, 2}}, true),
              granted(kA, kA, {{kX, 2, 1}}),
              test::finished(kX, 2)};
  logs[kB] = {kFound,
              Collected{},
              Offered{kY},
              listed(kY, "y.py", 2),
              Expanded{kFoundY, {kY}},
              test::finished(kY, 0),
              test::finished(kY, 1),
              test::finished(kX, 1),
              Missing{{{kX, 2, 1}}}};
  return logs;
}

TestIndex index_of(const JobState& job, const std::string& id) {
  for (TestIndex i = 0; i < job.tests().size(); ++i) {
    if (job.tests()[i].id == id) return i;
  }
  return kNone;
}

}  // namespace

TEST_CASE("found files: the order in which logs arrive does not matter", "[report]") {
  Rng first(0);
  const std::string expected = format_json(fold(small_job(), first).summary());
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    Rng rng(seed);
    const JobState job = fold(small_job(), rng);
    CHECK(format_json(job.summary()) == expected);
    CHECK((job.counts().total == 5 && job.counts().passed == 5));
    CHECK((job.collections() == 2 && job.uncollected() == 0));
    for (const report::Test& test : job.tests()) {
      CHECK(std::none_of(test.assignments.begin(), test.assignments.end(),
                         [](const Assignment& one) { return one.held(); }));
    }
  }
}

TEST_CASE("found files: a file is not collected as long as its tests are not known", "[report]") {
  // B has collected what A had listed before, and A is gone with its names.
  Logs logs;
  logs[kB] = {kFound,      Enlisted{kB, 0, 0, 1},   granted(kB, kB, {{kFoundX, 0, 1}}),
              Offered{kX}, Expanded{kFoundX, {kX}}, test::finished(kX, 0)};
  Rng rng(1);
  JobState job = fold(logs, rng);
  CHECK(job.uncollected() == 2);
  job.apply(kA, Entry{listed(kX, "x.py", 3)});
  CHECK(job.uncollected() == 1);
  CHECK((job.counts().total == 3 && job.counts().passed == 1));
}

TEST_CASE("found files: who found a file can run its tests, unless it misses them", "[report]") {
  Logs logs = small_job();
  logs[numbered_id(3)] = {Opened{}};
  Rng rng(1);
  const JobState job = fold(logs, rng);
  const NodeIndex a = job.node_index(kA);
  const NodeIndex b = job.node_index(kB);
  CHECK(job.place_on(index_of(job, "x.py::t1"), b).value().file == kX);
  CHECK_FALSE(job.place_on(index_of(job, "x.py::t2"), b));
  CHECK(job.place_on(index_of(job, "x.py::t2"), a));
  CHECK_FALSE(job.place_on(index_of(job, "x.py::t1"), job.node_index(numbered_id(3))));
}

TEST_CASE("found files: only who was granted a file is granted its tests", "[report]") {
  Logs logs = small_job();
  std::erase_if(logs[kA], [](const Entry& entry) {
    const auto* grant = std::get_if<Granted>(&entry);
    return grant != nullptr && grant->to == kB && grant->runs.front().file == kFoundY;
  });
  Rng rng(1);
  const JobState job = fold(logs, rng);
  CHECK(job.tests()[index_of(job, "y.py::t0")].verdict == Verdict::kPending);
  CHECK(job.uncollected() == 1);
}

TEST_CASE("found files: no file holds another, however often a node says so", "[report]") {
  JobState job;
  job.apply(kB, Entry{kFound});
  for (int i = 0; i < 50'000; ++i) {
    job.apply(kB, Entry{Expanded{kFoundX, {kFoundY}}});
    job.apply(kB, Entry{Expanded{kFoundY, {kFoundX}}});
  }
  job.apply(kA, Entry{granted(kA, kB, {{kFoundX, 0, 1}})});
  CHECK(job.uncollected() == 1);
  for (const Assignment& one : job.tests()[job.test_at(kFoundY, 0)].assignments) {
    CHECK(one.grants == 0);
  }
}

TEST_CASE("found files: two answers of a node count alike before the grant and after", "[report]") {
  const std::vector<Entry> answers{Expanded{kFoundX, {kX}}, Expanded{kFoundX, {kY}}};
  const Entry grant = granted(kA, kB, {{kFoundX, 0, 1}});
  std::vector<std::string> reports;
  for (std::size_t before = 0; before <= answers.size(); ++before) {
    JobState job;
    job.apply(kA, Entry{test::named(2)});
    job.apply(kA, Entry{Enlisted{kB, 0, 0, 1}});
    for (const Entry& entry :
         std::vector<Entry>{kFound, listed(kX, "x.py", 1), listed(kY, "x.py", {"x.py::other"}),
                            test::finished(kX, 0), test::finished(kY, 0)}) {
      job.apply(kB, entry);
    }
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (i == before) job.apply(kA, grant);
      job.apply(kB, answers[i]);
    }
    if (before == answers.size()) job.apply(kA, grant);
    CHECK(job.counts().passed == 2);
    reports.push_back(format_json(job.summary()));
  }
  CHECK(std::equal(reports.begin() + 1, reports.end(), reports.begin()));
}

TEST_CASE("found files: a job whose files were not all collected is incomplete", "[report]") {
  Logs logs = small_job();
  logs[kA].push_back(Found{{{102, "z.py", 10}}});
  logs[kA].push_back(test::closed(kA));
  Rng rng(1);
  const JobSummary summary = fold(logs, rng).summary();
  CHECK(summary.status == JobStatus::kIncomplete);
  CHECK(summary.tests.size() == 5);
  CHECK(std::find(summary.notes.begin(), summary.notes.end(), "1 file was never collected") !=
        summary.notes.end());
}
