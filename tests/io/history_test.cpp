#include "report/io/history.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "mesh/rng.hpp"
#include "report/io/history_samples.hpp"
#include "report/json_report.hpp"
#include "tests/support/summaries.hpp"
#include "tests/support/temporary_directory.hpp"

// What the host remembers of its jobs, through damage, full disks and several writers.

namespace {

namespace fs = std::filesystem;
using namespace dagz::report;
using dagz::Duration;
using dagz::WallTime;
using dagz::test::attempt;
using dagz::test::job;
using dagz::test::mixed_job;
using dagz::test::test;

class Folder {
 public:
  std::string state() const { return directory_.path + "/state"; }
  std::string file(const char* name) const { return state() + "/" + name; }

 private:
  dagz::test::TemporaryDirectory directory_;
};

// Long after all jobs here.
constexpr WallTime kNow{2'000'000'000'000};

JobSummary numbered(int number, int64_t days = 0) {
  JobSummary summary = mixed_job();
  summary.full_id = "job-" + std::to_string(number);
  summary.short_id = "j0517." + std::to_string(number);
  summary.started.ms += days * 86'400'000 + number;
  return summary;
}

// One test that passed in so many milliseconds.
JobSummary timed(int number, int64_t ms) {
  JobSummary summary = job({test("a.py::t", {attempt(Outcome::kPassed, ms)})});
  summary.full_id = "timed-" + std::to_string(number);
  summary.started.ms += number;
  return summary;
}

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

int64_t ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               start)
      .count();
}

}  // namespace

TEST_CASE("history: a job comes back as it went in", "[report]") {
  const Folder folder;
  JobSummary summary = mixed_job();
  summary.notes = {"a note", "b\n"};
  summary.ci_url = "https://ci";
  summary.dashboard_url = "https://dagz";
  summary.collections_differ = true;
  summary.strict_collection = GENERATE(false, true);
  summary.flaky_fails = !summary.strict_collection;
  summary.tests[2].id += std::string("\0\xff[no utf-8]", 12);
  summary.tests[2].attempts[0].properties = {{"z", "1", true}, {"a", std::string("\0\xff", 2)}};
  summary.tests[2].attempts[0].output = std::string("bin\0\x80", 5);
  summary.tests[4].file = "elsewhere.py";
  std::sort(summary.tests.begin(), summary.tests.end(),
            [](const TestSummary& a, const TestSummary& b) { return a.id < b.id; });
  {
    History history(folder.state());
    REQUIRE_FALSE(history.record(summary, kNow));
  }
  History history(folder.state());
  for (const char* key : {"last", "job-1", "j0517.50"}) {
    const auto loaded = history.load(key);
    REQUIRE_FALSE(loaded.problem);
    REQUIRE(loaded.value);
    CHECK(format_json(*loaded.value) == format_json(summary));
    CHECK(loaded.value->tests[2].attempts[0].properties == summary.tests[2].attempts[0].properties);
    CHECK(loaded.value->tests[2].attempts[0].output == summary.tests[2].attempts[0].output);
    CHECK(loaded.value->tests[2].id == summary.tests[2].id);
  }
  CHECK_FALSE(history.load("j0101.1").value);
  CHECK(history.take_messages().empty());
}

TEST_CASE("history: a test is found in every job that had it", "[report]") {
  const Folder folder;
  History history(folder.state());
  JobSummary first = numbered(1);
  first.nodes[1].id = "68b0080d";
  first.tests[2].attempts[1].run = 2;
  JobSummary second = numbered(2, 1);
  second.tests.erase(second.tests.begin() + 4);  // test_ok
  second.tests.push_back(test("u.py::test_new", {attempt(Outcome::kPassed)}));
  REQUIRE_FALSE(history.record(first, kNow));
  REQUIRE_FALSE(history.record(second, kNow));
  const auto newest = history.test_ids(false).value;
  CHECK(newest.size() == 10);
  CHECK(std::count(newest.begin(), newest.end(), "t/a.py::test_ok") == 0);
  CHECK(history.test_ids(true).value.size() == 11);

  const auto records = history.test_records("t/a.py::test_fail").value;
  REQUIRE(records.size() == 2);
  CHECK((records[0].job.full_id == "job-2" && records[1].job.full_id == "job-1"));
  const TestSummary& fails = records[1].test;
  CHECK((fails.verdict == Verdict::kFailed && fails.file == "t/a.py"));
  REQUIRE(fails.attempts.size() == 2);
  CHECK(fails.attempts[1].output == "E  assert 1 == 2\n");
  CHECK((fails.attempts[1].run == 2 && fails.attempts[0].run == 1));
  CHECK(records[1].nodes[1].id == "68b0080d");
  CHECK(history.test_records("t/a.py::test_pending").value.at(0).test.attempts.empty());
  CHECK(history.test_records("t/a.py::test_ok").value.size() == 1);
  CHECK(history.test_records("t/a.py::test_").value.empty());
}

TEST_CASE("history: flaky tests are found, but for jobs in which most tests failed", "[report]") {
  const Folder folder;
  History history(folder.state());
  const auto run = [&](History& into, int number, const std::vector<Outcome>& outcomes,
                       Outcome others) {
    std::vector<TestSummary> tests;
    std::vector<AttemptSummary> attempts;
    for (const Outcome outcome : outcomes) attempts.push_back(attempt(outcome));
    tests.push_back(test("a.py::flaky", attempts));
    for (int i = 0; i < 3; ++i) {
      tests.push_back(test("a.py::t" + std::to_string(i), {attempt(others)}));
    }
    JobSummary summary = job(std::move(tests));
    summary.full_id = "job-" + std::to_string(number);
    summary.short_id = "j0517." + std::to_string(number);
    summary.started.ms += number;
    CHECK_FALSE(into.record(summary, kNow));
  };
  run(history, 1, {Outcome::kFailed, Outcome::kPassed}, Outcome::kPassed);
  run(history, 2, {Outcome::kPassed}, Outcome::kPassed);
  run(history, 3, {Outcome::kFailed, Outcome::kPassed}, Outcome::kPassed);
  run(history, 4, {Outcome::kFailed, Outcome::kPassed}, Outcome::kFailed);  // does not count
  run(history, 5, {}, Outcome::kPassed);                                    // did not run
  run(history, 6, {Outcome::kFailed}, Outcome::kPassed);
  const auto check = [](History& from) {
    const FlakyTests found = from.flaky_tests().value;
    CHECK((found.jobs == 5 && found.left_out == 1));
    REQUIRE(found.tests.size() == 1);
    const Flakiness& one = found.tests[0];
    CHECK(one.id == "a.py::flaky");
    CHECK((one.jobs == 4 && one.flaky == 2 && one.failed == 1));
    CHECK(one.last_flaky_job == "j0517.3");
    const auto known = from.flakiness({"a.py::t0", "a.py::flaky", "gone"}).value;
    REQUIRE(known.size() == 1);
    CHECK(known.at("a.py::flaky").flaky == 2);
  };
  check(history);
  // All of it travels.
  std::string exported;
  history.export_lines([&](std::string_view lines) {
    exported += lines;
    return true;
  });
  const Folder other;
  History second(other.state());
  CHECK_FALSE(second.import_texts({{"file", exported, "digest"}}, kNow).problem);
  check(second);
}

TEST_CASE("history: one of the first schema is brought up to date", "[report]") {
  const Folder folder;
  History(folder.state()).open();
  {
    Database database;
    REQUIRE(database.open(folder.file("history.db"), Database::Mode::kWrite));
    database.execute(
        "ALTER TABLE jobs DROP COLUMN again; DROP INDEX jobs_by_begin; ALTER TABLE jobs DROP "
        "COLUMN began_ms;"
        "DROP TABLE properties; ALTER TABLE jobs DROP COLUMN flaky_fails; ALTER TABLE jobs DROP "
        "COLUMN "
        "strict_collection; ALTER TABLE jobs DROP COLUMN collections_differ;"
        "ALTER TABLE nodes DROP COLUMN step_place; ALTER TABLE nodes DROP COLUMN short; ALTER "
        "TABLE results DROP COLUMN run;"
        "INSERT INTO jobs(full_id, short_id, status, started_ms) VALUES(CAST('old' AS BLOB), "
        "'j0101.1', 1, 1779012600000);"
        "INSERT INTO nodes VALUES(1, 0, 'node-0', 'h', '', 2, 0);"
        "INSERT INTO files VALUES(1, 'a.py'); INSERT INTO tests VALUES(1, 1, 1, '::t');"
        "INSERT INTO places VALUES(1, 0, 'node-0');"
        "INSERT INTO results VALUES(1, 1, 1, 2, 0, 0, 0, 0, 7, 0); PRAGMA user_version = 1");
    REQUIRE(database.ok());
  }
  History history(folder.state());
  const auto old = history.load("old");
  REQUIRE_FALSE(old.problem);
  REQUIRE(old.value);
  CHECK((old.value->nodes.at(0).id.empty() && old.value->tests.at(0).attempts.at(0).run == 1));
  CHECK(old.value->status == JobStatus::kPassed);
  CHECK_FALSE((old.value->strict_collection || old.value->flaky_fails));
  CHECK(history.load("last").value->full_id == "old");
  CHECK(old.value->again.words.empty());
  REQUIRE_FALSE(history.record(numbered(1), kNow));
  CHECK(history.list(9).value.size() == 2);
}

TEST_CASE("history: the first record of a job stays", "[report]") {
  const Folder folder;
  History history(folder.state());
  JobSummary summary = mixed_job();
  REQUIRE_FALSE(history.record(summary, kNow));
  summary.ci_url = "https://later";
  REQUIRE_FALSE(history.record(summary, kNow));
  CHECK(history.list(10).value.size() == 1);
  CHECK(history.load("last").value->ci_url.empty());
  CHECK(history.durations().value.size() == 5);
}

TEST_CASE("history: what an interrupted node knew of a job makes way for the whole", "[report]") {
  const Folder folder;
  History history(folder.state());
  JobSummary part = mixed_job();
  part.status = JobStatus::kInterrupted;
  part.tests.resize(1);
  REQUIRE_FALSE(history.record(part, kNow));
  REQUIRE_FALSE(history.record(mixed_job(), kNow));
  CHECK(history.list(10).value.size() == 1);
  CHECK(history.load("last").value->tests.size() == mixed_job().tests.size());
  REQUIRE_FALSE(history.record(part, kNow));
  CHECK(history.load("last").value->tests.size() == mixed_job().tests.size());
}

TEST_CASE("history: a running job is not kept", "[report]") {
  const Folder folder;
  History history(folder.state());
  JobSummary summary = mixed_job();
  summary.status = JobStatus::kRunning;
  CHECK(history.record(summary, kNow));
  CHECK(history.list(10).value.empty());
}

TEST_CASE("history: the state directory is hidden from git", "[report]") {
  const Folder folder;
  History history(folder.state());
  REQUIRE_FALSE(history.open());
  CHECK(content(folder.file(".gitignore")) == "*\n");
}

TEST_CASE("history: jobs are listed newest first", "[report]") {
  const Folder folder;
  History history(folder.state());
  for (const int number : {2, 3, 1}) REQUIRE_FALSE(history.record(numbered(number), kNow));
  const auto rows = history.list(2);
  REQUIRE(rows.value.size() == 2);
  CHECK(rows.value[0].short_id == "j0517.3");
  CHECK(rows.value[1].short_id == "j0517.2");
  CHECK(rows.value[0].counts.failed == 3);
  CHECK(history.load("last").value->full_id == "job-3");
}

TEST_CASE("history: the last job is the one that started last, whatever is imported", "[report]") {
  const Folder folder;
  const Folder other;
  History source(other.state());
  JobSummary old = timed(1, 10);
  REQUIRE_FALSE(source.record(old, kNow));
  std::string text;
  REQUIRE_FALSE(source.export_lines([&text](std::string_view piece) {
    text += piece;
    return true;
  }));
  HistoryLimits limits;
  limits.jobs = 1;
  History history(folder.state(), limits);
  REQUIRE_FALSE(history.record(numbered(2), kNow));
  REQUIRE_FALSE(history.import_texts({{"file", text, "d"}}, kNow).problem);
  CHECK(history.list(9).value.front().full_id == "job-2");
  CHECK(history.load("last").value->full_id == "job-2");
  CHECK(history.test_ids(false).value.size() == numbered(2).tests.size());
  CHECK(history.prune(kNow).value.removed == 1);
  CHECK(history.load("last").value->full_id == "job-2");
}

TEST_CASE("history: of two jobs with one start the last is the one recorded last", "[report]") {
  const Folder folder;
  History history(folder.state());
  for (const char* id : {"b", "a"}) {
    JobSummary summary = mixed_job();
    summary.full_id = id;
    REQUIRE_FALSE(history.record(summary, kNow));
  }
  CHECK(history.load("last").value->full_id == "a");
  CHECK(history.list(9).value.front().full_id == "a");
}

TEST_CASE("history: a job that has just ended is the last, though clocks are a bit off",
          "[report]") {
  const int64_t off_ms = GENERATE(-1'800'000, -2'000, 2'000, 1'800'000);
  const Folder folder;
  History history(folder.state());
  const auto ended_at = [&](int number, int64_t now_ms, int64_t clock_ms) {
    JobSummary summary = numbered(number);
    summary.started.ms = now_ms - summary.duration.ms() + clock_ms;
    REQUIRE_FALSE(history.record(summary, {now_ms}));
    CHECK(history.load(summary.full_id).value->started.ms == summary.started.ms);
    CHECK(history.load("last").value->full_id == summary.full_id);
    CHECK(history.list(1).value.front().full_id == summary.full_id);
  };
  // The scheduler of one of two is on another host.
  const int64_t minute_ms = 60'000 + numbered(1).duration.ms();
  ended_at(1, kNow.ms, std::max<int64_t>(off_ms, 0));
  ended_at(2, kNow.ms + minute_ms, std::min<int64_t>(off_ms, 0));
}

TEST_CASE("history: of two jobs at a time the last is the one that started last", "[report]") {
  const Folder folder;
  History history(folder.state());
  JobSummary brief = numbered(1);
  brief.duration = Duration::seconds(10);
  brief.started.ms = kNow.ms - 11'000;
  REQUIRE_FALSE(history.record(brief, {kNow.ms - 1'000}));
  JobSummary whole = numbered(2);
  whole.duration = Duration::seconds(100);
  whole.started.ms = kNow.ms - 100'000;
  REQUIRE_FALSE(history.record(whole, kNow));
  CHECK(history.load("last").value->full_id == "job-1");
}

TEST_CASE("history: a job of the future makes no other one old", "[report]") {
  const Folder folder;
  History history(folder.state());
  const WallTime now = numbered(10, 1).started;
  REQUIRE_FALSE(history.record(numbered(1), now));
  REQUIRE_FALSE(history.record(numbered(2, 400), now));  // by a clock that is a year ahead
  CHECK(history.list(9).value.size() == 2);
  CHECK(history.load("job-2").value->started.ms <= now.ms + 3'600'000);
  REQUIRE_FALSE(history.record(numbered(3, 1), now));
  CHECK(history.list(9).value.size() == 3);
  CHECK(history.load("last").value->full_id == "job-3");
  CHECK_FALSE(history.test_ids(false).value.empty());
  CHECK(history.durations().value.size() > 0);
}

TEST_CASE("history: neither does one that is imported, or was kept as it said", "[report]") {
  const Folder folder;
  const Folder other;
  History source(other.state());
  REQUIRE_FALSE(source.record(numbered(2, 400), kNow));
  std::string text;
  REQUIRE_FALSE(source.export_lines([&text](std::string_view piece) {
    text += piece;
    return true;
  }));
  const WallTime now = numbered(10, 1).started;
  History history(folder.state());
  REQUIRE_FALSE(history.record(numbered(1), now));
  const bool as_it_said = GENERATE(false, true);
  REQUIRE_FALSE(history.import_texts({{"file", text, "d"}}, as_it_said ? kNow : now).problem);
  CHECK(history.prune(now).value.kept == 2);
  REQUIRE_FALSE(history.record(numbered(3, 1), now));
  CHECK(history.list(9).value.size() == 3);
  CHECK(history.load("last").value->full_id == "job-3");
}

TEST_CASE("history: the job that has just been recorded stays, whatever its clock says",
          "[report]") {
  const Folder folder;
  HistoryLimits limits;
  limits.jobs = 2;
  History history(folder.state(), limits);
  for (const int number : {2, 3}) REQUIRE_FALSE(history.record(numbered(number, 5), kNow));
  REQUIRE_FALSE(history.record(numbered(1), kNow));
  CHECK(history.list(9).value.size() == 2);
  CHECK(history.load("last").value->full_id == "job-3");
  CHECK(history.load("job-1").value->tests.size() == numbered(1).tests.size());
}

TEST_CASE("history: the latest of several jobs with one short id is meant", "[report]") {
  const Folder folder;
  History history(folder.state());
  JobSummary later = numbered(1, 20);
  later.full_id = "other";
  REQUIRE_FALSE(history.record(later, kNow));
  REQUIRE_FALSE(history.record(numbered(1), kNow));
  CHECK(history.load("j0517.1").value->full_id == "other");
}

TEST_CASE("history: numbers count the jobs of a day", "[report]") {
  const Folder folder;
  HistoryLimits limits;
  limits.jobs = 2;
  History history(folder.state(), limits);
  const WallTime day = mixed_job().started;
  CHECK(history.next_number(day).value == 1);
  for (int number = 1; number <= 4; ++number) REQUIRE_FALSE(history.record(numbered(number), kNow));
  CHECK(history.list(10).value.size() == 2);
  CHECK(history.next_number(day).value == 5);
  CHECK(history.next_number({day.ms + 86'400'000}).value == 1);
}

TEST_CASE("history: durations are medians of the last five that did not fail", "[report]") {
  const Folder folder;
  History history(folder.state());
  int number = 0;
  for (const int64_t ms : {9'000, 9'000, 10, 20, 1'000, 30, 40}) {
    REQUIRE_FALSE(history.record(timed(++number, ms), kNow));
  }
  JobSummary failed = job({test("a.py::t", {attempt(Outcome::kFailed, 77'000)}),
                           test("b.py::never", {attempt(Outcome::kTimedOut, 60'000)})});
  failed.full_id = "failed";
  failed.started.ms += 100;
  REQUIRE_FALSE(history.record(failed, kNow));
  const auto durations = history.durations();
  REQUIRE(durations.value.size() == 1);
  CHECK(durations.value[0].id == "a.py::t");
  CHECK(durations.value[0].file == "a.py");
  CHECK(durations.value[0].duration == Duration::milliseconds(30));
}

TEST_CASE("history: what tests share is kept apart from what they take themselves", "[report]") {
  const Folder folder;
  History history(folder.state());
  for (int number = 1; number <= 3; ++number) {
    JobSummary summary = job({test("a.py::first", {attempt(Outcome::kPassed, 5'100)}),
                              test("a.py::next", {attempt(Outcome::kPassed, 10)})});
    AttemptSummary& first = summary.tests[0].attempts[0];
    first.shared_setup = Duration::milliseconds(5'000);
    first.group_setup = Duration::milliseconds(2'000 * number);
    summary.full_id = std::to_string(number);
    summary.started.ms += number;
    REQUIRE_FALSE(history.record(summary, kNow));
  }
  std::map<std::string, Duration> known;
  for (const TestDuration& one : history.durations().value) known[one.id] = one.duration;
  CHECK(known == std::map<std::string, Duration>{{"a.py", Duration::milliseconds(4'000)},
                                                 {"a.py::first", Duration::milliseconds(100)},
                                                 {"a.py::next", Duration::milliseconds(10)}});
  CHECK(history.test_ids(true).value == std::vector<std::string>{"a.py::first", "a.py::next"});
}

TEST_CASE("history: samples do not depend on the order of recording", "[report]") {
  std::vector<Sample> samples;
  for (int i = 0; i < 7; ++i) samples.push_back({1'000 + i, 100 * i});
  std::string forwards;
  for (const Sample& sample : samples) forwards = add_sample(forwards, sample);
  std::reverse(samples.begin(), samples.end());
  std::string backwards;
  for (const Sample& sample : samples) backwards = add_sample(backwards, sample);
  CHECK(forwards == backwards);
  CHECK(median_sample(forwards) == Duration::microseconds(400));
  CHECK(unpack_samples("\xff\xff\xff").empty());
  CHECK_FALSE(median_sample(""));
}

TEST_CASE("history: bounded by jobs and by age, the oldest first", "[report]") {
  const Folder folder;
  HistoryLimits limits;
  limits.jobs = 3;
  limits.age = Duration::seconds(10 * 86'400);
  History history(folder.state(), limits);
  for (int number = 1; number <= 5; ++number) REQUIRE_FALSE(history.record(numbered(number), kNow));
  CHECK(history.list(10).value.size() == 3);
  CHECK(history.list(10).value.back().full_id == "job-3");
  REQUIRE_FALSE(history.record(numbered(6, 11), kNow));
  CHECK(history.list(10).value.size() == 1);
  CHECK(history.load("last").value->tests.size() == 10);
}

TEST_CASE("history: bounded by bytes, the newest job always stays", "[report]") {
  const Folder folder;
  HistoryLimits limits;
  limits.bytes = 300'000;
  History history(folder.state(), limits);
  for (int number = 1; number <= 5; ++number) {
    JobSummary summary = numbered(number);
    summary.tests[2].attempts[0].output = std::string(120'000, 'x');
    REQUIRE_FALSE(history.record(summary, kNow));
  }
  CHECK(history.list(10).value.size() == 1);
  CHECK(history.load("last").value->full_id == "job-5");
  REQUIRE_FALSE(history.prune(kNow).problem);
  CHECK(fs::file_size(history.path()) < 300'000);
}

TEST_CASE("history: without limits every job stays", "[report]") {
  const Folder folder;
  History history(folder.state(), HistoryLimits::none());
  for (int number = 1; number <= 120; ++number) {
    REQUIRE_FALSE(history.record(numbered(number, number * 30), kNow));
  }
  CHECK(history.list(1000).value.size() == 120);
}

TEST_CASE("history: tests that nobody has run for long are forgotten", "[report]") {
  const Folder folder;
  HistoryLimits limits;
  limits.age = Duration::seconds(10 * 86'400);
  History history(folder.state(), limits);
  REQUIRE_FALSE(history.record(timed(1, 10), kNow));
  REQUIRE_FALSE(history.record(numbered(1, 5), kNow));
  CHECK(history.durations().value.size() == 6);
  REQUIRE_FALSE(history.record(numbered(2, 12), kNow));
  CHECK(history.durations().value.size() == 5);
}

TEST_CASE("history: a damaged file is set aside and a new one begun", "[report]") {
  const Folder folder;
  for (int round = 1; round <= 2; ++round) {
    fs::create_directories(folder.state());
    std::ofstream(folder.file("history.db"), std::ios::binary) << std::string(8'192, 'x');
    History history(folder.state());
    REQUIRE_FALSE(history.record(mixed_job(), kNow));
    const std::vector<std::string> messages = history.take_messages();
    REQUIRE(messages.size() == 1);
    const std::string aside = folder.file("history.db.damaged-") + std::to_string(round);
    CHECK(messages[0] == "the history was damaged: moved to " + aside + ", a new one was begun");
    CHECK(fs::file_size(aside) == 8'192);
    CHECK(history.list(10).value.size() == 1);
    CHECK(history.take_messages().empty());
  }
}

TEST_CASE("history: damage in the middle is found when it is read", "[report]") {
  const Folder folder;
  {
    History history(folder.state());
    for (int number = 1; number <= 3; ++number)
      REQUIRE_FALSE(history.record(numbered(number), kNow));
    REQUIRE_FALSE(history.prune(kNow).problem);
  }
  {
    std::fstream file(folder.file("history.db"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4'096);
    file << std::string(fs::file_size(folder.file("history.db")) - 4'096, '\xa5');
  }
  History history(folder.state());
  const auto rows = history.list(10);
  CHECK_FALSE(rows.problem);
  CHECK(rows.value.empty());
  CHECK(history.take_messages().size() == 1);
  REQUIRE_FALSE(history.record(numbered(4), kNow));
  CHECK(history.list(10).value.size() == 1);
}

TEST_CASE("history: whatever the damage, it ends in a sentence or in a new file", "[report]") {
  const Folder folder;
  {
    History history(folder.state());
    for (int number = 1; number <= 5; ++number)
      REQUIRE_FALSE(history.record(numbered(number), kNow));
    REQUIRE_FALSE(history.prune(kNow).problem);
  }
  const std::string path = folder.file("history.db");
  const std::string whole = content(path);
  dagz::Rng rng(11);
  for (int round = 0; round < 60; ++round) {
    std::string damaged = whole;
    for (uint64_t i = rng.below(30) + 1; i > 0; --i) {
      const uint64_t at = rng.chance(1, 3) ? rng.below(200) : rng.below(damaged.size());
      damaged[at] = static_cast<char>(rng.below(256));
    }
    if (rng.chance(1, 5)) damaged.resize(rng.below(damaged.size()));
    for (const char* side : {"-wal", "-shm"}) fs::remove(path + side);
    std::ofstream(path, std::ios::binary) << damaged;

    History history(folder.state());
    history.list(10);
    history.load("last");
    history.durations();
    const Problem problem = history.record(numbered(100 + round), kNow);
    if (problem) CHECK(problem->find(path) != std::string::npos);
  }
}

TEST_CASE("history: a file of a newer dagz is left alone", "[report]") {
  const Folder folder;
  {
    History history(folder.state());
    REQUIRE_FALSE(history.record(mixed_job(), kNow));
  }
  Database database;
  REQUIRE(database.open(folder.file("history.db"), Database::Mode::kWrite));
  REQUIRE(database.execute("PRAGMA user_version = 99"));
  database.close();
  History history(folder.state());
  const Problem problem = history.record(numbered(2), kNow);
  REQUIRE(problem);
  CHECK(problem->find("newer dagz") != std::string::npos);
  CHECK(history.take_messages().empty());
  CHECK_FALSE(fs::exists(folder.file("history.db.damaged-1")));
}

TEST_CASE("history: an unusable directory is a sentence, not an end", "[report]") {
  const Folder folder;
  std::ofstream(folder.state()) << "a file";
  History history(folder.state());
  const Problem problem = history.record(mixed_job(), kNow);
  REQUIRE(problem);
  CHECK(problem->find(folder.state()) != std::string::npos);
  CHECK(history.list(10).problem);
  CHECK(history.next_number({0}).value == 1);
  CHECK(History("/proc/dagz").open());
}

TEST_CASE("history: a full disk costs the job's record and nothing else", "[report]") {
  const Folder folder;
  History history(folder.state());
  REQUIRE_FALSE(history.record(numbered(1), kNow));

  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{300'000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  JobSummary large = numbered(2);
  large.tests[0].attempts[0].output = std::string(1'000'000, 'x');
  const Problem problem = history.record(large, kNow);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);

  CHECK(problem);
  CHECK(history.list(10).value.size() == 1);
  REQUIRE_FALSE(history.record(large, kNow));
  CHECK(history.list(10).value.size() == 2);
}

TEST_CASE("history: processes on one host share one file", "[report]") {
  const Folder folder;
  std::vector<pid_t> children;
  for (int child = 0; child < 4; ++child) {
    const pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      bool good = true;
      for (int number = 0; number < 5; ++number) {
        History history(folder.state());
        // Half of the jobs are everybody's, half are this process's own.
        const int own = number % 2 == 0 ? number : 100 * (child + 1) + number;
        good = good && !history.record(numbered(own), kNow) && history.take_messages().empty();
      }
      _exit(good ? 0 : 1);
    }
    children.push_back(pid);
  }
  for (const pid_t pid : children) {
    int status = 0;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
  }
  History history(folder.state());
  CHECK(history.list(100).value.size() == 3 + 4 * 2);
}

TEST_CASE("history: exported here, imported there", "[report]") {
  const Folder folder;
  const Folder other;
  History history(folder.state());
  for (int number = 1; number <= 3; ++number) REQUIRE_FALSE(history.record(numbered(number), kNow));
  const auto exported = [](History& from) {
    std::string text;
    REQUIRE_FALSE(from.export_lines([&text](std::string_view piece) {
      text += piece;
      return true;
    }));
    return text;
  };
  const std::string text = exported(history);
  History target(other.state());
  REQUIRE_FALSE(target.record(numbered(2), kNow));
  auto counts = target.import_texts({{"file", text, "d"}}, kNow);
  REQUIRE_FALSE(counts.problem);
  CHECK((counts.value.jobs == 2 && counts.value.known_jobs == 1));
  CHECK(exported(target).size() == text.size());
  for (const char* key : {"job-1", "job-2", "job-3"}) {
    CHECK(format_json(*target.load(key).value) == format_json(*history.load(key).value));
  }
  CHECK(target.durations().value.size() == history.durations().value.size());
  // A second time there is nothing new.
  counts = target.import_texts({{"file", text, "d"}}, kNow);
  CHECK((counts.value.jobs == 0 && counts.value.known_jobs == 3));
  CHECK(exported(target).size() == text.size());
}

TEST_CASE("history: when anything is wrong nothing is imported", "[report]") {
  const Folder folder;
  const Folder other;
  History history(folder.state());
  REQUIRE_FALSE(history.record(numbered(1), kNow));
  std::string text;
  REQUIRE_FALSE(history.export_lines([&text](std::string_view piece) {
    text += piece;
    return true;
  }));
  History target(other.state());
  const std::string cut = text.substr(0, text.size() / 2);
  const auto problem = target.import_texts({{"good", text, "d"}, {"cut", cut, "e"}}, kNow).problem;
  REQUIRE(problem);
  CHECK(problem->starts_with("cut:"));
  CHECK(target.list(9).value.empty());
  CHECK(target.durations().value.empty());
  CHECK(target.import_texts({{"x", "nonsense", ""}}, kNow).problem ==
        "x:1: this is no exported history, no JUnit XML and no .test_durations");
}

TEST_CASE("history: JUnit files and durations of others serve the plan", "[report]") {
  const Folder folder;
  History history(folder.state());
  const std::string junit =
      "<testsuite timestamp='2026-05-17T10:11:12'>"
      "<testcase classname='t.a' name='test_ok' time='0.25'/></testsuite>";
  const auto counts = history.import_texts(
      {{"j.xml", junit, "abc"}, {".test_durations", R"({"b.py::test_b": 1.5})", "def"}}, {5'000});
  REQUIRE_FALSE(counts.problem);
  CHECK((counts.value.jobs == 1 && counts.value.durations == 1));
  const auto durations = history.durations().value;
  REQUIRE(durations.size() == 2);
  CHECK((durations[0].id == "t/a.py::test_ok" && durations[0].duration.us() == 250'000));
  CHECK((durations[1].file == "b.py" && durations[1].duration.us() == 1'500'000));
  CHECK(history.list(9).value.at(0).short_id == "j0517.1");
  // Nor do the same durations count twice.
  const auto exported = [&history] {
    std::string text;
    REQUIRE_FALSE(history.export_lines([&text](std::string_view piece) {
      text += piece;
      return true;
    }));
    return text;
  };
  const std::string before = exported();
  const ImportText again{".test_durations", R"({"b.py::test_b": 1.5})", "def"};
  REQUIRE_FALSE(history.import_texts({again}, {9'000}).problem);
  CHECK(exported() == before);
  // The same content is the same job; and ids that are known need not be guessed.
  const std::string other =
      "<testsuite><testcase classname='t.b.lower' name='test_c'/></testsuite>";
  REQUIRE_FALSE(
      history.record(job({test("t/b.py::lower::test_c", {attempt(Outcome::kPassed)})}), kNow));
  REQUIRE_FALSE(
      history.import_texts({{"j.xml", junit, "abc"}, {"k.xml", other, "k"}}, {5'000}).problem);
  CHECK(history.list(9).value.size() == 3);
  CHECK(history.load("junit-k").value->tests.at(0).id == "t/b.py::lower::test_c");
}

TEST_CASE("history: the largest suites are kept and planned from in time", "[.bench]") {
  const Folder folder;
  std::vector<TestSummary> tests;
  for (int i = 0; i < 180'000; ++i) {
    const std::string file =
        "pandas/tests/extension/test_number_" + std::to_string(i / 300) + ".py";
    tests.push_back(test(file + "::TestArithmetic::test_values[" + std::to_string(i) +
                             "-Float64Dtype-object-True-some-parameter]",
                         {attempt(Outcome::kPassed, i % 50)}));
  }
  for (int i = 0; i < 200; ++i) {
    tests[static_cast<std::size_t>(i)].attempts.insert(
        tests[static_cast<std::size_t>(i)].attempts.begin(), attempt(Outcome::kFailed));
    tests[static_cast<std::size_t>(i)].verdict = Verdict::kOkFlaky;
  }
  JobSummary summary = job(std::move(tests));
  History history(folder.state());
  for (int number = 1; number <= 2; ++number) {
    summary.full_id = "large-" + std::to_string(number);
    const auto start = std::chrono::steady_clock::now();
    REQUIRE_FALSE(history.record(summary, kNow));
    WARN("record 180,000 results: " << ms_since(start) << " ms");
  }
  auto start = std::chrono::steady_clock::now();
  CHECK(history.durations().value.size() == 180'000);
  WARN("durations of 180,000 tests: " << ms_since(start) << " ms");
  start = std::chrono::steady_clock::now();
  CHECK(history.load("last").value->tests.size() == 180'000);
  WARN("load 180,000 results: " << ms_since(start) << " ms, file "
                                << fs::file_size(history.path()) / 1'000 << " kB");
  start = std::chrono::steady_clock::now();
  const FlakyTests flaky = history.flaky_tests().value;
  CHECK(flaky.tests.size() == 200);
  WARN("find 200 flaky tests of 180,000: " << ms_since(start) << " ms");
  std::vector<std::string> ids;
  for (const Flakiness& one : flaky.tests) ids.push_back(one.id);
  start = std::chrono::steady_clock::now();
  CHECK(history.flakiness(ids).value.size() == 200);
  WARN("flakiness of 200 tests: " << ms_since(start) << " ms");
}
