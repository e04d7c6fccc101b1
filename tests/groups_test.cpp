#include "sched/groups.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <optional>

#include "mesh/rng.hpp"
#include "tests/support/vassal_bench.hpp"

using namespace dagz;
using namespace dagz::sched;
using namespace dagz::test;

namespace {

constexpr Duration ms(int64_t n) { return Duration::milliseconds(n); }

std::vector<Duration> equal(std::size_t count, Duration each) {
  return std::vector<Duration>(count, each);
}

using Counts = std::vector<std::size_t>;

// A file "f" of so many tests of 10 ms, whose set-up takes so long.
struct File {
  report::JobState job;
  Estimates estimates;
  std::vector<report::TestIndex> tests;

  // One of them may be long.
  File(uint32_t count, Duration setup, std::optional<Duration> long_one = std::nullopt)
      : estimates(known(count, setup, long_one)) {
    const auto fold = [&](const NodeId& origin, const report::Entry& entry) {
      job.apply(origin, entry);
      for (const report::Change& change : job.take_changes()) {
        if (change.kind == report::Change::Kind::kKnown) estimates.add(job.tests()[change.test]);
      }
    };
    fold(kMe, report::Offered{kFile});
    fold(kMe, listed(kFile, "f", count));
    for (report::TestIndex test = 0; test < count; ++test) tests.push_back(test);
  }

  static std::vector<KnownDuration> known(uint32_t count, Duration setup,
                                          std::optional<Duration> long_one) {
    std::vector<KnownDuration> known = test::VassalBench::history(count, ms(10));
    if (long_one) known.back().duration = *long_one;
    if (setup.ns > 0) known.push_back({"f", setup});
    return known;
  }

  std::vector<TestGroup> groups() const {
    return group_tests(job, estimates, Affinity::kFile, tests);
  }
};

Counts counts(const std::vector<std::vector<std::size_t>>& pieces) {
  Counts sizes;
  for (const auto& piece : pieces) sizes.push_back(piece.size());
  return sizes;
}

}  // namespace

TEST_CASE("groups: tests that share nothing are cut into even pieces", "[sched]") {
  CHECK(counts(even_pieces(equal(10, ms(10)), {}, ms(50))) == Counts{5, 5});
  CHECK(counts(even_pieces(equal(10, ms(10)), {}, ms(40))) == Counts{4, 3, 3});
  CHECK(counts(even_pieces(equal(3, ms(10)), {}, ms(1))) == Counts{1, 1, 1});
}

TEST_CASE("groups: a piece and its set-up fill the share", "[sched]") {
  CHECK(counts(even_pieces(equal(10, ms(10)), ms(50), ms(100))) == Counts{5, 5});
  CHECK(counts(even_pieces(equal(10, ms(10)), ms(60), ms(100))) == Counts{4, 3, 3});
}

TEST_CASE("groups: no piece takes four times as long to set up as to run", "[sched]") {
  CHECK(counts(even_pieces(equal(10, ms(10)), ms(200), ms(210))) == Counts{5, 5});
  CHECK(counts(even_pieces(equal(10, ms(10)), ms(500), ms(50))) == Counts{10});
}

TEST_CASE("groups: long tests are spread over the pieces of their group", "[sched]") {
  std::vector<Duration> expected = equal(21, ms(10));
  expected[1] = ms(400);
  expected[2] = ms(300);
  const auto pieces = even_pieces(expected, ms(100), ms(560));
  REQUIRE(pieces.size() == 2);
  CHECK(pieces[0] == std::vector<std::size_t>{0, 1, 3, 4, 5, 6});
  CHECK(pieces[1].front() == 2);
  CHECK(pieces[1].size() == 15);
  // Three of them do not fit into two.
  expected.assign(3, ms(400));
  CHECK(counts(even_pieces(expected, ms(100), ms(700))) == Counts{1, 1, 1});
}

TEST_CASE("groups: what is named runs in the order of its files, whichever is known first",
          "[sched]") {
  report::JobState job;
  Estimates estimates({});
  std::vector<report::TestIndex> tests;
  report::FileKey key = 0;
  for (const char* path : {"b", "c", "a"}) {
    ++key;
    job.apply(kMe, report::Grouped{key, "in order", {0, 1}});
    job.apply(kMe, report::Offered{key});
    job.apply(kMe, listed(key, path, 2));
    for (const report::Change& change : job.take_changes()) {
      if (change.kind != report::Change::Kind::kKnown) continue;
      estimates.add(job.tests()[change.test]);
      tests.push_back(change.test);
    }
  }
  const auto groups = group_tests(job, estimates, Affinity::kFile, tests);
  REQUIRE(groups.size() == 1);
  std::string ids;
  for (const report::TestIndex test : groups[0].tests) ids += job.tests()[test].id + " ";
  CHECK(ids == "a::t0 a::t1 b::t0 b::t1 c::t0 c::t1 ");
}

TEST_CASE("groups: every test is in one piece", "[sched]") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    Rng rng(seed);
    std::vector<Duration> expected;
    for (uint64_t i = 1 + rng.below(60); i > 0; --i) {
      expected.push_back(Duration{rng.between(0, rng.chance(1, 5) ? 900'000'000 : 5'000'000)});
    }
    const Duration setup{rng.chance(1, 2) ? rng.between(0, 200'000'000) : 0};
    std::vector<std::size_t> all;
    for (const auto& piece : even_pieces(expected, setup, Duration{rng.between(1, 400'000'000)})) {
      CHECK_FALSE(piece.empty());
      CHECK(std::is_sorted(piece.begin(), piece.end()));
      all.insert(all.end(), piece.begin(), piece.end());
    }
    std::sort(all.begin(), all.end());
    CHECK(all.size() == expected.size());
    CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
  }
}

TEST_CASE("groups: the share of a worker has room for the set-ups of all pieces", "[sched]") {
  CHECK(even_share({}, 2) == Duration{1});
  CHECK(even_share({{ms(100), {}, ms(10)}, {ms(60), {}, ms(10)}}, 4) == ms(40));
  // A piece of 50 on each of two workers.
  const Duration two = even_share({{ms(100), ms(40), ms(10)}}, 2);
  CHECK(two >= ms(90));
  CHECK(two <= ms(91));
  CHECK(even_share({{ms(100), ms(40), ms(80)}}, 4) == ms(120));
}

TEST_CASE("groups: what a file's tests share counts once for each piece", "[sched]") {
  const File file(10, ms(40));
  std::vector<TestGroup> groups = file.groups();
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].expected == ms(140));
  CHECK(work_of(file.job, file.estimates, groups[0], 2) == ms(140));
  const std::vector<TestGroup> pieces = split_groups(groups, 2, file.estimates);
  REQUIRE(pieces.size() == 2);
  for (const TestGroup& piece : pieces) CHECK(piece.expected == ms(90));
}

TEST_CASE("groups: who can run all that shares a set-up need not set it up twice", "[sched]") {
  const File file(10, ms(100), ms(900));
  const std::vector<TestGroup> one = split_groups(file.groups(), 1, file.estimates);
  REQUIRE(one.size() == 1);
  CHECK(one[0].tests.size() == 10);
  CHECK(std::is_sorted(one[0].tests.begin(), one[0].tests.end()));
  CHECK(split_groups(file.groups(), 2, file.estimates).size() == 2);
}

TEST_CASE("groups: a set-up that nobody knows costs nothing", "[sched]") {
  const File file(10, {});
  CHECK(file.groups()[0].expected == ms(100));
  CHECK(split_groups(file.groups(), 2, file.estimates).size() == 2);
}

TEST_CASE("groups: beside a long test there are smaller pieces to fill gaps with", "[sched]") {
  // The even share of four workers is 500 ms: one runs the long test, and little else.
  const File file(161, {}, ms(400));
  const std::vector<TestGroup> pieces = split_groups(file.groups(), 4, file.estimates);
  REQUIRE(pieces.front().tests.size() == 1);
  CHECK(pieces.front().expected == ms(400));
  std::size_t others = 0;
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    CHECK(pieces[i].expected <= ms(500) / kPiecesPerShare);
    CHECK(pieces[i].parts == pieces.size());
    others += pieces[i].tests.size();
  }
  CHECK(others == 160);
  // What each of them would have to set up anew is left in large pieces.
  const File dear(161, ms(30), ms(400));
  CHECK(split_groups(dear.groups(), 4, dear.estimates).size() < pieces.size());
}

TEST_CASE("groups: a test's class is its id without parameters and function", "[sched]") {
  CHECK(class_of("a.py::Outer::Inner::test_x[b::c]") == "a.py::Outer::Inner");
  CHECK(class_of("a.py::test_x") == "a.py");
  CHECK(class_of("doc.txt") == "doc.txt");
}
