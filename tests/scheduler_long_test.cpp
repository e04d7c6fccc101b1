#include <catch2/catch.hpp>

#include "tests/support/scheduler_bench.hpp"

using namespace dagz;
using namespace dagz::test;

namespace {

// Three of ten tests take ten seconds, the others a tenth.
std::vector<KnownDuration> history() {
  std::vector<KnownDuration> known;
  for (const std::string& id : names_of("f", 10))
    known.push_back({id, Duration::milliseconds(100)});
  for (const std::size_t i : {2U, 5U, 8U}) known[i].duration = Duration::seconds(10);
  return known;
}

bool is_long(const report::Place& place) {
  return place.index == 2 || place.index == 5 || place.index == 8;
}

struct Bench : SchedulerBench {
  Bench() : SchedulerBench({}, history()) {
    for (const NodeId& id : {kA, kB, kC}) join(id);
    for (const NodeId& id : {kA, kB, kC}) collect(id, kFile, "f", 10);
    for (const NodeId& id : {kA, kB, kC}) collected(id);
    advance();
  }
  std::size_t long_ones(const NodeId& id) const {
    const auto places = held(id);
    return static_cast<std::size_t>(std::count_if(places.begin(), places.end(), is_long));
  }
  void finish_long(const NodeId& id) {
    for (const report::Place& place : held(id)) {
      if (is_long(place)) write(id, finished(place.file, place.index));
    }
  }
};

}  // namespace

TEST_CASE("scheduler: a long test of a lost node goes at once to where it begins first",
          "[sched]") {
  Bench bench;
  for (const NodeId& id : {kA, kB, kC}) REQUIRE(bench.long_ones(id) == 1);
  bench.finish_long(kB);
  const std::size_t short_ones = bench.held(kB).size();
  bench.lose(kC);
  bench.advance();
  CHECK(bench.long_ones(kA) == 1);
  CHECK(bench.long_ones(kB) == 1);
  // Short ones wait for whoever runs dry.
  CHECK(bench.held(kB).size() == short_ones + 1);
}

TEST_CASE("scheduler: a long test is not placed while somebody may come who has none", "[sched]") {
  Bench bench;
  const NodeId late = numbered_id(4);
  bench.join(late);
  bench.finish_long(kB);
  bench.lose(kC);
  bench.advance();
  CHECK(bench.long_ones(kB) == 0);
  bench.collect(late, kFile, "f", 10);
  bench.collected(late);
  bench.advance();
  CHECK(bench.long_ones(late) == 1);
}
