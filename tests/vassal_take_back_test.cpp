#include <catch2/catch.hpp>

#include "tests/support/vassal_bench.hpp"

using namespace dagz;
using namespace dagz::sched;
using namespace dagz::test;
using Bench = test::VassalBench;

namespace {

// The worker's process gives back all that it has not begun.
std::vector<LocalTest> take_back(Bench& bench, Slot slot) {
  std::deque<LocalTest>& queue = bench.queues[slot];
  std::vector<LocalTest> taken(queue.begin() + 1, queue.end());
  queue.resize(1);
  bench.event(TakenBack{slot, taken});
  return taken;
}

constexpr Duration ms(int64_t n) { return Duration::milliseconds(n); }

void wait(Bench& bench, int64_t time) {
  bench.now = bench.now + ms(time);
  bench.advance();
}

}  // namespace

TEST_CASE("vassal: what waits behind a test that proves long is had by an idle neighbour",
          "[sched]") {
  Bench bench(2, 8, Duration::milliseconds(1));
  bench.begin(8);
  const Slot busy = bench.queues[0].size() > 1 ? 0 : 1;
  const Slot other = 1 - busy;
  while (!bench.queues[other].empty()) bench.done(other);
  REQUIRE(bench.queues[busy].size() > 2);
  const LocalTest head = bench.queues[busy].front();

  wait(bench, 49);
  CHECK(bench.all<TakeBack>().empty());
  CHECK(bench.vassal.next_deadline() <= bench.now + Duration::milliseconds(1));
  wait(bench, 1);
  REQUIRE(bench.all<TakeBack>().size() == 1);
  CHECK(bench.all<TakeBack>()[0].slot == busy);
  // Once for each test that proves long.
  wait(bench, 100);
  CHECK(bench.all<TakeBack>().size() == 1);

  const std::vector<LocalTest> taken = take_back(bench, busy);
  bench.advance();
  CHECK(bench.queues[busy] == std::deque<LocalTest>{head});
  CHECK(bench.queues[other].size() == taken.size());
  while (!bench.queues[other].empty()) bench.done(other);
  while (!bench.queues[busy].empty()) bench.done(busy);
  CHECK(bench.job.counts().passed == 8);
}

TEST_CASE("vassal: what a long test's worker is told at its end is not taken back", "[sched]") {
  // Else it would tear down what the two share, and set it up once more.
  Bench bench(1, 3, ms(200));
  bench.begin(3);
  REQUIRE(bench.queues[0].size() == 1);
  bench.now = bench.now + ms(200);
  bench.event(WorkerWants{0});
  bench.advance();
  CHECK(bench.queues[0].size() == 2);
  CHECK(bench.all<TakeBack>().empty());
}

TEST_CASE("vassal: a worker that gave everything back is fed again", "[sched]") {
  Bench bench(1, 4, Duration::milliseconds(1));
  bench.begin(4);
  wait(bench, 50);
  REQUIRE(bench.all<TakeBack>().size() == 1);
  // It had not even begun the first.
  const std::deque<LocalTest> all = std::exchange(bench.queues[0], {});
  bench.event(TakenBack{0, {all.begin(), all.end()}});
  bench.advance();
  CHECK(bench.queues[0] == all);
}

TEST_CASE("vassal: what was taken back can go to another node", "[sched]") {
  Bench bench(1, 9, Duration::milliseconds(10));
  bench.begin(9);
  wait(bench, 50);
  const std::vector<LocalTest> taken = take_back(bench, 0);
  REQUIRE(!taken.empty());
  bench.call(
      [&](auto& out) { bench.vassal.recalled(bench.now, 7, Duration::milliseconds(80), out); });
  CHECK(bench.given_up().size() == 8);
  while (!bench.queues[0].empty()) bench.done(0);
  CHECK(bench.job.counts().passed == 1);
}

TEST_CASE("vassal: a group that a mark keeps together stays whole when it was taken back",
          "[sched]") {
  Bench bench(1, 10, Duration::milliseconds(5));
  bench.fold(kChief, report::Grouped{kFile, "db", {8, 9}});
  bench.begin(10);
  while (bench.queued(0).front() < 6) bench.done(0);
  REQUIRE(bench.queued(0) == Indexes{6, 7, 8, 9});
  wait(bench, 60);
  REQUIRE(take_back(bench, 0).size() == 3);
  // One test would be enough.
  bench.call(
      [&](auto& out) { bench.vassal.recalled(bench.now, 1, Duration::milliseconds(4), out); });
  CHECK(bench.given_up() == Indexes{8, 9});
}

TEST_CASE("vassal: the rest of a group that a worker was sent meanwhile stays with it", "[sched]") {
  Bench bench(1, 12, Duration::milliseconds(5));
  bench.fold(kChief, report::Grouped{kFile, "db", {7, 8, 9, 10, 11}});
  bench.begin(12);
  while (bench.queued(0).front() < 5) bench.done(0);
  REQUIRE(bench.queued(0) == Indexes{5, 6, 7, 8});
  wait(bench, 60);
  // The group was sent after the process had answered.
  const LocalTest back = bench.queues[0][1];
  bench.queues[0].erase(bench.queues[0].begin() + 1);
  bench.event(TakenBack{0, {back}});
  bench.call(
      [&](auto& out) { bench.vassal.recalled(bench.now, 1, Duration::milliseconds(500), out); });
  CHECK(bench.given_up() == Indexes{6});
  while (!bench.queues[0].empty()) bench.done(0);
  CHECK(bench.job.counts().passed == 11);
}

TEST_CASE("vassal: what comes back once all is torn down is given up with its worker", "[sched]") {
  Bench bench(1, 10, Duration::milliseconds(5));
  bench.fold(kChief, report::Grouped{kFile, "db", {8, 9}});
  bench.begin(10);
  while (bench.queued(0).front() < 6) bench.done(0);
  wait(bench, 60);
  bench.call([&](auto& out) { bench.vassal.drain(out); });
  REQUIRE(take_back(bench, 0).size() == 3);
  bench.done(0);
  bench.obey_drains();
  CHECK(bench.given_up() == Indexes{7, 8, 9});
  CHECK(bench.all_answered());
}

TEST_CASE("vassal: a test of a mutex that a neighbour has keeps no worker from other tests",
          "[sched]") {
  Bench bench(2, 8, Duration::milliseconds(5));
  const auto locked = [](uint32_t test) {
    return report::Required{kFile, false, 1, "database", 1, {test}};
  };
  bench.fold(kChief, locked(1));
  bench.fold(kChief, locked(7));
  bench.begin(1);
  bench.grant({{kFile, 1, 1}});
  bench.advance();
  REQUIRE(bench.queued(0) == Indexes{0, 1});
  wait(bench, 60);
  REQUIRE(take_back(bench, 0).size() == 1);
  // It is reserved; meanwhile the other worker begins another test of that mutex.
  bench.grant({{kFile, 7, 1}});
  bench.advance();
  bench.ready(1);
  REQUIRE(bench.queued(1) == Indexes{7});
  bench.done(0);
  CHECK(bench.queues[0].empty());
  bench.grant({{kFile, 2, 3}});
  bench.advance();
  CHECK(bench.queued(0) == Indexes{2, 3, 4});
  while (!bench.queues[0].empty()) bench.done(0);
  bench.done(1);
  bench.advance();
  CHECK(bench.job.counts().unfinished == 3);
  for (const Slot slot : {0U, 1U}) {
    while (!bench.queues[slot].empty()) bench.done(slot);
  }
  CHECK(bench.all_answered());
  CHECK(bench.job.counts().passed == 6);
}

TEST_CASE("vassal: a retry that waits behind a long test holds nobody up", "[sched]") {
  Bench bench(1, 4, Duration::milliseconds(5));
  bench.begin(4);
  REQUIRE(bench.queues[0].size() == 4);
  bench.done(0, report::Outcome::kFailed);
  wait(bench, 60);
  REQUIRE(take_back(bench, 0).size() == 3);  // the retry is the last of them
  const auto recall = [&](uint64_t number) {
    bench.call([&](auto& out) {
      bench.vassal.recalled(bench.now, number, Duration::milliseconds(50), out);
    });
  };
  recall(1);
  CHECK(bench.given_up().empty());
  wait(bench, 2000);
  recall(2);
  CHECK(bench.given_up().size() == 3);
}

TEST_CASE("vassal: nothing is taken back from where nothing waits", "[sched]") {
  Bench bench(1, 3, Duration::milliseconds(100));
  bench.begin(3);
  REQUIRE(bench.queues[0].size() == 1);
  wait(bench, 300);
  CHECK(bench.all<TakeBack>().empty());
}
