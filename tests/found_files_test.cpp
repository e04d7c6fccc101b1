#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "mesh/rng.hpp"
#include "report/job_state.hpp"
#include "report/json_report.hpp"
#include "sched/vassal.hpp"
#include "tests/support/jobs.hpp"

// Files that are found first and collected where they run: what the fold makes of them, and what a
// vassal does with them.

using namespace dagz;
using namespace dagz::report;
using namespace dagz::sched;
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

namespace {

struct Bench {
  JobState job;
  Estimates estimates;
  Vassal vassal;
  Instant now = test::at_ms(1000);
  std::vector<Entry> entries;
  std::vector<RunTests> runs;

  explicit Bench(uint32_t workers, const std::vector<KnownDuration>& history = {})
      : estimates(history), vassal(config(workers), job, estimates) {
    fold(kA, test::named(2));
    fold(kB, kFound);
    vassal.found({{"x.py", 2000}, {"y.py", 3000}});
    fold(kA, Enlisted{kB, 0, 0, workers});
    vassal.enlisted({kB, 0, 0, workers});
  }
  static VassalConfig config(uint32_t workers) {
    VassalConfig config;
    config.workers = workers;
    return config;
  }
  void fold(const NodeId& origin, const Entry& entry) {
    job.apply(origin, entry);
    for (const Change& change : job.take_changes()) {
      if (change.kind == Change::Kind::kKnown) estimates.add(job.tests()[change.test]);
    }
  }
  void take(Vassal::Output out) {
    for (Entry& entry : out.entries) {
      fold(kB, entry);
      Vassal::Output more;
      if (const auto* expanded = std::get_if<Expanded>(&entry)) vassal.expanded(*expanded, more);
      entries.push_back(std::move(entry));
      take(std::move(more));
    }
    for (const RunnerCommand& command : out.commands) {
      if (const auto* run = std::get_if<RunTests>(&command)) runs.push_back(*run);
    }
  }
  void advance() {
    Vassal::Output out;
    vassal.advance(now, out);
    take(std::move(out));
  }
  void grant(const std::vector<Run>& what) {
    fold(kA, granted(kA, kB, what));
    Vassal::Output out;
    vassal.granted(what, Vassal::GrantKind::kWork, out);
    take(std::move(out));
    advance();
  }
  void event(const RunnerEvent& what) {
    Vassal::Output out;
    vassal.handle(now, 0, what, out);
    take(std::move(out));
    advance();
  }
  // As a node has it: names first, then the answer.
  void collected(Slot slot, uint32_t found, FileKey key, const std::string& path, uint32_t tests,
                 Duration took = Duration::milliseconds(1)) {
    fold(kB, Offered{key});
    fold(kB, listed(key, path, tests));
    WorkerCollected event{slot, {found, path, test::names_of(path, tests), {}}, {}, {}};
    event.took = took;
    Vassal::Output out;
    vassal.collected(now, event, {key}, out);
    take(std::move(out));
    advance();
  }
  template <class Kind>
  std::vector<Kind> written() const {
    std::vector<Kind> found;
    for (const Entry& entry : entries) {
      if (const auto* one = std::get_if<Kind>(&entry)) found.push_back(*one);
    }
    return found;
  }
};

}  // namespace

TEST_CASE("found files: a worker collects a file and runs its tests", "[sched]") {
  Bench bench(1);
  bench.grant({{kFoundX, 0, 1}});
  bench.event(WorkerReady{0});
  REQUIRE(bench.runs.size() == 1);
  CHECK(bench.runs[0].tests == std::vector<LocalTest>{{0, kCollectFile}});
  bench.collected(0, 0, kX, "x.py", 2);
  CHECK(bench.written<Expanded>().size() == 1);
  REQUIRE(bench.runs.size() == 2);
  CHECK(bench.runs[1].slot == 0);
  CHECK((bench.runs[1].names[0].file == 0 && bench.runs[1].names[0].id == "x.py::t0"));
}

TEST_CASE("found files: what waits behind a long test is worth another collection", "[sched]") {
  Bench bench(2);
  bench.grant({{kFoundX, 0, 1}});
  bench.event(WorkerReady{0});
  bench.collected(0, 0, kX, "x.py", 3, Duration::milliseconds(40));
  const LocalTest first = bench.runs.back().tests.front();
  bench.event(WorkerReady{1});
  // Two tests of a few milliseconds are not.
  REQUIRE(bench.runs.back().slot == 0);
  bench.now = bench.now + Duration::milliseconds(30);
  bench.event(TakenBack{0, {}});
  CHECK(bench.runs.back().slot == 0);
  bench.now = bench.now + Duration::milliseconds(30);
  bench.event(TakenBack{0, {{first.file, 1}}});
  CHECK(bench.runs.back().slot == 1);
  CHECK(bench.runs.back().tests.front() == LocalTest{0, kCollectAgain});
}

TEST_CASE("found files: a worker that helps another collects first", "[sched]") {
  Bench bench(2);
  bench.grant({{kFoundX, 0, 1}});
  bench.event(WorkerReady{0});
  bench.collected(0, 0, kX, "x.py", 400);
  bench.event(WorkerReady{1});
  const RunTests& help = bench.runs.back();
  REQUIRE(help.slot == 1);
  CHECK(help.tests[0] == LocalTest{0, kCollectAgain});
  CHECK(help.tests[1].index < kCollectAgain);
}

TEST_CASE("found files: to collect a file is enough for a worker's window", "[sched]") {
  constexpr FileKey kFoundZ = 102;
  constexpr FileKey kZ = 9;
  Bench bench(1);
  bench.fold(kB, Found{{{kFoundZ, "z.py", 1000}}});
  bench.vassal.found({{"z.py", 1000}});
  bench.grant({{kFoundX, 0, 1}});
  bench.event(WorkerReady{0});
  bench.collected(0, 0, kX, "x.py", 8, Duration::milliseconds(500));
  // By now its tests are known to be short.
  for (std::size_t run = 1; run < bench.runs.size(); ++run) {
    const std::vector<LocalTest> tests = bench.runs[run].tests;
    for (const LocalTest& test : tests) {
      TestDone done;
      done.test = test;
      done.duration = Duration::microseconds(100);
      bench.event(done);
    }
  }
  CHECK(bench.written<report::Finished>().size() == 8);
  bench.runs.clear();
  for (const auto& [key, path] : {std::pair(kY, "y.py"), std::pair(kZ, "z.py")}) {
    bench.fold(kA, Offered{key});
    bench.fold(kA, listed(key, path, 1));
  }
  bench.grant({{kY, 0, 1}, {kZ, 0, 1}});
  REQUIRE(bench.runs.size() == 1);
  CHECK(bench.runs[0].tests.size() == 2);
  CHECK(bench.runs[0].tests[0].index == kCollectAgain);
}

TEST_CASE("found files: very long tests are spread, and what cannot begin here is given up",
          "[sched]") {
  std::vector<KnownDuration> history;
  for (const std::string& id : test::names_of("x.py", 30)) {
    history.push_back({id, Duration::milliseconds(10)});
  }
  for (const std::string& id : test::names_of("y.py", 30)) {
    history.push_back({id, Duration::milliseconds(10)});
  }
  for (const uint32_t i : {5U, 6U, 7U, 8U}) history[i].duration = Duration::seconds(4 + i);
  Bench bench(2, history);
  bench.grant({{kFoundX, 0, 1}, {kFoundY, 0, 1}});
  bench.event(WorkerReady{0});
  bench.event(WorkerReady{1});
  const auto collecting = [&](Slot slot) {
    for (const RunTests& run : bench.runs) {
      if (run.slot == slot) return run.tests.front().file;
    }
    return kNone;
  };
  const Slot home = collecting(0) == 0 ? 0 : 1;
  bench.collected(1 - home, 1, kY, "y.py", 30);
  bench.collected(home, 0, kX, "x.py", 30);
  // The two longest stay.
  REQUIRE(bench.written<GaveUp>().size() == 1);
  CHECK(bench.written<GaveUp>()[0].runs == std::vector<Run>{{kX, 6, 1}, {kX, 5, 1}});
  // The neighbour turns to one before the rest of its own file.
  const LocalTest head = bench.runs.back().slot == home ? bench.runs[bench.runs.size() - 2].tests[0]
                                                        : bench.runs.back().tests[0];
  TestDone done;
  done.slot = 1 - home;
  done.test = head;
  done.duration = Duration::milliseconds(10);
  bench.event(done);
  const RunTests& next = bench.runs.back();
  REQUIRE(next.slot == 1 - home);
  CHECK(next.names.back().id == "x.py::t7");
}

TEST_CASE("found files: a worker that runs a very long test is no room for another", "[sched]") {
  std::vector<KnownDuration> history;
  for (const char* file : {"x.py", "y.py"}) {
    for (const std::string& id : test::names_of(file, 30)) {
      history.push_back({id, Duration::milliseconds(10)});
    }
  }
  for (const std::size_t i : {5U, 6U, 35U}) history[i].duration = Duration::seconds(5);
  Bench bench(2, history);
  bench.grant({{kFoundX, 0, 1}, {kFoundY, 0, 1}});
  bench.event(WorkerReady{0});
  bench.event(WorkerReady{1});
  const Slot home = bench.runs[0].tests.front().file == 0 ? 0 : 1;
  bench.collected(1 - home, 1, kY, "y.py", 30);
  REQUIRE(bench.runs.back().names[0].id == "y.py::t5");
  bench.collected(home, 0, kX, "x.py", 30);
  REQUIRE(bench.written<GaveUp>().size() == 1);
  CHECK(bench.written<GaveUp>()[0].runs == std::vector<Run>{{kX, 6, 1}});
}

TEST_CASE("found files: a worker whose order to collect is taken back has not collected the file",
          "[sched]") {
  Bench bench(1);
  bench.grant({{kFoundX, 0, 1}});
  bench.event(WorkerReady{0});
  bench.collected(0, 0, kX, "x.py", 7);
  const LocalTest first = bench.runs[1].tests.front();
  for (uint32_t i = 0; i < 6; ++i) bench.event(TestDone{.slot = 0, .test = {first.file, i}});
  bench.grant({{kFoundY, 0, 1}});
  const LocalTest collect{1, kCollectFile};
  REQUIRE(bench.runs.back().tests.back() == collect);
  // The test before it proves long, and another node takes the file over.
  bench.now = bench.now + Duration::milliseconds(60);
  bench.event(TakenBack{0, {collect}});
  Vassal::Output recalled;
  bench.vassal.recalled(bench.now, 1, Duration::seconds(100), recalled);
  bench.take(std::move(recalled));
  REQUIRE(bench.written<GaveUp>().size() == 1);
  bench.fold(kA, Offered{kY});
  bench.fold(kA, listed(kY, "y.py", 2));
  bench.grant({{kY, 0, 2}});
  bench.event(TestDone{.slot = 0, .test = {first.file, 6}});
  CHECK(bench.runs.back().tests.front() == LocalTest{1, kCollectAgain});
}

TEST_CASE("found files: a test that is missing where it was sent goes back to its home",
          "[sched]") {
  Bench bench(2);
  bench.grant({{kFoundX, 0, 1}});
  bench.event(WorkerReady{0});
  bench.collected(0, 0, kX, "x.py", 400);
  bench.event(WorkerReady{1});
  const LocalTest stray = bench.runs.back().tests[1];
  Vassal::Output out;
  bench.vassal.collected(bench.now, {1, {0, "x.py", {}, {}}, {}, {}}, {}, out);
  bench.event(TestMissing{1, stray});
  CHECK(bench.written<Missing>().empty());
}

TEST_CASE("found files: what nobody here has is given up for good", "[sched]") {
  Bench bench(1);
  bench.fold(kA, listed(kY, "y.py", 1));
  bench.grant({{kY, 0, 1}});
  bench.event(WorkerReady{0});
  REQUIRE(bench.runs.size() == 1);
  REQUIRE(bench.runs[0].tests.size() == 2);
  CHECK(bench.runs[0].tests[0] == LocalTest{1, kCollectAgain});
  Vassal::Output out;
  bench.vassal.collected(bench.now, {0, {1, "y.py", {}, {}}, {}, {}}, {}, out);
  bench.event(TestMissing{0, bench.runs[0].tests[1]});
  REQUIRE(bench.written<Missing>().size() == 1);
  CHECK(bench.written<Missing>()[0].runs == std::vector<Run>{{kY, 0, 1}});
  CHECK_FALSE(bench.job.place_on(index_of(bench.job, "y.py::t0"), bench.job.node_index(kB)));
}

TEST_CASE("found files: a file that takes its worker down is an error, once", "[sched]") {
  Bench bench(1);
  bench.grant({{kFoundX, 0, 1}, {kFoundY, 0, 1}});
  // The smaller one first, then the largest.
  bench.event(WorkerReady{0});
  bench.event(WorkerGone{0, false, "SIGSEGV", "boom"});
  REQUIRE(bench.written<CollectionFailed>().size() == 1);
  CHECK(bench.written<CollectionFailed>()[0].path == "x.py");
  REQUIRE(bench.written<Expanded>().size() == 1);
  CHECK(bench.written<Expanded>()[0].versions.empty());
  CHECK(bench.job.uncollected() == 1);
  bench.event(WorkerReady{0});
  CHECK(bench.runs.back().tests == std::vector<LocalTest>{{1, kCollectFile}});
}

TEST_CASE("found files: a long import is no test that runs too long", "[sched]") {
  Bench bench(1);
  bench.grant({{kFoundX, 0, 1}});
  bench.event(WorkerReady{0});
  CHECK(bench.vassal.running() == 1);
  VassalConfig config = Bench::config(1);
  config.test_timeout = Duration::seconds(1);
  Vassal strict(config, bench.job, bench.estimates);
  strict.found({{"x.py", 2000}, {"y.py", 3000}});
  strict.enlisted({kB, 0, 0, 1});
  Vassal::Output out;
  strict.granted({{kFoundX, 0, 1}}, Vassal::GrantKind::kWork, out);
  strict.advance(bench.now, out);
  strict.handle(bench.now, 0, WorkerReady{0}, out);
  const auto commands_after = [&](int seconds) {
    Vassal::Output later;
    strict.advance(bench.now + Duration::seconds(seconds), later);
    return later.commands;
  };
  CHECK(commands_after(9).empty());
  SECTION("but one of ten times that length is ended, and is a collection error") {
    CHECK(strict.next_deadline() <= bench.now + Duration::seconds(10));
    const auto commands = commands_after(10);
    REQUIRE(commands.size() == 1);
    CHECK(std::get<KillWorker>(commands[0]).stacks);
    CHECK(commands_after(11).empty());
    Vassal::Output end;
    strict.handle(bench.now, 0, WorkerGone{0, false, "SIGKILL", "its stacks"}, end);
    REQUIRE(end.entries.size() == 2);
    CHECK(std::get<CollectionFailed>(end.entries[0]).text ==
          "to collect this file took longer than 10.0s and was ended\nits stacks");
  }
}

TEST_CASE("a vassal: a file that hangs is told, and again after twice the time", "[sched]") {
  Bench bench(1);
  bench.grant({{kFoundX, 0, 1}});
  bench.event(WorkerReady{0});
  const auto notice_after = [&](int seconds) {
    Vassal::Output out;
    bench.vassal.advance(bench.now + Duration::seconds(seconds), out);
    return out.notice.value_or("");
  };
  CHECK(bench.vassal.next_deadline() <= bench.now + Duration::seconds(30));
  CHECK(notice_after(29).empty());
  CHECK(notice_after(30) == "SLOW: worker #0 on node-0 has been collecting x.py for 30.0s");
  CHECK(notice_after(59).empty());
  CHECK(notice_after(60) == "SLOW: worker #0 on node-0 has been collecting x.py for 1m00.0s");
}
