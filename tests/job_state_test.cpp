#include "report/job_state.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "mesh/rng.hpp"
#include "report/json_report.hpp"
#include "tests/support/jobs.hpp"

using namespace dagz;
using namespace dagz::report;
using test::claim_by;
using test::finished;
using test::granted;
using test::listed;
using test::named;
using test::numbered_id;

namespace {

const NodeId kA = numbered_id(1);
const NodeId kB = numbered_id(2);
const NodeId kC = numbered_id(3);

using Log = std::vector<Entry>;
using Logs = std::map<NodeId, Log>;

// The logs in turns that the generator chooses; each in its own order.
JobState fold(const Logs& logs, Rng& rng) {
  JobState job;
  std::map<NodeId, std::size_t> at;
  std::vector<NodeId> open;
  for (const auto& [origin, log] : logs) {
    if (!log.empty()) open.push_back(origin);
  }
  while (!open.empty()) {
    const std::size_t choice = rng.below(open.size());
    const NodeId origin = open[choice];
    // Batches: several in a row.
    const uint64_t run = 1 + rng.below(8);
    for (uint64_t i = 0; i < run && at[origin] < logs.at(origin).size(); ++i) {
      job.apply(origin, logs.at(origin)[at[origin]++]);
    }
    if (at[origin] == logs.at(origin).size()) {
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(choice));
    }
  }
  return job;
}

JobState fold(const Logs& logs) {
  Rng rng(0);
  return fold(logs, rng);
}

// All that a summary says, comparable.
std::string text(const JobState& job) { return format_json(job.summary()); }

Verdict verdict_of(const JobState& job, const std::string& id) {
  for (const Test& test : job.tests()) {
    if (test.id == id) return test.verdict;
  }
  FAIL("no test " << id);
  return Verdict::kPending;
}

// A job of three nodes with every kind of entry, two of them schedulers in turn; drawn from a seed.
Logs draw_job(Rng& rng) {
  Logs logs;
  const std::vector<NodeId> nodes{kA, kB, kC};
  logs[kA].emplace_back(named(2, 1000));
  logs[kB].emplace_back(named(2, 1200, "other"));
  uint32_t number = 0;
  for (const NodeId& node : nodes) {
    logs[node].emplace_back(
        Opened{"host-" + short_name(node), "", 0, node == kA ? "" : "https://" + short_name(node)});
    logs[kA].emplace_back(Enlisted{node, number, number * 2, 2});
    if (rng.chance(1, 2)) {
      const auto revision = static_cast<uint32_t>(rng.below(2));
      logs[kB].emplace_back(Enlisted{node, number + 5, number * 2 + 9, 2, revision});
    }
    ++number;
  }
  const auto files = static_cast<FileKey>(1 + rng.below(4));
  for (FileKey file = 1; file <= files; ++file) {
    const std::string path = "f" + std::to_string(file);
    const auto count = static_cast<uint32_t>(1 + rng.below(6));
    for (const NodeId& node : nodes) {
      if (node != kA && rng.chance(1, 4)) continue;
      logs[node].emplace_back(Offered{file});
      if (node == kA || rng.chance(1, 3)) logs[node].emplace_back(listed(file, path, count));
    }
    if (rng.chance(1, 2)) logs[kA].emplace_back(Grouped{file, "db", {0}});
    for (uint32_t index = 0; index < count; ++index) {
      const uint64_t tries = rng.below(4);
      for (uint64_t attempt = 0; attempt < tries; ++attempt) {
        const NodeId& by = rng.chance(1, 2) ? kA : kB;
        const NodeId& to = nodes[rng.below(3)];
        // Now and then a result that nobody asked for, or a grant that is handed back.
        if (rng.chance(9, 10)) logs[by].emplace_back(granted(by, to, {{file, index, 1}}));
        if (rng.chance(1, 10)) {
          logs[to].emplace_back(GaveUp{0, {{file, index, 1}}});
          continue;
        }
        const auto outcome = static_cast<Outcome>(rng.below(kOutcomeCount));
        const int64_t started = 1000 + static_cast<int64_t>(rng.below(5)) * 100;
        logs[to].emplace_back(finished(file, index, outcome, started));
      }
    }
  }
  for (const NodeId& node : nodes) {
    if (rng.chance(1, 4))
      logs[node].emplace_back(CollectionFailed{"bad", "at " + short_name(node)});
    logs[node].emplace_back(Collected{});
    if (rng.chance(1, 5)) logs[node].emplace_back(Departed{"interrupted"});
  }
  logs[kA].emplace_back(Planned{Duration::seconds(3)});
  logs[kB].emplace_back(Planned{Duration::seconds(4)});
  return logs;
}

}  // namespace

TEST_CASE("job_state: any order between the logs gives the same report", "[report]") {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    INFO("seed " << seed);
    Rng rng(seed);
    Logs logs = draw_job(rng);
    Closed end = test::closed(kA, CloseReason::kComplete);
    end.lost = {kC};
    logs[kA].emplace_back(end);
    const std::string expected = text(fold(logs));
    for (int order = 0; order < 6; ++order) {
      const JobState job = fold(logs, rng);
      REQUIRE(text(job) == expected);
      // The running counts are those of the tests.
      const JobSummary summary = job.summary();
      Counts counted = count_tests(summary.tests, summary.collection_errors.size());
      REQUIRE(counted.passed == summary.counts.passed);
      REQUIRE(counted.failed == summary.counts.failed);
      REQUIRE(counted.flaky == summary.counts.flaky);
      REQUIRE(counted.errors == summary.counts.errors);
      REQUIRE(counted.skipped == summary.counts.skipped);
      REQUIRE(counted.unfinished == summary.counts.unfinished);
      REQUIRE(counted.retrying == summary.counts.retrying);
      REQUIRE(counted.total == summary.counts.total);
    }
  }
}

TEST_CASE("job_state: the dashboard is that of the first node that knows one", "[report]") {
  Logs logs;
  logs[kA] = {Opened{"a", ""}, named(2), Enlisted{kA, 0, 0, 2}, Enlisted{kC, 1, 2, 2},
              Enlisted{kB, 2, 4, 2}};
  CHECK(fold(logs).summary().dashboard_url.empty());
  logs[kB] = {Opened{"b", "", 0, "https://b"}};
  logs[kC] = {Opened{"c", "", 0, "https://c"}};
  const JobState job = fold(logs);
  CHECK(job.summary().dashboard_url == "https://c/jobs/" + job.named()->short_id);
  // Of one that takes no part nobody hears.
  logs[kA].erase(logs[kA].begin() + 3);
  CHECK(fold(logs).summary().dashboard_url == "https://b/jobs/" + job.named()->short_id);
}

TEST_CASE("job_state: of two closings the better claim's counts, in any order", "[report]") {
  Logs logs;
  logs[kA] = {named(0), listed(1, "f", 2), granted(kA, kA, {{1, 0, 1}}), finished(1, 0),
              test::closed(kA, CloseReason::kInterrupted)};
  logs[kB] = {test::closed(kB, CloseReason::kDeadline)};
  const std::string expected = text(fold(logs));
  CHECK(fold(logs).closed()->reason == CloseReason::kInterrupted);
  CHECK(fold(logs).closed_by() == kA);
  Rng rng(3);
  for (int order = 0; order < 20; ++order) CHECK(text(fold(logs, rng)) == expected);
}

TEST_CASE("job_state: a failure before the job's name is retried all the same", "[report]") {
  // The grant is from a scheduler that did not have to name the job.
  Logs logs;
  logs[kA] = {named(2)};
  logs[kB] = {listed(1, "f", 1), granted(kB, kB, {{1, 0, 1}}), finished(1, 0, Outcome::kFailed)};
  JobState name_first;
  for (const Entry& entry : logs[kA]) name_first.apply(kA, entry);
  for (const Entry& entry : logs[kB]) name_first.apply(kB, entry);
  CHECK(verdict_of(name_first, "f::t0") == Verdict::kRetry);
  JobState name_last;
  for (const Entry& entry : logs[kB]) name_last.apply(kB, entry);
  for (const Entry& entry : logs[kA]) name_last.apply(kA, entry);
  CHECK(verdict_of(name_last, "f::t0") == Verdict::kRetry);
  CHECK(text(name_last) == text(name_first));
}

TEST_CASE("job_state: a result counts only from a node that was given the test", "[report]") {
  JobState job;
  job.apply(kA, listed(1, "f", 2));
  job.apply(kA, granted(kA, kB, {{1, 0, 1}}));
  job.apply(kC, finished(1, 0, Outcome::kFailed));
  job.apply(kB, finished(1, 1, Outcome::kPassed));
  CHECK(verdict_of(job, "f::t0") == Verdict::kPending);
  CHECK(verdict_of(job, "f::t1") == Verdict::kPending);
  job.apply(kB, finished(1, 0));
  CHECK(verdict_of(job, "f::t0") == Verdict::kOk);
  CHECK(job.summary().tests[0].attempts.size() == 1);
  // The grant may arrive after the result.
  job.apply(kA, granted(kA, kC, {{1, 0, 1}}));
  CHECK(verdict_of(job, "f::t0") == Verdict::kOkFlaky);
}

TEST_CASE("job_state: nobody grants in another's name", "[report]") {
  // A member that was given nothing says in its own log that it was.
  JobState job;
  job.apply(kA, named(0));
  job.apply(kA, listed(1, "f", 1));
  job.apply(kB, granted(kA, kB, {{1, 0, 1}}));
  job.apply(kB, finished(1, 0, Outcome::kPassed));
  CHECK(verdict_of(job, "f::t0") == Verdict::kPending);
}

TEST_CASE("job_state: nobody closes the job in another's name", "[report]") {
  JobState job;
  job.apply(kB, test::closed(kA));
  CHECK_FALSE(job.closed().has_value());
  job.apply(kB, Closed{});  // without any claim
  CHECK_FALSE(job.closed().has_value());
  job.apply(kA, test::closed(kA));
  CHECK(job.closed().has_value());
}

TEST_CASE("job_state: failing then passing is OK_FLAKY, in either order", "[report]") {
  for (const bool fails_first : {true, false}) {
    JobState job;
    job.apply(kA, named(2));
    job.apply(kA, listed(1, "f", 1));
    job.apply(kA, granted(kA, kB, {{1, 0, 1}}));
    job.apply(kB, finished(1, 0, fails_first ? Outcome::kFailed : Outcome::kPassed));
    CHECK(verdict_of(job, "f::t0") == (fails_first ? Verdict::kRetry : Verdict::kOk));
    CHECK(job.retrying() == (fails_first ? 1 : 0));
    CHECK(job.counts().retrying == job.retrying());
    CHECK(job.summary().counts.retrying == job.retrying());
    job.apply(kA, granted(kA, kC, {{1, 0, 1}}));
    job.apply(kC, finished(1, 0, fails_first ? Outcome::kPassed : Outcome::kFailed));
    CHECK(verdict_of(job, "f::t0") == Verdict::kOkFlaky);
    CHECK(job.counts().flaky == 1);
    CHECK(job.counts().unfinished == 0);
    CHECK(job.retrying() == 0);
  }
}

TEST_CASE("job_state: a test fails when its tries are used up, or the job is closed", "[report]") {
  JobState job;
  job.apply(kA, named(1));
  job.apply(kA, listed(1, "f", 2));
  for (int attempt = 0; attempt < 2; ++attempt) {
    job.apply(kA, granted(kA, kA, {{1, 0, 1}}));
    CHECK(verdict_of(job, "f::t0") == (attempt == 0 ? Verdict::kPending : Verdict::kRetry));
    job.apply(kA, finished(1, 0, Outcome::kFailed));
  }
  CHECK(verdict_of(job, "f::t0") == Verdict::kFailed);
  job.apply(kA, granted(kA, kA, {{1, 1, 1}}));
  job.apply(kA, finished(1, 1, Outcome::kTimedOut));
  CHECK(verdict_of(job, "f::t1") == Verdict::kRetry);
  job.apply(kA, test::closed(kA));
  CHECK(verdict_of(job, "f::t1") == Verdict::kTimeout);
  CHECK(job.summary().status == JobStatus::kFailed);
}

TEST_CASE("job_state: a late word on a tear-down ends the tries and is no try itself", "[report]") {
  JobState job;
  job.apply(kA, named(2));
  job.apply(kA, listed(1, "f", 1));
  job.apply(kA, granted(kA, kA, {{1, 0, 1}}));
  job.apply(kA, finished(1, 0, Outcome::kPassed));
  Finished amend = finished(1, 0, Outcome::kError);
  amend.amends = true;
  job.apply(kA, amend);
  CHECK(verdict_of(job, "f::t0") == Verdict::kError);
  REQUIRE(job.tests()[0].assignments.size() == 1);
  CHECK(job.tests()[0].assignments[0].finished == 1);
}

TEST_CASE("job_state: grants are held until each is answered once", "[report]") {
  JobState job;
  job.apply(kA, listed(1, "f", 1));
  const auto held = [&job] {
    return !job.tests()[0].assignments.empty() && job.tests()[0].assignments[0].held();
  };
  CHECK_FALSE(held());
  job.apply(kA, granted(kA, kB, {{1, 0, 1}}));
  CHECK(held());
  job.apply(kB, GaveUp{0, {{1, 0, 1}}});
  CHECK_FALSE(held());
  job.apply(kA, granted(kA, kB, {{1, 0, 1}}));
  job.apply(kA, granted(kA, kB, {{1, 0, 1}}));
  job.apply(kB, finished(1, 0));
  CHECK(held());
  job.apply(kB, GaveUp{0, {{1, 0, 1}}});
  CHECK_FALSE(held());
}

TEST_CASE("job_state: the same id twice in a file is two tests", "[report]") {
  JobState job;
  job.apply(kA, listed(1, "f", {"x", "y", "x"}));
  CHECK(job.tests().size() == 3);
  CHECK(job.counts().total == 3);
  CHECK(job.test_at(1, 0) != job.test_at(1, 2));
  job.apply(kA, granted(kA, kA, {{1, 0, 3}}));
  job.apply(kA, finished(1, 0));
  CHECK(job.counts().passed == 1);
  job.apply(kA, finished(1, 2));
  CHECK(job.counts().passed == 2);
  // Another node that collected one test more has the same three, and one of its own.
  job.apply(kB, listed(2, "f", {"x", "y", "x", "z"}));
  CHECK(job.counts().total == 4);
  CHECK(job.test_at(2, 2) == job.test_at(1, 2));
}

TEST_CASE("job_state: the same id twice in a file told in parts is two tests", "[report]") {
  JobState job;
  job.apply(kA, Listed{1, "f", 2, 0, {"x"}});
  job.apply(kA, Listed{1, "f", 2, 1, {"x"}});
  CHECK(job.files().at(1).known());
  CHECK(job.counts().total == 2);
  CHECK(job.test_at(1, 0) != job.test_at(1, 1));
}

TEST_CASE("job_state: three of one id keep their places in another version", "[report]") {
  JobState job;
  job.apply(kA, listed(1, "f", {"x", "x", "x"}));
  job.apply(kB, listed(2, "f", {"y", "x", "x", "x"}));
  CHECK(job.counts().total == 4);
  for (uint32_t i = 0; i < 3; ++i) CHECK(job.test_at(1, i) == job.test_at(2, i + 1));
}

TEST_CASE("job_state: an id of two files is reported under the same one everywhere", "[report]") {
  JobState one;
  one.apply(kA, listed(1, "f", {"x"}));
  one.apply(kB, listed(2, "e", {"x"}));
  JobState other;
  other.apply(kB, listed(2, "e", {"x"}));
  other.apply(kA, listed(1, "f", {"x"}));
  CHECK(one.summary().tests.at(0).file == "e");
  CHECK(other.summary().tests.at(0).file == "e");
}

TEST_CASE("job_state: nodes that collected differently make one job", "[report]") {
  JobState job;
  job.apply(kA, Offered{1});
  job.apply(kA, listed(1, "f", {"x", "y"}));
  job.apply(kB, Offered{2});
  job.apply(kB, listed(2, "f", {"y", "z"}));
  CHECK(job.counts().total == 3);
  const NodeIndex a = job.node_index(kA);
  const NodeIndex b = job.node_index(kB);
  const TestIndex x = job.test_at(1, 0);
  const TestIndex y = job.test_at(1, 1);
  const TestIndex z = job.test_at(2, 1);
  CHECK(job.test_at(2, 0) == y);
  CHECK(job.place_on(x, a)->index == 0);
  CHECK_FALSE(job.place_on(x, b).has_value());
  CHECK(job.place_on(y, a)->index == 1);
  CHECK(job.place_on(y, b)->index == 0);
  CHECK(job.place_on(y, b)->file == 2);
  CHECK_FALSE(job.place_on(z, a).has_value());
  // A result from either place is one of the same test.
  job.apply(kA, named(2));
  job.apply(kA, granted(kA, kA, {{1, 1, 1}}));
  job.apply(kA, granted(kA, kB, {{2, 0, 1}}));
  job.apply(kA, finished(1, 1, Outcome::kFailed));
  job.apply(kB, finished(2, 0, Outcome::kPassed));
  CHECK(job.tests()[y].verdict == Verdict::kOkFlaky);
}

TEST_CASE("job_state: what speaks of unknown names waits for them", "[report]") {
  JobState job;
  job.apply(kB, finished(1, 1));
  job.apply(kA, granted(kA, kB, {{1, 0, 2}, {2, 0, 1}}, true));
  job.apply(kC, Grouped{1, "db", {1}});
  CHECK(job.tests().empty());
  job.apply(kA, Listed{1, "f", 2, 0, {"x"}});
  CHECK_FALSE(job.files().at(1).known());
  CHECK(job.counts().passed == 0);
  job.apply(kA, Listed{1, "f", 2, 1, {"y"}});
  CHECK(job.counts().passed == 1);
  CHECK(job.tests()[job.test_at(1, 0)].assignments[0].held());
  CHECK(job.group(job.tests()[job.test_at(1, 1)].group) == "db");
  CHECK(job.tests()[job.test_at(1, 0)].group == 0);
  job.apply(kA, listed(2, "g", 1));
  CHECK(job.tests()[job.test_at(2, 0)].assignments[0].grants == 1);
  // However many parts waited, it was one steal.
  CHECK(job.steals() == 1);
}

TEST_CASE("job_state: groups join tests of several files by their name", "[report]") {
  JobState job;
  job.apply(kA, listed(1, "f", 2));
  job.apply(kA, listed(2, "g", 2));
  job.apply(kA, Grouped{1, "db", {0, 99}});
  job.apply(kA, Grouped{2, "db", {1}});
  CHECK(job.tests()[job.test_at(1, 0)].group == job.tests()[job.test_at(2, 1)].group);
  CHECK(job.tests()[job.test_at(1, 0)].group != 0);
  CHECK(job.tests()[job.test_at(1, 1)].group == 0);
}

TEST_CASE("job_state: names told twice, or beyond the file's end, change nothing", "[report]") {
  JobState job;
  job.apply(kA, listed(1, "f", 2));
  job.apply(kB, listed(1, "f", 2));
  CHECK(job.counts().total == 2);
  job.apply(kA, Listed{2, "g", 1, 5, {"beyond"}});
  CHECK(job.counts().total == 2);
  job.apply(kA, Listed{3, "h", static_cast<uint32_t>(kTestsPerFileMax) + 1, 0, {"too many"}});
  CHECK(job.counts().total == 2);
  CHECK(job.test_at(3, 0) == kNone);
  CHECK(job.is_too_large());
}

TEST_CASE("job_state: a file counts in full from its first names on", "[report]") {
  const auto some = static_cast<uint32_t>(kTestsPerFileMax);
  JobState job;
  for (uint32_t file = 1; file <= kJobTestsMax / kTestsPerFileMax; ++file) {
    job.apply(kA, Listed{file, std::to_string(file), some, 0, {std::to_string(file)}});
  }
  // The rest of it is no further file.
  job.apply(kA, Listed{1, "1", some, 1, {"more"}});
  CHECK(job.counts().total == 9);
  CHECK_FALSE(job.is_too_large());
  job.apply(kA, Listed{99, "99", 1, 0, {"too much"}});
  CHECK(job.counts().total == 9);
  CHECK(job.is_too_large());
}

TEST_CASE("job_state: a job of which something was left out is incomplete", "[report]") {
  JobState job;
  job.apply(kA, listed(1, "f", 1));
  job.apply(kA, granted(kA, kA, {{1, 0, 1}}));
  job.apply(kA, finished(1, 0));
  job.apply(kA, Listed{3, "h", static_cast<uint32_t>(kTestsPerFileMax) + 1, 0, {"too many"}});
  job.apply(kA, test::closed(kA));
  CHECK(job.summary().status == JobStatus::kIncomplete);
}

TEST_CASE("job_state: places that do not exist are ignored", "[report]") {
  JobState job;
  job.apply(kA, listed(1, "f", 2));
  job.apply(kA, granted(kA, kA, {{1, 1, UINT32_MAX}, {1, UINT32_MAX, UINT32_MAX}}));
  CHECK(job.tests()[0].assignments.empty());
  CHECK(job.tests()[1].assignments[0].grants == 1);
  job.apply(kA, finished(1, 7));
  job.apply(kA, GaveUp{0, {{1, 2, 9}}});
  CHECK(job.counts().unfinished == 2);
}

TEST_CASE("job_state: one collection error is told once, in the words that sort first",
          "[report]") {
  for (const bool swap : {false, true}) {
    JobState job;
    job.apply(swap ? kB : kA, CollectionFailed{"bad.py", swap ? "line 2" : "line 1"});
    job.apply(swap ? kA : kB, CollectionFailed{"bad.py", swap ? "line 1" : "line 2"});
    CHECK(job.collection_errors() == 1);
    CHECK(job.summary().collection_errors[0].text == "line 1");
    CHECK(job.summary().counts.errors == 1);
  }
}

TEST_CASE("job_state: a node is enlisted with no more workers than a node may have", "[report]") {
  JobState job;
  job.apply(kA, Enlisted{kB, 0, UINT32_MAX, UINT32_MAX});
  const Enlisted& b = *job.nodes()[job.node_index(kB)].enlisted;
  CHECK(b.workers == mesh::kWorkersMax);
  CHECK(job.workers_enlisted() == UINT32_MAX);
  CHECK(b.first_worker + b.workers == UINT32_MAX);
}

TEST_CASE("job_state: a node keeps the number of the first scheduler by id", "[report]") {
  for (const bool swap : {false, true}) {
    JobState job;
    for (const NodeId& by : swap ? std::vector{kB, kA} : std::vector{kA, kB}) {
      job.apply(by, Enlisted{kC, by == kA ? 4U : 7U, by == kA ? 8U : 14U, 2});
    }
    CHECK(job.nodes()[job.node_index(kC)].enlisted->number == 4);
    CHECK(job.workers_enlisted() == 10);
  }
}

TEST_CASE("job_state: of a node's numbers those of the highest revision count", "[report]") {
  for (const bool swap : {false, true}) {
    JobState job;
    const std::vector<std::pair<NodeId, Enlisted>> first{{kA, {kC, 0, 0, 2}},
                                                         {kB, {kC, 3, 6, 2, 1}}};
    for (const auto& [by, entry] : first) {
      if (!swap) job.apply(by, entry);
    }
    for (auto one = first.rbegin(); swap && one != first.rend(); ++one) {
      job.apply(one->first, one->second);
    }
    CHECK(job.nodes()[job.node_index(kC)].enlisted->number == 3);
    CHECK(job.worker_number(job.node_index(kC), 1) == 7);
    const uint64_t before = job.enlistments();
    job.apply(kA, Enlisted{kC, 0, 0, 2});
    job.apply(kA, Enlisted{kC, 9, 9, 2, kRevisionMax + 1});
    CHECK(job.enlistments() == before);
    CHECK(job.nodes()[job.node_index(kC)].enlisted->number == 3);
  }
}

TEST_CASE("job_state: the report names the worker as its node is numbered at the end", "[report]") {
  JobState job;
  job.apply(kA, Enlisted{kA, 0, 0, 2});
  job.apply(kB, Enlisted{kB, 0, 0, 2});
  job.apply(kB, listed(test::kFile, "f", 1));
  job.apply(kB, Offered{test::kFile});
  job.apply(kB, granted(kB, kB, {{test::kFile, 0, 1}}));
  Finished result = finished(test::kFile, 0);
  result.slot = 1;
  job.apply(kB, result);
  CHECK(job.summary().tests[0].attempts[0].worker == 1);
  job.apply(kA, Enlisted{kB, 1, 2, 2, 1});
  CHECK(job.summary().tests[0].attempts[0].worker == 3);
  CHECK(job.summary().tests[0].attempts[0].node == "node-1");
}

TEST_CASE("job_state: a scheduler that has waited long enough wants it now", "[report]") {
  JobState job;
  for (const bool now : {false, true, false}) job.apply(kA, Draining{claim_by(kA, 1), now});
  CHECK(job.nodes()[job.node_index(kA)].draining->now);
}

TEST_CASE("job_state: what one scheduler wants torn down is no matter of when another's log comes",
          "[report]") {
  const Draining first{claim_by(kA, 1), true};
  const Draining then{claim_by(kB, 2), false};
  for (const bool late : {false, true}) {
    JobState job;
    if (!late) job.apply(kA, first);
    job.apply(kB, then);
    job.apply(kB, Draining{claim_by(kB, 1), true});  // worse than its last
    job.apply(kB, Draining{claim_by(kA, 9), true});  // not its own
    if (late) job.apply(kA, first);
    const auto& a = job.nodes()[job.node_index(kA)].draining;
    const auto& b = job.nodes()[job.node_index(kB)].draining;
    REQUIRE((a && b));
    CHECK((a->claim == first.claim && a->now));
    CHECK((b->claim == then.claim && !b->now));
  }
}

TEST_CASE("job_state: the status of a closed job", "[report]") {
  const auto status = [](CloseReason reason, std::optional<Outcome> outcome, uint32_t tests) {
    JobState job;
    job.apply(kA, named(0));
    if (tests > 0) job.apply(kA, listed(1, "f", tests));
    CHECK(job.summary().status == JobStatus::kRunning);
    if (outcome) {
      job.apply(kA, granted(kA, kA, {{1, 0, 1}}));
      job.apply(kA, finished(1, 0, *outcome));
    }
    job.apply(kA, test::closed(kA, reason));
    return job.summary().status;
  };
  CHECK(status(CloseReason::kComplete, Outcome::kPassed, 1) == JobStatus::kPassed);
  CHECK(status(CloseReason::kComplete, Outcome::kPassed, 2) == JobStatus::kIncomplete);
  CHECK(status(CloseReason::kStopped, Outcome::kFailed, 2) == JobStatus::kFailed);
  CHECK(status(CloseReason::kInterrupted, Outcome::kFailed, 1) == JobStatus::kInterrupted);
  CHECK(status(CloseReason::kComplete, std::nullopt, 0) == JobStatus::kEmpty);
}

TEST_CASE("job_state: where flaky tests fail the job, it says so", "[report]") {
  const auto ended = [](bool flaky_fails, bool mended) {
    JobState job;
    Named name = named(1);
    name.flaky_fails = flaky_fails;
    job.apply(kA, name);
    job.apply(kA, listed(1, "f", 1));
    job.apply(kA, granted(kA, kA, {{1, 0, 1}}));
    if (mended) job.apply(kA, finished(1, 0, Outcome::kFailed));
    job.apply(kA, finished(1, 0, Outcome::kPassed));
    job.apply(kA, test::closed(kA));
    return job.summary();
  };
  const JobSummary failed = ended(true, true);
  CHECK(failed.status == JobStatus::kFailed);
  CHECK(failed.notes == std::vector<std::string>{"--flaky fail: 1 flaky test fails the job"});
  for (const JobSummary& passed : {ended(true, false), ended(false, true)}) {
    CHECK((passed.status == JobStatus::kPassed && passed.notes.empty()));
  }
}

TEST_CASE("job_state: where different collections fail the job, it says so", "[report]") {
  const auto ended = [](bool strict, bool same) {
    JobState job;
    Named name = named(0);
    name.strict_collection = strict;
    job.apply(kA, name);
    uint32_t number = 0;
    for (const NodeId& node : {kA, kB}) {
      const FileKey key = same || node == kA ? 1 : 2;
      job.apply(kA, Enlisted{node, number, number, 1});
      job.apply(node, Offered{key});
      job.apply(node, listed(key, "f", 1));
      job.apply(node, Collected{});
      ++number;
    }
    job.apply(kA, granted(kA, kA, {{1, 0, 1}}));
    job.apply(kA, finished(1, 0, Outcome::kPassed));
    job.apply(kA, test::closed(kA));
    return job.summary();
  };
  const std::string difference = "node-1 collected other tests than node-0 in f";
  const JobSummary failed = ended(true, false);
  CHECK(failed.status == JobStatus::kFailed);
  CHECK(failed.notes == std::vector<std::string>{
                            "--strict-collection: different collections fail the job", difference});
  CHECK(ended(false, false).notes == std::vector<std::string>{difference});
  for (const JobSummary& passed : {ended(true, true), ended(false, false)}) {
    CHECK(passed.status == JobStatus::kPassed);
  }
}

TEST_CASE("job_state: of a job named twice, the earlier name decides how strict it is",
          "[report]") {
  Named first = named(1, 1000);
  first.flaky_fails = true;
  Named second = named(1, 2000, "other");
  second.strict_collection = true;
  for (const bool late : {false, true}) {
    JobState job;
    if (!late) job.apply(kA, first);
    job.apply(kB, second);
    if (late) job.apply(kA, first);
    const JobSummary summary = job.summary();
    CHECK((summary.flaky_fails && !summary.strict_collection));
  }
}

TEST_CASE("job_state: a job that ends before anything is collected is not empty", "[report]") {
  const auto status = [](CloseReason reason, const std::vector<Entry>& told_by_b) {
    JobState job;
    job.apply(kA, named(0));
    job.apply(kA, Enlisted{kA, 0, 0, 1});
    job.apply(kA, Enlisted{kB, 1, 1, 1});
    job.apply(kA, Collected{});
    for (const Entry& entry : told_by_b) job.apply(kB, entry);
    job.apply(kA, test::closed(kA, reason));
    return job.summary().status;
  };
  for (const auto reason : {CloseReason::kDeadline, CloseReason::kStopped}) {
    CHECK(status(reason, {}) == JobStatus::kIncomplete);
    // All have looked, but for those that cannot or are gone.
    CHECK(status(reason, {Collected{}}) == JobStatus::kEmpty);
    CHECK(status(reason, {Unable{16, "no pytest"}}) == JobStatus::kEmpty);
    CHECK(status(reason, {Departed{}}) == JobStatus::kEmpty);
    // Something was found, and nobody has told the names.
    CHECK(status(reason, {Offered{1}, Collected{}}) == JobStatus::kIncomplete);
  }
  CHECK(status(CloseReason::kInterrupted, {}) == JobStatus::kInterrupted);
}

TEST_CASE("job_state: every change is told to those who keep books", "[report]") {
  JobState job;
  job.apply(kA, listed(1, "f", 1));
  job.apply(kA, granted(kA, kB, {{1, 0, 1}}));
  job.apply(kB, GaveUp{0, {{1, 0, 1}}});
  job.apply(kB, finished(1, 0));
  const auto changes = job.take_changes();
  REQUIRE(changes.size() == 4);
  CHECK(changes[0].kind == Change::Kind::kKnown);
  CHECK(changes[1].kind == Change::Kind::kGranted);
  CHECK(changes[1].node == job.node_index(kB));
  CHECK(changes[2].kind == Change::Kind::kReleased);
  CHECK(changes[3].kind == Change::Kind::kFinished);
  CHECK(job.take_changes().empty());
}

TEST_CASE("job_state: a run that ended with the job is shown, but is no result", "[report]") {
  JobState job;
  job.apply(kA, listed(1, "f", 2));
  job.apply(kA, granted(kA, kB, {{1, 0, 2}}));
  for (const uint32_t index : {0U, 1U}) {
    job.apply(kB, finished(1, index, Outcome::kStopped, 1000));
  }
  CHECK(job.counts().unfinished == 2);
  CHECK_FALSE(job.tests()[0].assignments[0].held());
  // Should the job go on, it is run once more, and that counts.
  job.apply(kA, granted(kA, kA, {{1, 1, 1}}));
  job.apply(kA, finished(1, 1, Outcome::kPassed, 2000));
  job.apply(kA, test::closed(kA, CloseReason::kDeadline));
  const JobSummary summary = job.summary();
  CHECK(was_stopped(summary.tests[0]));
  CHECK_FALSE(was_stopped(summary.tests[1]));
  REQUIRE(summary.tests[1].attempts.size() == 1);
  CHECK(summary.tests[1].attempts[0].outcome == Outcome::kPassed);
  CHECK((summary.counts.unfinished == 1 && summary.counts.passed == 1));
}

TEST_CASE("job_state: absurd times from elsewhere do not overflow", "[report]") {
  JobState job;
  job.apply(kA, named(0, 1000));
  job.apply(kA, Enlisted{kA, 0, 0, 2});
  job.apply(kA, listed(1, "f", 2));
  job.apply(kA, granted(kA, kA, {{1, 0, 2}}));
  for (const uint32_t index : {0U, 1U}) {
    Finished result = finished(1, index, Outcome::kPassed, INT64_MIN);
    result.duration = Duration{INT64_MAX};
    job.apply(kA, result);
  }
  job.apply(kA, test::closed(kA));
  const JobSummary summary = job.summary();
  CHECK(summary.tests[0].attempts[0].started_after == Duration{});
  CHECK(summary.ideal > Duration{});
  CHECK(summary.saved > Duration{});

  // As long as any time may be, and so many that the sum is longer than there are times.
  for (int i = 0; i < 4000; ++i) {
    Finished result = finished(1, 0, Outcome::kPassed, INT64_MAX);
    result.duration = Duration{INT64_MAX};
    job.apply(kA, result);
  }
  const JobSummary more = job.summary();
  CHECK(more.ideal == Duration{INT64_MAX});
  CHECK(more.tests[0].attempts.back().started_after > Duration{});
}

TEST_CASE("job: a redundant test that runs all the same has its outcome", "[report]") {
  const auto redundant = report::Redundant{1000, {{test::kFile, 0, 2}}, {}};
  const auto fold = [&](bool late) {
    JobState job;
    job.apply(kA, report::Offered{test::kFile});
    if (!late) job.apply(kA, redundant);
    job.apply(kA, test::listed(test::kFile, "f", 2));
    job.apply(kA, test::granted(kA, kB, {{test::kFile, 0, 1}}));
    job.apply(kB, test::finished(test::kFile, 0, Outcome::kFailed));
    if (late) {
      CHECK(job.tests()[1].verdict == Verdict::kPending);
      job.apply(kA, redundant);
    }
    CHECK(job.tests()[0].verdict == Verdict::kFailed);
    CHECK(job.tests()[1].verdict == Verdict::kRedundant);
    CHECK(job.counts().redundant == 1);
  };
  fold(false);
  fold(true);
}

TEST_CASE("job: a second copy counts if it is good and the first run has no result", "[report]") {
  const auto verdict = [](std::optional<Outcome> first, Outcome copy) {
    Logs logs;
    Granted second = granted(kA, kB, {{1, 0, 1}});
    second.copies = true;
    Finished result = finished(1, 0, copy);
    result.copy = true;
    logs[kA] = {named(2), listed(1, "f", 1), granted(kA, kA, {{1, 0, 1}}), second};
    if (first) logs[kA].push_back(finished(1, 0, *first));
    logs[kB] = {result};
    const std::string expected = text(fold(logs));
    for (uint64_t seed = 1; seed < 20; ++seed) {
      Rng rng(seed);
      CHECK(text(fold(logs, rng)) == expected);
    }
    const JobState job = fold(logs);
    CHECK(job.counts().total == 1);
    return job.tests()[0].verdict;
  };
  CHECK(verdict({}, Outcome::kPassed) == Verdict::kOk);
  CHECK(verdict({}, Outcome::kFailed) == Verdict::kPending);
  CHECK(verdict(Outcome::kPassed, Outcome::kFailed) == Verdict::kOk);
  CHECK(verdict(Outcome::kFailed, Outcome::kPassed) == Verdict::kRetry);
  CHECK(verdict(Outcome::kSkipped, Outcome::kPassed) == Verdict::kSkipped);
}

TEST_CASE("job: what passed in an older attempt than anybody remembers is not left out",
          "[report]") {
  const std::vector<std::pair<NodeId, Entry>> entries = {
      {kA, report::Remembered{"job/1", "j0101.1", 1000, 2}},
      {kA, report::Redundant{1000, {{test::kFile, 0, 2}}, {}}},
      {kB, report::Remembered{"job/2", "j0101.2", 2000, 1}},
      {kB, report::Redundant{2000, {{test::kFile, 1, 1}}, {}}},
  };
  // All merges of the two logs.
  for (const std::vector<std::size_t>& order : std::vector<std::vector<std::size_t>>{
           {0, 1, 2, 3}, {0, 2, 1, 3}, {0, 2, 3, 1}, {2, 0, 1, 3}, {2, 0, 3, 1}, {2, 3, 0, 1}}) {
    JobState job;
    job.apply(kA, test::listed(test::kFile, "f", 2));
    for (const std::size_t i : order) job.apply(entries[i].first, entries[i].second);
    CHECK(job.attempt_before_ms() == 2000);
    CHECK(job.tests()[0].verdict == Verdict::kPending);
    CHECK(job.tests()[1].verdict == Verdict::kRedundant);
    CHECK(job.counts().redundant == 1);
    CHECK(job.counts().unfinished == 1);
  }
  // Whoever keeps books hears that it is open again.
  JobState job;
  job.apply(kA, test::listed(test::kFile, "f", 2));
  job.apply(kA, entries[0].second);
  job.apply(kA, entries[1].second);
  job.take_changes();
  job.apply(kB, entries[2].second);
  CHECK(job.take_changes().size() == 2);
}
