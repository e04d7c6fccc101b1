#include <catch2/catch.hpp>

#include "sched/scheduler.hpp"
#include "tests/support/scheduler_bench.hpp"

using namespace dagz;
using namespace dagz::sched;
using namespace dagz::test;
using Bench = test::SchedulerBench;
using report::Enlisted;

namespace {

const Enlisted& numbers_of(const Bench& bench, const NodeId& id) {
  return *bench.job.nodes()[bench.job.node_index(id)].enlisted;
}

}  // namespace

TEST_CASE("scheduler enlist: nodes and workers are numbered in the order of their birth",
          "[sched]") {
  Bench bench;
  bench.join(kA, 2);
  bench.join(kB, 3);
  bench.advance();
  bench.join(kC, 1);
  bench.advance();
  CHECK(numbers_of(bench, kA).first_worker == 0);
  CHECK((numbers_of(bench, kB).number == 1 && numbers_of(bench, kB).first_worker == 2));
  CHECK((numbers_of(bench, kC).number == 2 && numbers_of(bench, kC).first_worker == 5));
  CHECK(bench.written<Enlisted>().size() == 3);
}

TEST_CASE("scheduler enlist: who comes with numbers of the other half's is numbered anew",
          "[sched]") {
  // Whose id is lower plays no part.
  for (const NodeId& self : {kA, kC}) {
    Bench bench;
    bench.self = self;
    bench.scheduler.begin(bench.now, claim_by(self), named(0));
    bench.join(self, 2);
    bench.advance();
    // The other half was numbered before the two met.
    bench.write(kB, Enlisted{kB, 0, 0, 4});
    bench.write(kB, Enlisted{numbered_id(7), 1, 4, 4});
    bench.join(kB, 4);
    bench.advance();
    CHECK((numbers_of(bench, self).number == 0 && numbers_of(bench, self).first_worker == 0));
    CHECK((numbers_of(bench, kB).number == 2 && numbers_of(bench, kB).first_worker == 8));
    CHECK(numbers_of(bench, kB).workers == 4);
    // Nobody else bears its numbers, so it keeps them.
    CHECK(numbers_of(bench, numbered_id(7)).number == 1);
    const std::size_t entries = bench.written<Enlisted>().size();
    bench.join(numbered_id(7), 4);
    bench.advance();
    CHECK(bench.written<Enlisted>().size() == entries);
  }
}

TEST_CASE("scheduler enlist: nodes that overlap in workers only are told apart, too", "[sched]") {
  Bench bench;
  bench.join(kA, 4);
  bench.advance();
  bench.write(kB, Enlisted{kB, 5, 3, 1});
  bench.write(kB, Enlisted{kC, 6, 4, 1});
  bench.advance();
  CHECK((numbers_of(bench, kB).number == 7 && numbers_of(bench, kB).first_worker == 5));
  CHECK((numbers_of(bench, kC).number == 6 && numbers_of(bench, kC).first_worker == 4));
}

TEST_CASE("scheduler enlist: nobody is numbered anew for ever", "[sched]") {
  Bench bench;
  bench.join(kA, 1);
  bench.advance();
  bench.write(kB, Enlisted{kB, 0, UINT32_MAX, 4, report::kRevisionMax});
  bench.write(kC, Enlisted{kC, UINT32_MAX, 0, 1});
  bench.advance();
  CHECK(numbers_of(bench, kB).number == 0);
  CHECK(numbers_of(bench, kC).revision <= report::kRevisionMax);
  const std::size_t entries = bench.written<Enlisted>().size();
  bench.advance();
  CHECK(bench.written<Enlisted>().size() == entries);
}

TEST_CASE("scheduler enlist: whoever left results gets a number, though it is gone", "[sched]") {
  Bench bench;
  bench.join_ready(kA, 4, 2);
  // Its first scheduler has numbered it, but that is gone with all it wrote.
  constexpr report::FileKey kIts = 11;
  bench.write(kB, listed(kIts, "g", 3));
  bench.advance();
  CHECK_FALSE(bench.job.nodes()[bench.job.node_index(kB)].enlisted);
  report::Finished result = finished(kIts, 0);
  result.slot = 2;
  bench.write(kB, result);
  bench.advance();
  CHECK(numbers_of(bench, kB).number == 1);
  CHECK(bench.job.worker_number(bench.job.node_index(kB), 0) == 2);
  const std::size_t entries = bench.written<Enlisted>().size();
  bench.join(kC, 1);
  bench.advance();
  CHECK(numbers_of(bench, kC).first_worker == 5);
  CHECK(bench.written<Enlisted>().size() == entries + 1);

  // Of another worker the word comes late.
  result = finished(kIts, 1);
  result.slot = 3;
  bench.write(kB, result);
  bench.advance();
  CHECK((numbers_of(bench, kB).number == 3 && numbers_of(bench, kB).workers == 4));
  CHECK(numbers_of(bench, kB).first_worker == 6);
  CHECK(numbers_of(bench, kC).first_worker == 5);
}
