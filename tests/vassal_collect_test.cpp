#include <catch2/catch.hpp>

#include "tests/support/vassal_bench.hpp"

using namespace dagz;
using namespace dagz::sched;
using namespace dagz::test;
using Bench = test::VassalBench;

namespace {

constexpr Duration ms(int64_t n) { return Duration::milliseconds(n); }

// Files a, b, c …, each larger than the next, whose workers collect them.
struct FilesBench : Bench {
  FilesBench(uint32_t workers, uint32_t count, const std::vector<KnownDuration>& known = {})
      : Bench(workers, known) {
    report::Found found;
    std::vector<FilesFound::File> sizes;
    std::vector<report::Run> runs;
    for (uint32_t i = 0; i < count; ++i) {
      sizes.push_back({path(i), (count - i) * 10'000});
      found.files.push_back({key(i), path(i), sizes.back().bytes});
      runs.push_back({key(i), 0, 1});
    }
    vassal.found(sizes);
    fold(kMe, found);
    grant(runs);
    advance();
    for (const StartWorker& start : all<StartWorker>()) ready(start.slot);
  }

  static std::string path(uint32_t file) { return std::string(1, static_cast<char>('a' + file)); }
  static report::FileKey key(uint32_t file) { return 100 + file; }
  static report::FileKey version(uint32_t file) { return 200 + file; }

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
  // All that the worker has of a file.
  void run(Slot slot, uint32_t tests) {
    for (uint32_t i = 0; i < tests; ++i) {
      REQUIRE_FALSE(collects(slot));
      done(slot);  // in 5 ms
    }
  }
};

}  // namespace

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

TEST_CASE("vassal collect: a file that the history knows is collected when its turn comes",
          "[sched]") {
  std::vector<KnownDuration> known;
  for (uint32_t file = 0; file < 3; ++file) {
    for (const std::string& id : names_of(FilesBench::path(file), 4)) known.push_back({id, ms(5)});
  }
  FilesBench bench(1, 3, known);
  for (uint32_t file = 0; file < 3; ++file) {
    bench.collected(0, 4, ms(1));
    bench.run(0, 4);
  }
  CHECK(bench.queues[0].empty());
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
