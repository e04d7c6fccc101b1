#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "sched/message.hpp"
#include "tests/support/scheduler_bench.hpp"

// How the scheduler asks for the names of tests behind the keys of files.

using namespace dagz;
using namespace dagz::sched;
using namespace dagz::test;
using Bench = test::SchedulerBench;

TEST_CASE("scheduler: while nobody can be asked for names it looks for them now and then",
          "[sched]") {
  Bench bench;
  bench.join(kA);
  bench.write(kB, report::Offered{kFile});  // and is not there
  bench.advance();
  bench.join(kB);
  bench.now = bench.now + Duration::milliseconds(199);
  bench.advance();
  CHECK(bench.names_wanted.empty());
  bench.now = bench.now + Duration::milliseconds(1);
  bench.advance();
  CHECK(bench.names_wanted.size() == 1);
}

TEST_CASE("scheduler: it asks one who offers a file for its names, and again later", "[sched]") {
  Bench bench;
  bench.join(kA, 1);
  bench.join(kB, 1);
  bench.write(kB, report::Offered{kFile});
  bench.advance();
  REQUIRE(bench.names_wanted.size() == 1);
  CHECK(bench.names_wanted[0].first == kB);
  CHECK(bench.names_wanted[0].second == std::vector<report::FileKey>{kFile});
  bench.advance();
  CHECK(bench.names_wanted.size() == 1);
  bench.now = bench.now + Duration::milliseconds(200);
  bench.advance();
  CHECK(bench.names_wanted.size() == 2);
  bench.write(kB, listed(kFile, "f", 2));
  bench.now = bench.now + Duration::milliseconds(200);
  bench.advance();
  CHECK(bench.names_wanted.size() == 2);
}

TEST_CASE("scheduler: the names of many files are asked for in messages that can be read",
          "[sched]") {
  Bench bench;
  bench.join(kB, 1);
  const std::size_t files = kNamesWantedMax + 7;
  for (report::FileKey key = 1; key <= files; ++key) bench.write(kB, report::Offered{key});
  bench.advance();
  std::set<report::FileKey> asked;
  for (const auto& [node, keys] : bench.names_wanted) {
    CHECK(node == kB);
    NamesWanted read;
    REQUIRE(decode(encode(NamesWanted{keys}), read));
    asked.insert(read.files.begin(), read.files.end());
  }
  CHECK(asked.size() == files);
}

TEST_CASE("scheduler: what a mark keeps together is granted once all names are known", "[sched]") {
  Bench bench;
  bench.join(kA, 1);
  bench.collect(kA, kFile, "f", 4);
  bench.write(kA, report::Grouped{kFile, "db", {0}});
  bench.write(kA, report::Offered{8});
  bench.advance();
  bench.collected(kA);
  bench.advance();
  bench.ask(kA);
  const auto held = [&](report::FileKey file) {
    const auto places = bench.held(kA);
    return std::count_if(places.begin(), places.end(),
                         [file](const report::Place& place) { return place.file == file; });
  };
  CHECK(held(kFile) == 3);
  bench.write(kA, listed(8, "g", 2));
  bench.write(kA, report::Grouped{8, "db", {1}});
  bench.now = bench.now + Duration::milliseconds(200);
  bench.advance();
  // Nobody has to run dry for it.
  CHECK(held(kFile) == 4);
  CHECK(held(8) > 0);
}
