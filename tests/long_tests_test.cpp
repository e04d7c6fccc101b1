#include "sched/long_tests.hpp"

#include <catch2/catch.hpp>

#include "tests/support/vassal_bench.hpp"

using namespace dagz;
using namespace dagz::sched;
using namespace dagz::test;

namespace {

using Order = std::vector<std::size_t>;

std::vector<Duration> ms(std::initializer_list<int64_t> list) {
  std::vector<Duration> durations;
  for (const int64_t one : list) durations.push_back(Duration::milliseconds(one));
  return durations;
}

const Duration kLimit = Duration::milliseconds(100);

}  // namespace

TEST_CASE("long tests: what is long depends on a worker's share", "[sched]") {
  CHECK(long_test(Duration::seconds(512), 2) == Duration::milliseconds(500));
  CHECK(long_test(Duration::milliseconds(10), 2) == kLongAtLeast);
  CHECK(long_test(Duration::seconds(512), 0) == Duration::seconds(1));
}

TEST_CASE("long tests: the first test bears the set-up, if others do not take as long", "[sched]") {
  CHECK(setup_of(ms({500, 10, 10, 20, 10})) == Duration::milliseconds(490));
  CHECK(setup_of(ms({10, 10, 10, 900, 10})) == Duration{});
  CHECK(setup_of(ms({300, 10})) == Duration::milliseconds(300));
  CHECK(setup_of(ms({300})) == Duration{});
  CHECK(setup_of({}) == Duration{});
}

TEST_CASE("long tests: they leave their group, the longest first", "[sched]") {
  const LongFirst order = long_first(ms({10, 200, 10, 10, 10, 400, 10, 90}), kLimit, {}, true);
  CHECK(order.alone == Order{5, 1});
  CHECK(order.rest == Order{0, 2, 3, 4, 6, 7});
}

TEST_CASE("long tests: the first test stays, it may be long for its set-up", "[sched]") {
  const LongFirst order = long_first(ms({900, 10, 10, 10, 10}), kLimit, {}, true);
  CHECK(order.alone.empty());
  CHECK(order.rest == Order{0, 1, 2, 3, 4});
}

TEST_CASE("long tests: where another set-up is dear they only come first", "[sched]") {
  const LongFirst order = long_first(ms({500, 10, 10, 400, 10, 4000, 10, 10}), kLimit, {}, true);
  CHECK(order.alone == Order{5});
  CHECK(order.rest == Order{0, 3, 1, 2, 4, 6, 7});
}

TEST_CASE("long tests: a group of equals is left as it is", "[sched]") {
  const LongFirst order = long_first(ms({150, 160, 140, 150, 170}), kLimit, {}, true);
  CHECK(order.alone.empty());
  CHECK(order.rest == Order{0, 1, 2, 3, 4});
  CHECK(long_first({}, kLimit, {}, true).rest.empty());
}

TEST_CASE("long tests: very long ones leave a group of equals", "[sched]") {
  const LongFirst order = long_first(ms({300, 310, 290, 300, 320}), kLimit / 8, {}, true);
  CHECK(order.alone == Order{4, 1});
  CHECK(order.rest == Order{0, 2, 3});
  const LongFirst dear =
      long_first(ms({300, 310, 290}), kLimit / 8, Duration::milliseconds(200), true);
  CHECK(dear.alone.empty());
  CHECK(dear.rest == Order{0, 1, 2});
}

TEST_CASE("long tests: what does not begin its file bears no set-up", "[sched]") {
  const LongFirst order = long_first(ms({900, 10, 300, 10}), kLimit, {}, false);
  CHECK(order.alone == Order{0, 2});
  CHECK(order.rest == Order{1, 3});
  CHECK(long_first(ms({900, 800}), kLimit / 2, {}, false).alone == Order{0});
}

TEST_CASE("long tests: those that are foretold are long, whatever is expected", "[sched]") {
  const std::vector<bool> foretold{true, false, true, false, true};
  const LongFirst order = long_first(ms({10, 10, 10, 10, 20}), kLimit, {}, true, foretold);
  CHECK(order.alone == Order{4, 2});
  CHECK(order.rest == Order{0, 1, 3});
  // Where another set-up is dear they only come first.
  const Duration setup = Duration::milliseconds(50);
  CHECK(long_first(ms({10, 10, 10, 10, 20}), kLimit, setup, true, foretold).rest ==
        Order{0, 4, 2, 1, 3});
}

TEST_CASE("long tests: a longer one whose set-up is dear keeps no foretold one in the group",
          "[sched]") {
  const std::vector<bool> foretold{false, false, false, true, false};
  const LongFirst order =
      long_first(ms({10, 900, 10, 800, 10}), kLimit, Duration::milliseconds(50), true, foretold);
  CHECK(order.alone == Order{3});
  CHECK(order.rest == Order{0, 1, 2, 4});
}

TEST_CASE("vassal: a long test in the middle of a file begins first", "[sched]") {
  VassalBench bench(1, 10, Duration::milliseconds(40));
  const std::string slow = names_of("f", 10)[6];
  std::vector<KnownDuration> known = VassalBench::history(10, Duration::milliseconds(40));
  for (KnownDuration& one : known) {
    if (one.id == slow) one.duration = Duration::seconds(5);
  }
  bench.estimates = Estimates(known);
  for (const report::Test& test : bench.job.tests()) bench.estimates.add(test);
  bench.begin(10);
  CHECK(bench.queues[0].front().index == 6);
  bench.event(WorkerWants{0});
  CHECK(bench.queues[0].back().index == 0);
}

TEST_CASE("vassal: half of a neighbour's rest is taken only if that saves more than a set-up",
          "[sched]") {
  for (const int64_t setup_ms : {0, 100, 5000}) {
    VassalBench bench(2, 10, Duration::milliseconds(100));
    std::vector<KnownDuration> known = VassalBench::history(10, Duration::milliseconds(100));
    if (setup_ms > 0) known.push_back({"f", Duration::milliseconds(setup_ms)});
    bench.estimates = Estimates(known);
    for (const report::Test& test : bench.job.tests()) bench.estimates.add(test);
    bench.grant({{kFile, 0, 10}});
    bench.advance();
    bench.ready(0);
    bench.ready(1);
    INFO(setup_ms);
    CHECK(bench.queues[1].empty() == (setup_ms == 5000));
  }
}

TEST_CASE("vassal: later grants come before what is smaller", "[sched]") {
  VassalBench bench(1, 200, Duration::milliseconds(40));
  bench.begin(1);
  bench.grant({{kFile, 10, 2}});
  bench.grant({{kFile, 20, 100}});
  bench.advance();
  bench.done(0);
  CHECK(bench.queues[0].front().index == 20);
}

TEST_CASE("long tests: very long ones leave a group, though most of it is as long", "[sched]") {
  const auto ms = [](int64_t value) { return Duration::milliseconds(value); };
  const std::vector<Duration> mixed{ms(1), ms(1100), ms(1144), ms(1160), ms(1200)};
  CHECK(long_first(mixed, ms(50), {}, false).alone == std::vector<std::size_t>{4, 3, 2, 1});
  // Of tests that are alike no order is better.
  const std::vector<Duration> alike{ms(1100), ms(1100), ms(1100)};
  CHECK(long_first(alike, ms(50), {}, false).alone.empty());
}

TEST_CASE("vassal: a recall takes long tests first, as far as they fit", "[sched]") {
  VassalBench bench(1, 12, Duration::milliseconds(40));
  const std::vector<std::string> ids = names_of("f", 12);
  std::vector<KnownDuration> known = VassalBench::history(12, Duration::milliseconds(40));
  for (KnownDuration& one : known) {
    if (one.id == ids[4]) one.duration = Duration::seconds(6);
    if (one.id == ids[6]) one.duration = Duration::seconds(5);
    if (one.id == ids[8]) one.duration = Duration::seconds(2);
  }
  bench.estimates = Estimates(known);
  for (const report::Test& test : bench.job.tests()) bench.estimates.add(test);
  bench.begin(12);
  REQUIRE(bench.queues[0].front().index == 4);
  bench.call(
      [&](auto& out) { bench.vassal.recalled(bench.now, 1, Duration::milliseconds(2100), out); });
  const std::vector<uint32_t> given = bench.given_up();
  CHECK(std::find(given.begin(), given.end(), 8) != given.end());
  CHECK(std::find(given.begin(), given.end(), 6) == given.end());
}
