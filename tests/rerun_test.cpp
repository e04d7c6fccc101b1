#include "sched/rerun.hpp"

#include <catch2/catch.hpp>

#include "sched/test_hash.hpp"
#include "tests/support/scheduler_bench.hpp"

// What nodes know of the attempt before, who tells whom, and what the scheduler leaves out for it.

using namespace dagz;
using namespace dagz::sched;
using namespace dagz::test;

namespace {

EarlierAttempt attempt(int number, const std::vector<std::string>& passed) {
  EarlierAttempt one{
      "job/" + std::to_string(number), "j0101." + std::to_string(number), 1000 * number, {}};
  for (const std::string& id : passed) one.passed.insert(test_hash(id));
  return one;
}

void open(Rerun& rerun, const NodeId& node, const std::optional<EarlierAttempt>& own) {
  rerun.seen(node, report::Opened{});
  if (const auto entry = Rerun(own).opening()) rerun.seen(node, *entry);
}

report::PassedBefore passed_before(const EarlierAttempt& one) {
  return {one.full_id, one.started_wall_ms, {one.passed.begin(), one.passed.end()}};
}

}  // namespace

TEST_CASE("rerun: who remembers nothing knows of nothing that passed", "[sched]") {
  Rerun rerun;
  open(rerun, kA, std::nullopt);
  CHECK_FALSE(rerun.opening().has_value());
  CHECK_FALSE(rerun.has_passed("f::t"));
  CHECK(rerun.is_empty());
  CHECK_FALSE(rerun.may_have_to_tell());
  CHECK(rerun.tell(kA, {kA}).empty());
}

TEST_CASE("rerun: one's own memory is there from the beginning", "[sched]") {
  const Rerun rerun(attempt(1, {"f::a", "f::b"}));
  CHECK(rerun.has_passed("f::a"));
  CHECK_FALSE(rerun.has_passed("f::c"));
  REQUIRE(rerun.opening().has_value());
  CHECK(rerun.opening()->full_id == "job/1");
  CHECK(rerun.opening()->passed == 2);
  CHECK(rerun.from_others() == nullptr);
}

TEST_CASE("rerun: who remembers tells those that do not, once", "[sched]") {
  const auto known = attempt(1, {"f::a", "f::b"});
  Rerun rerun(known);
  open(rerun, kA, known);
  open(rerun, kB, known);
  CHECK_FALSE(rerun.may_have_to_tell());
  open(rerun, kC, std::nullopt);
  CHECK(rerun.may_have_to_tell());
  // Whoever lacks it is gone.
  CHECK(rerun.tell(kA, {kA, kB}).empty());
  const auto parts = rerun.tell(kA, {kA, kB, kC});
  REQUIRE(parts.size() == 1);
  CHECK(parts[0].tests.size() == 2);
  CHECK(rerun.tell(kA, {kA, kB, kC}).empty());

  Rerun ignorant;
  open(ignorant, kA, known);
  CHECK_FALSE(ignorant.has_passed("f::a"));
  CHECK(ignorant.seen(kA, parts[0]));
  CHECK(ignorant.has_passed("f::a"));
  CHECK(ignorant.has_passed("f::b"));
  CHECK_FALSE(ignorant.has_passed("f::c"));
  REQUIRE(ignorant.from_others() != nullptr);
  CHECK(ignorant.from_others()->short_id == "j0101.1");
  // Said again it is no news.
  CHECK_FALSE(ignorant.seen(kB, parts[0]));
}

TEST_CASE("rerun: the first of those that remember tells, and the next one if it is gone",
          "[sched]") {
  const auto known = attempt(1, {"f::a"});
  Rerun second(known);
  open(second, kA, known);
  open(second, kB, known);
  open(second, kC, std::nullopt);
  CHECK(second.tell(kB, {kA, kB, kC}).empty());
  SECTION("it is gone") { CHECK(second.tell(kB, {kB, kC}).size() == 1); }
  SECTION("it has told") {
    second.seen(kA, passed_before(known));
    CHECK(second.tell(kB, {kB, kC}).empty());
    CHECK_FALSE(second.may_have_to_tell());
  }
}

TEST_CASE("rerun: the newest attempt decides, in any order", "[sched]") {
  const auto older = attempt(1, {"f::a", "f::b"});
  const auto newer = attempt(2, {"f::b", "f::c"});
  const auto check = [](const Rerun& rerun) {
    CHECK_FALSE(rerun.has_passed("f::a"));
    CHECK(rerun.has_passed("f::b"));
    CHECK(rerun.has_passed("f::c"));
  };
  for (const bool newer_first : {false, true}) {
    Rerun rerun(older);
    open(rerun, kA, older);
    if (newer_first) {
      open(rerun, kC, newer);
      rerun.seen(kC, passed_before(newer));
    }
    open(rerun, kB, older);
    rerun.seen(kB, passed_before(older));
    if (!newer_first) {
      CHECK(rerun.has_passed("f::a"));
      open(rerun, kC, newer);
      CHECK_FALSE(rerun.has_passed("f::a"));
      CHECK(rerun.seen(kC, passed_before(newer)));
    }
    check(rerun);
    CHECK(rerun.from_others()->full_id == "job/2");
    CHECK_FALSE(rerun.may_have_to_tell());
  }
  // Its own memory is not shaken by an older one.
  Rerun rerun(newer);
  open(rerun, kA, newer);
  CHECK_FALSE(rerun.seen(kB, *Rerun(older).opening()));
  rerun.seen(kB, passed_before(older));
  check(rerun);
  CHECK(rerun.may_have_to_tell());
}

TEST_CASE("rerun: what somebody leaves out tells of an attempt whose word is missing", "[sched]") {
  Rerun rerun(attempt(1, {"f::a"}));
  CHECK(rerun.seen(kB, report::Redundant{2000, {}, {}}));
  CHECK_FALSE(rerun.has_passed("f::a"));
  CHECK(rerun.attempt_wall_ms() == 2000);
  CHECK_FALSE(rerun.seen(kB, report::Redundant{1000, {}, {}}));
  // That word comes after all.
  const auto newer = attempt(2, {"f::b"});
  open(rerun, kC, newer);
  CHECK(rerun.seen(kC, passed_before(newer)));
  CHECK(rerun.has_passed("f::b"));
  CHECK_FALSE(rerun.has_passed("f::a"));
}

TEST_CASE("rerun: after an attempt that passed everything runs, whatever was before", "[sched]") {
  const auto older = attempt(1, {"f::a"});
  const auto passed = attempt(2, {});
  Rerun rerun(older);
  open(rerun, kA, older);
  CHECK(rerun.has_passed("f::a"));
  open(rerun, kB, passed);
  CHECK_FALSE(rerun.has_passed("f::a"));
  CHECK(rerun.is_empty());
  Rerun other(passed);
  open(other, kB, passed);
  open(other, kA, older);
  CHECK_FALSE(other.may_have_to_tell());
}

TEST_CASE("rerun: a long list is told in parts", "[sched]") {
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < 2 * report::kHashesPerEntryMax + 1; ++i) {
    ids.push_back("f::t" + std::to_string(i));
  }
  const auto known = attempt(1, ids);
  Rerun rerun(known);
  open(rerun, kA, known);
  open(rerun, kB, std::nullopt);
  const auto parts = rerun.tell(kA, {kB});
  REQUIRE(parts.size() == 3);
  CHECK(parts[2].tests.size() == 1);
  Rerun other;
  open(other, kA, known);
  for (const auto& part : parts) other.seen(kA, part);
  for (const std::string& id : ids) CHECK(other.has_passed(id));
}

TEST_CASE("rerun: the hash of an id is the same everywhere", "[sched]") {
  static_assert(test_hash("") == 0xfdbd'f6ac'b278'd8d3);
  static_assert(test_hash("tests/test_a.py::test_x") == 0x7d44'eb8a'741b'a16c);
  CHECK(test_hash("tests/test_a.py::test_x") != test_hash("tests/test_a.py::test_y"));
}

namespace {

using Bench = test::SchedulerBench;

EarlierAttempt earlier(const std::vector<std::string>& passed) {
  EarlierAttempt attempt{"job/1", "j0101.1", 1000, {}};
  for (const std::string& id : passed) attempt.passed.insert(test_hash(id));
  return attempt;
}

}  // namespace

TEST_CASE("scheduler: what passed in an earlier attempt is not run again", "[sched]") {
  std::vector<KnownDuration> known;
  for (const std::string& id : names_of("f", 5)) known.push_back({id, Duration::seconds(2)});
  SchedulerBench bench({}, known, earlier({"f::t0", "f::t1", "f::t3", "gone::t0"}));
  bench.join_ready(kA, 5);
  bench.advance();
  CHECK(bench.held(kA).size() == 2);
  CHECK(bench.job.counts().redundant == 3);
  CHECK(bench.job.counts().unfinished == 2);
  bench.finish(kA);
  bench.ask(kA);
  bench.drain(kA);
  bench.advance();
  const report::JobSummary summary = bench.job.summary();
  CHECK(summary.status == report::JobStatus::kPassed);
  CHECK(bench.job.tests()[0].redundant_took == Duration::seconds(2));
  // A successor that knows nothing of it leaves it at that.
  SchedulerBench heir;
  heir.self = kB;
  for (const auto& [origin, entry] : bench.log) {
    if (!std::holds_alternative<report::Closed>(entry)) heir.write(origin, entry);
  }
  CHECK(heir.job.counts().redundant == 3);
}

TEST_CASE("rerun: people are told how many tests are left out", "[sched]") {
  const std::string unless = " not run again, unless in one chain with a test that must run";
  CHECK(left_out(1) == "the 1 test that passed there is" + unless);
  CHECK(left_out(22) == "the 22 tests that passed there are" + unless);
}

TEST_CASE("scheduler: a chain of which one test must run runs whole", "[sched]") {
  SchedulerBench bench({}, {}, earlier({"f::t0", "f::t1", "f::t3", "g::t0", "h::t0", "h::t1"}));
  bench.join(kA);
  const auto collect = [&bench](report::FileKey file, const std::string& path, uint32_t tests) {
    bench.write(kA, report::Offered{file});
    bench.write(kA, listed(file, path, tests));
  };
  // Of f, t2 has failed; of g, t1 is new; all of h passed.
  bench.write(kA, report::Grouped{1, "in order: f", {1, 2, 3}});
  collect(1, "f", 4);
  // The names of a chain's files come one after the other.
  bench.write(kA, report::Grouped{2, "in order", {0}});
  collect(2, "h", 2);
  bench.advance();
  CHECK(bench.job.counts().redundant == 2);
  bench.write(kA, report::Grouped{3, "in order", {0, 1}});
  collect(3, "g", 2);
  bench.write(kA, report::Grouped{4, "an xdist_group", {0, 1}});
  collect(4, "k", 2);
  bench.advance();
  bench.collected(kA);
  bench.advance();
  const auto runs = [&bench](const std::string& id) {
    return bench.job.tests()[bench.job.find_test(id)].verdict == report::Verdict::kPending;
  };
  for (const char* id : {"f::t1", "f::t2", "f::t3", "g::t0", "g::t1", "h::t0"}) {
    CAPTURE(id);
    CHECK(runs(id));
  }
  CHECK_FALSE(runs("f::t0"));
  CHECK_FALSE(runs("h::t1"));
  CHECK(bench.held(kA).size() == 8);
  // Once more, now that they are granted: nothing of it is taken back.
  bench.advance();
  CHECK(bench.job.counts().redundant == 2);
}

TEST_CASE("scheduler: a chain that passed is left out, and so is one of a group", "[sched]") {
  SchedulerBench bench({}, {}, earlier({"f::t0", "f::t1", "f::t2"}));
  bench.write(kA, report::Grouped{kFile, "in order: f", {0, 1}});
  bench.write(kA, report::Grouped{kFile, "an xdist_group", {2, 3}});
  bench.join_ready(kA, 4);
  bench.advance();
  CHECK(bench.job.counts().redundant == 3);
  CHECK(bench.held(kA).size() == 1);
}

TEST_CASE("scheduler: a rerun in which everything is redundant ends, and passes", "[sched]") {
  SchedulerBench bench({}, {}, earlier(names_of("f", 3)));
  bench.join_ready(kA, 3);
  bench.advance();
  REQUIRE(bench.written<report::Draining>().size() == 1);
  bench.drain(kA);
  bench.advance();
  REQUIRE(bench.closed.size() == 1);
  CHECK(bench.job.summary().status == report::JobStatus::kPassed);
}

TEST_CASE("scheduler: what another node knows to have passed is taken back", "[sched]") {
  const EarlierAttempt before = earlier({"f::t0", "f::t1", "f::t3"});
  SchedulerBench bench;
  bench.join_ready(kA, 5);
  bench.advance();
  REQUIRE(bench.held(kA).size() == 5);
  // One has begun, and ends: its outcome counts.
  bench.write(kA, finished(kFile, 0, report::Outcome::kFailed));
  bench.write(kB, report::Opened{});
  bench.write(kB, *Rerun(before).opening());
  bench.write(kB, report::PassedBefore{before.full_id,
                                       before.started_wall_ms,
                                       {before.passed.begin(), before.passed.end()}});
  bench.advance();
  REQUIRE(bench.written<report::Redundant>().size() == 1);
  CHECK(bench.job.counts().redundant == 2);
  CHECK(bench.job.tests()[0].verdict == report::Verdict::kRetry);
  // What was given up is not granted again.
  bench.write(kA, report::GaveUp{0, {{kFile, 1, 1}, {kFile, 3, 1}}});
  bench.advance();
  CHECK(bench.written<report::Redundant>().size() == 1);
  for (const report::Place& place : bench.held(kA)) {
    CHECK((place.index != 1 && place.index != 3));
  }
}

TEST_CASE("scheduler: what a newer attempt passed too is left out while all is torn down",
          "[sched]") {
  SchedulerBench bench({}, {}, earlier({"f::t0"}));
  bench.write(kA, *bench.rerun.opening());
  bench.join_ready(kA, 1);
  bench.advance();
  REQUIRE(bench.written<report::Draining>().size() == 1);
  bench.write(kB, report::Remembered{"job/2", "j0101.2", 2000, 1});
  bench.write(kB, report::PassedBefore{"job/2", 2000, {test_hash("f::t0")}});
  bench.drain(kA);
  bench.advance();
  REQUIRE(bench.closed.size() == 1);
  CHECK(bench.job.counts().redundant == 1);
  CHECK(bench.job.counts().unfinished == 0);
}

TEST_CASE("scheduler: what was left out for an older attempt is granted after all", "[sched]") {
  SchedulerBench bench({}, {}, earlier({"f::t0", "f::t1"}));
  bench.write(kA, *bench.rerun.opening());
  bench.join_ready(kA, 3);
  bench.advance();
  CHECK(bench.held(kA).size() == 1);
  CHECK(bench.job.counts().redundant == 2);
  bench.write(kB, report::Opened{});
  bench.write(kB, report::Remembered{"job/2", "j0101.2", 2000, 1});
  bench.write(kB, report::PassedBefore{"job/2", 2000, {test_hash("f::t1")}});
  bench.advance();
  bench.ask(kA);
  CHECK(bench.job.counts().redundant == 1);
  CHECK(bench.held(kA).size() == 2);
}
