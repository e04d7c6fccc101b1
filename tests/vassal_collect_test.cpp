#include <sys/time.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>

#include "tests/support/vassal_bench.hpp"

using namespace dagz;
using namespace dagz::sched;
using namespace dagz::test;
using Bench = test::VassalBench;

namespace {

constexpr Duration ms(int64_t n) { return Duration::milliseconds(n); }

// Files a, b, c …, each larger than the next, whose workers collect them. The first `granted` are
// granted at once.
struct FilesBench : Bench {
  FilesBench(uint32_t workers, uint32_t count, const std::vector<KnownDuration>& known = {},
             uint32_t granted = UINT32_MAX, Duration test_timeout = {})
      : Bench(workers, known, test_timeout) {
    report::Found found;
    std::vector<FilesFound::File> sizes;
    std::vector<report::Run> runs;
    for (uint32_t i = 0; i < count; ++i) {
      sizes.push_back({path(i), (count - i) * 10'000});
      found.files.push_back({key(i), path(i), sizes.back().bytes});
      if (i < granted) runs.push_back({key(i), 0, 1});
    }
    vassal.found(sizes);
    fold(kMe, found);
    if (!runs.empty()) grant(runs);
    advance();
    for (const StartWorker& start : all<StartWorker>()) ready(start.slot);
  }

  static std::string path(uint32_t file) { return std::string(1, static_cast<char>('a' + file)); }
  static report::FileKey key(uint32_t file) { return 100 + file; }
  static report::FileKey version(uint32_t file) { return 200 + file; }
  // What the history knows of the first files: so many tests of each.
  static std::vector<KnownDuration> history_of(uint32_t files, uint32_t tests, Duration each) {
    std::vector<KnownDuration> known;
    for (uint32_t file = 0; file < files; ++file) {
      for (const std::string& id : names_of(path(file), tests)) known.push_back({id, each});
    }
    return known;
  }

  bool collects(Slot slot) const {
    const auto queue = queues.find(slot);
    return queue != queues.end() && !queue->second.empty() &&
           queue->second.front().index >= kCollectAgain;
  }
  // The file that the worker collects was collected, and holds so many tests.
  uint32_t collected(Slot slot, uint32_t tests, Duration took, uint32_t times_usual = 1) {
    REQUIRE(collects(slot));
    const LocalTest order = queues[slot].front();
    queues[slot].pop_front();
    WorkerCollected event;
    event.slot = slot;
    event.file.file = order.file;
    event.took = took;
    if (order.index == kCollectAgain) {
      call([&](auto& out) { vassal.collected(now, event, {}, out); });
      return order.file;
    }
    const report::FileKey file = version(order.file);
    fold(kMe, report::Offered{file});
    if (times_usual > 1) fold(kMe, report::Required{file, false, 1, {}, times_usual, {1}});
    fold(kMe, listed(file, path(order.file), tests));
    call([&](auto& out) { vassal.collected(now, event, {file}, out); });
    const report::Expanded expanded = written<report::Expanded>().back();
    call([&](auto& out) { vassal.expanded(expanded, out); });
    advance();
    return order.file;
  }
  // Another node has done so.
  void collected_elsewhere(uint32_t file, uint32_t tests) {
    fold(kChief, report::Offered{version(file)});
    fold(kChief, listed(version(file), path(file), tests));
  }
  // The worker has collected its file again, and the test behind that is not in there.
  LocalTest missing(Slot slot) {
    collected(slot, 0, ms(1));
    const LocalTest test = queues[slot].front();
    queues[slot].pop_front();
    event(TestMissing{slot, test});
    advance();
    return test;
  }
  void wait(Duration time) {
    now = now + time;
    advance();
  }
  // All that the worker has of a file.
  void run(Slot slot, uint32_t tests) {
    for (uint32_t i = 0; i < tests; ++i) {
      REQUIRE_FALSE(collects(slot));
      done(slot);  // in 5 ms
    }
  }
};

// What takes so long goes on for ever: the test is aborted, and fails by that. In seconds of the
// processor, so that a busy machine does not matter.
struct EndsWithin {
  explicit EndsWithin(int seconds) {
    std::signal(SIGVTALRM, [](int) { std::abort(); });
    set(seconds);
  }
  EndsWithin(const EndsWithin&) = delete;
  EndsWithin& operator=(const EndsWithin&) = delete;
  ~EndsWithin() {
    set(0);
    std::signal(SIGVTALRM, SIG_DFL);
  }
  static void set(int seconds) {
    itimerval timer{};
    timer.it_value.tv_sec = seconds;
    setitimer(ITIMER_VIRTUAL, &timer, nullptr);
  }
};

}  // namespace

TEST_CASE("vassal collect: a worker collects a file and runs its tests", "[sched]") {
  FilesBench bench(1, 1);
  REQUIRE(bench.all<RunTests>().size() == 1);
  CHECK(bench.all<RunTests>()[0].tests == std::vector<LocalTest>{{0, kCollectFile}});
  bench.collected(0, 2, ms(1));
  CHECK(bench.written<report::Expanded>().size() == 1);
  REQUIRE(bench.all<RunTests>().size() == 2);
  const RunTests run = bench.all<RunTests>()[1];
  CHECK(run.slot == 0);
  CHECK((run.names[0].file == 0 && run.names[0].id == "a::t0"));
}

TEST_CASE("vassal collect: the first file runs at once, later ones are collected ahead",
          "[sched]") {
  FilesBench bench(1, 5);
  // The smallest comes first, then the others by size.
  CHECK(bench.collected(0, 4, ms(1)) == 4);
  bench.run(0, 4);
  // After 20 ms of tests there is time for two of 10 ms; what is in the last one follows it.
  CHECK(bench.collected(0, 2, ms(10)) == 0);
  CHECK(bench.collected(0, 3, ms(10)) == 1);
  bench.run(0, 3);
  CHECK(bench.collected(0, 2, ms(30)) == 2);
  bench.run(0, 2);
  // Once nothing is left to collect, what was collected before.
  CHECK(bench.collected(0, 2, ms(10)) == 3);
  bench.run(0, 4);
  CHECK(bench.queues[0].empty());
  CHECK(bench.written<report::Finished>().size() == 13);
}

TEST_CASE("vassal collect: where nobody knows anything small files come before large ones",
          "[sched]") {
  FilesBench bench(1, 4);
  CHECK(bench.collected(0, 4, ms(1)) == 3);
  bench.run(0, 4);
  CHECK(bench.collected(0, 5, ms(1)) == 0);
  CHECK(bench.collected(0, 2, ms(1)) == 1);
  CHECK(bench.collected(0, 3, ms(1)) == 2);
  bench.run(0, 3 + 2 + 5);
  std::string files;
  for (const RunTests& sent : bench.all<RunTests>()) {
    for (std::size_t i = 0; i < sent.names.size(); ++i) {
      if (sent.tests[i].index < kCollectAgain) files += sent.names[i].id.front();
    }
  }
  CHECK(files == "ddddcccbbaaaaa");
}

TEST_CASE("vassal collect: a file that the history knows is collected when its turn comes",
          "[sched]") {
  FilesBench bench(1, 3, FilesBench::history_of(3, 4, ms(5)));
  for (uint32_t file = 0; file < 3; ++file) {
    bench.collected(0, 4, ms(1));
    bench.run(0, 4);
  }
  CHECK(bench.queues[0].empty());
}

TEST_CASE(
    "vassal collect: where the history is old the files that it knows are collected ahead, too",
    "[sched]") {
  for (const uint32_t more : {0U, 4U}) {
    FilesBench bench(1, 3, FilesBench::history_of(3, 10, ms(5)));
    // Four of 24 tests are more than one of ten.
    bench.collected(0, 10 + more, ms(1));
    bench.run(0, 10 + more);
    bench.collected(0, 10, ms(1));
    CHECK(bench.collects(0) == (more > 0));
  }
}

TEST_CASE("vassal collect: before a test that is foretold to be long others are collected",
          "[sched]") {
  FilesBench bench(2, 5);
  // One runs what it has collected first, however long, and has the next one to collect after it.
  CHECK(bench.collected(0, 2, ms(1)) == 4);
  CHECK_FALSE(bench.collects(0));
  // The other one's second test is as long as 50: it looks for more of those first.
  CHECK(bench.collected(1, 2, ms(10), 50) == 0);
  CHECK(bench.collected(1, 2, ms(10)) == 2);
  CHECK(bench.collected(1, 2, ms(10)) == 3);
  REQUIRE_FALSE(bench.collects(1));
  CHECK(bench.queues[1].front().index == 1);
}

TEST_CASE("vassal collect: a worker turns to files that it has collected itself", "[sched]") {
  FilesBench bench(2, 6);
  CHECK(bench.collected(0, 4, ms(1)) == 5);
  CHECK(bench.collected(1, 4, ms(1)) == 0);
  bench.run(1, 4);
  bench.run(0, 4);
  // Each collects one ahead, worker 1 first, and what it is to run now.
  const uint32_t ahead = bench.collected(1, 2, ms(10));
  const uint32_t other = bench.collected(0, 2, ms(10));
  bench.collected(0, 2, ms(100));
  bench.collected(1, 2, ms(100));
  REQUIRE(ahead != other);
  // What each of them has collected ahead comes next, and nothing is collected again.
  bench.run(0, 4);
  bench.run(1, 4);
  CHECK(bench.written<report::Finished>().size() == 16);
  CHECK(bench.written<report::Expanded>().size() == 6);
}

TEST_CASE("vassal collect: a node that holds very many tests collects no more of them ahead",
          "[sched]") {
  FilesBench bench(1, 4);
  CHECK(bench.collected(0, 4, ms(1)) == 3);
  bench.run(0, 4);
  // There is time to collect another one before these tests.
  CHECK(bench.collected(0, 30'000, ms(1)) == 0);
  CHECK_FALSE(bench.collects(0));
}

TEST_CASE("vassal collect: what wants the whole node is not collected ahead while others run",
          "[sched]") {
  const EndsWithin limit(20);
  FilesBench bench(3, 5);
  // The import of any of three files may have taken the runner down: each is collected alone.
  bench.event(RunnerLost{"SIGKILL"});
  bench.advance();
  for (const Slot slot : {0U, 1U, 2U}) bench.ready(slot);
  REQUIRE_FALSE((bench.collects(1) || bench.collects(2)));
  // The first one has a long test that counts as two workers: beside it there is room for one.
  bench.fold(kMe, report::Required{FilesBench::version(1), false, 2, {}, 500, {0}});
  REQUIRE(bench.collected(0, 1, ms(1)) == 1);
  REQUIRE_FALSE(bench.collects(0));
  CHECK(bench.collected(1, 2, ms(1)) == 2);
  bench.run(1, 2);
  CHECK(bench.collected(1, 2, ms(1)) == 3);
  // It ran tests for longer than it collected, but both files that are left have to wait.
  bench.run(1, 2);
  CHECK((bench.queues[1].empty() && bench.queues[2].empty()));
  bench.done(0);
  CHECK(bench.collected(0, 0, ms(1)) == 0);
  CHECK(bench.collected(0, 0, ms(1)) == 4);
  CHECK(bench.job.uncollected() == 0);
  CHECK(bench.written<report::Finished>().size() == 5);
}

TEST_CASE("vassal collect: what waits behind a long test is worth another collection", "[sched]") {
  FilesBench bench(2, 1);
  bench.collected(0, 5, ms(52));
  REQUIRE(bench.queued(0) == Indexes{0, 1, 2, 3});
  bench.ready(1);
  // Tests of a few milliseconds are not, nor is one that only begins to be long.
  CHECK(bench.queues[1].empty());
  bench.wait(ms(50));
  REQUIRE(bench.all<TakeBack>().size() == 1);
  bench.queues[0].resize(1);
  const uint32_t number = bench.queues[0].front().file;
  bench.event(TakenBack{0, {{number, 1}, {number, 2}, {number, 3}}});
  bench.advance();
  CHECK(bench.queues[1].empty());
  bench.wait(ms(10));
  CHECK(bench.queues[1] == std::deque<LocalTest>{{0, kCollectAgain}, {number, 3}});
  CHECK(bench.queued(0) == Indexes{0});
}

TEST_CASE("vassal collect: a worker that helps another collects first", "[sched]") {
  FilesBench bench(2, 1);
  bench.collected(0, 400, ms(1));
  bench.ready(1);
  REQUIRE(bench.queues[1].size() > 1);
  CHECK(bench.queues[1][0] == LocalTest{0, kCollectAgain});
  CHECK(bench.queues[1][1].index < kCollectAgain);
}

TEST_CASE("vassal collect: to collect a file is enough for a worker's window", "[sched]") {
  FilesBench bench(1, 3, {}, 1);
  bench.collected(0, 8, ms(500));
  // By now its tests are known to be short.
  bench.run(0, 8);
  CHECK(bench.written<report::Finished>().size() == 8);
  REQUIRE(bench.queues[0].empty());
  for (const uint32_t file : {1U, 2U}) bench.collected_elsewhere(file, 1);
  bench.grant({{FilesBench::version(1), 0, 1}, {FilesBench::version(2), 0, 1}});
  bench.advance();
  CHECK(bench.queues[0].size() == 2);
  CHECK(bench.queues[0].front().index == kCollectAgain);
}

TEST_CASE("vassal collect: very long tests are spread, and what cannot begin here is given up",
          "[sched]") {
  std::vector<KnownDuration> known = FilesBench::history_of(2, 30, ms(10));
  for (const uint32_t i : {5U, 6U, 7U, 8U}) known[i].duration = Duration::seconds(4 + i);
  FilesBench bench(2, 2, known);
  const Slot home = bench.queues[0].front().file == 0 ? 0 : 1;
  REQUIRE(bench.collected(1 - home, 30, ms(1)) == 1);
  REQUIRE(bench.collected(home, 30, ms(1)) == 0);
  // The two longest stay.
  REQUIRE(bench.written<report::GaveUp>().size() == 1);
  CHECK(bench.written<report::GaveUp>()[0].runs ==
        std::vector<report::Run>{{FilesBench::version(0), 6, 1}, {FilesBench::version(0), 5, 1}});
  // The neighbour turns to one before the rest of its own file.
  bench.done(1 - home);
  const RunTests next = bench.all<RunTests>().back();
  REQUIRE(next.slot == 1 - home);
  CHECK(next.names.back().id == "a::t7");
}

TEST_CASE("vassal collect: a worker that runs a very long test is no room for another", "[sched]") {
  std::vector<KnownDuration> known = FilesBench::history_of(2, 30, ms(10));
  for (const std::size_t i : {5U, 6U, 35U}) known[i].duration = Duration::seconds(5);
  FilesBench bench(2, 2, known);
  const Slot home = bench.queues[0].front().file == 0 ? 0 : 1;
  REQUIRE(bench.collected(1 - home, 30, ms(1)) == 1);
  REQUIRE(bench.all<RunTests>().back().names[0].id == "b::t5");
  REQUIRE(bench.collected(home, 30, ms(1)) == 0);
  REQUIRE(bench.written<report::GaveUp>().size() == 1);
  CHECK(bench.written<report::GaveUp>()[0].runs ==
        std::vector<report::Run>{{FilesBench::version(0), 6, 1}});
}

TEST_CASE(
    "vassal collect: a worker whose order to collect is taken back has not collected the file",
    "[sched]") {
  FilesBench bench(1, 2, {}, 1);
  bench.collected(0, 7, ms(1));
  bench.run(0, 6);
  bench.grant({{FilesBench::key(1), 0, 1}});
  bench.advance();
  const LocalTest collect{1, kCollectFile};
  REQUIRE(bench.queues[0].back() == collect);
  // The test before it proves long, and another node takes the file over.
  bench.wait(ms(60));
  REQUIRE(bench.all<TakeBack>().size() == 1);
  bench.queues[0].pop_back();
  bench.event(TakenBack{0, {collect}});
  bench.call([&](auto& out) { bench.vassal.recalled(bench.now, 1, Duration::seconds(100), out); });
  REQUIRE(bench.written<report::GaveUp>().size() == 1);
  bench.collected_elsewhere(1, 2);
  bench.grant({{FilesBench::version(1), 0, 2}});
  bench.done(0);
  REQUIRE_FALSE(bench.queues[0].empty());
  CHECK(bench.queues[0].front() == LocalTest{1, kCollectAgain});
}

TEST_CASE("vassal collect: a test that is missing where it was sent goes back to its home",
          "[sched]") {
  FilesBench bench(2, 1);
  bench.collected(0, 400, ms(1));
  bench.ready(1);
  const LocalTest stray = bench.missing(1);
  CHECK(bench.written<report::Missing>().empty());
  bench.done(0);
  CHECK(bench.queues[0].back() == stray);
}

TEST_CASE("vassal collect: what nobody here has is given up for good", "[sched]") {
  FilesBench bench(1, 2, {}, 0);
  bench.collected_elsewhere(1, 1);
  bench.grant({{FilesBench::version(1), 0, 1}});
  bench.advance();
  bench.ready(0);
  REQUIRE(bench.queues[0].size() == 2);
  CHECK(bench.queues[0].front() == LocalTest{1, kCollectAgain});
  const report::TestIndex test = bench.job.test_at(FilesBench::version(1), 0);
  CHECK(bench.job.place_on(test, bench.job.node_index(kMe)));
  bench.missing(0);
  REQUIRE(bench.written<report::Missing>().size() == 1);
  CHECK(bench.written<report::Missing>()[0].runs ==
        std::vector<report::Run>{{FilesBench::version(1), 0, 1}});
  CHECK_FALSE(bench.job.place_on(test, bench.job.node_index(kMe)));
}

TEST_CASE("vassal collect: a file that takes its worker down is an error, once", "[sched]") {
  FilesBench bench(1, 2);
  // The smaller one first, then the largest.
  bench.gone(0, false);
  REQUIRE(bench.written<report::CollectionFailed>().size() == 1);
  CHECK(bench.written<report::CollectionFailed>()[0].path == "b");
  REQUIRE(bench.written<report::Expanded>().size() == 1);
  CHECK(bench.written<report::Expanded>()[0].versions.empty());
  CHECK(bench.job.uncollected() == 1);
  bench.advance();
  bench.ready(0);
  CHECK(bench.queues[0] == std::deque<LocalTest>{{0, kCollectFile}});
}

TEST_CASE("vassal collect: a long import is no test that runs too long", "[sched]") {
  FilesBench bench(1, 1, {}, 1, Duration::seconds(1));
  CHECK(bench.vassal.running() == 1);
  bench.commands.clear();
  bench.wait(Duration::seconds(9));
  CHECK(bench.commands.empty());
  // But one of ten times that length is ended, and is a collection error.
  CHECK(bench.vassal.next_deadline() <= bench.now + Duration::seconds(1));
  bench.wait(Duration::seconds(1));
  REQUIRE(bench.commands.size() == 1);
  CHECK(std::get<KillWorker>(bench.commands[0]).stacks);
  bench.wait(Duration::seconds(1));
  CHECK(bench.commands.size() == 1);
  bench.gone(0, false);
  REQUIRE(bench.entries.size() == 2);
  CHECK(std::get<report::CollectionFailed>(bench.entries[0]).text ==
        "to collect this file took longer than 10.0s and was ended\nlast words");
  CHECK(std::get<report::Expanded>(bench.entries[1]).versions.empty());
}

TEST_CASE("vassal collect: a file that hangs is told, and again after twice the time", "[sched]") {
  FilesBench bench(1, 1);
  const auto notice_after = [&](int seconds) {
    Vassal::Output out;
    bench.vassal.advance(bench.now + Duration::seconds(seconds), out);
    return out.notice.value_or("");
  };
  CHECK(bench.vassal.next_deadline() <= bench.now + Duration::seconds(30));
  CHECK(notice_after(29).empty());
  CHECK(notice_after(30) == "SLOW: worker #10 on node-3 has been collecting a for 30.0s");
  CHECK(notice_after(59).empty());
  CHECK(notice_after(60) == "SLOW: worker #10 on node-3 has been collecting a for 1m00.0s");
}
