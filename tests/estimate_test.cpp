#include "sched/estimate.hpp"

#include <catch2/catch.hpp>

using namespace dagz;
using namespace dagz::sched;

namespace {

report::Test test_of(const std::string& id, uint32_t path) {
  report::Test test;
  test.id = id;
  test.path = path;
  return test;
}

constexpr Duration ms(int64_t n) { return Duration::milliseconds(n); }

}  // namespace

TEST_CASE("estimate: nothing known gives the guess", "[sched]") {
  Estimates estimates({});
  CHECK_FALSE(estimates.has_history());
  estimates.add(test_of("a", 0));
  CHECK(estimates.of(0) == Estimates::kGuess);
  CHECK_FALSE(estimates.is_fixed(0));
}

TEST_CASE("estimate: the own history comes first and does not change", "[sched]") {
  Estimates estimates({{"a", ms(70)}, {"b", ms(30)}});
  estimates.add(test_of("a", 0));
  CHECK(estimates.is_fixed(0));
  CHECK(estimates.of(0) == ms(70));
  estimates.learn(0, ms(900));
  CHECK(estimates.of(0) == ms(70));
}

TEST_CASE("estimate: what is known of a file itself is what its tests share", "[sched]") {
  Estimates estimates({{"a.py", ms(700)}, {"a.py::x", ms(20)}});
  estimates.add(test_of("b.py::x", 1));
  estimates.add(test_of("a.py::y", 0));
  CHECK(estimates.setup_of_path(0) == ms(700));
  CHECK(estimates.setup_of_path(1) == Duration{});
  CHECK(estimates.of(1) < ms(700));
  report::Test collection = test_of("a.py", 0);
  collection.collects = true;
  estimates.add(collection);
  CHECK(estimates.of(2) == ms(720));
}

TEST_CASE("estimate: then the mean of the file, of the suite, of the history", "[sched]") {
  Estimates estimates({{"f::old", ms(40)}, {"f::older", ms(60)}, {"f", ms(900)}});
  estimates.add(test_of("a0", 0));
  estimates.add(test_of("a1", 0));
  estimates.add(test_of("b0", 1));
  CHECK(estimates.of(2) == ms(50));
  estimates.learn(0, ms(10));
  CHECK(estimates.of(1) == ms(10));
  CHECK(estimates.of(2) == ms(10));
  estimates.learn(2, ms(30));
  estimates.learn(2, ms(50));
  CHECK(estimates.of(2) == ms(40));
  CHECK(estimates.of(1) == ms(10));
}

TEST_CASE("estimate: known neighbours speak for a new test of their file", "[sched]") {
  Estimates estimates({{"a0", ms(20)}, {"elsewhere", ms(1000)}});
  estimates.add(test_of("a0", 0));
  estimates.add(test_of("a1", 0));
  CHECK(estimates.of(1) == ms(20));
}

TEST_CASE("estimate: a history is old when it does not know more than one test in ten", "[sched]") {
  CHECK(Estimates({}).is_history_old());
  Estimates estimates({{"f.py::known", ms(10)}, {"f.py::siblings[1]", ms(10)}});
  CHECK_FALSE(estimates.is_history_old());
  for (uint32_t i = 0; i < 9; ++i) estimates.add(test_of("f.py::known", 0));
  estimates.add(test_of("f.py::new", 0));
  CHECK_FALSE(estimates.is_history_old());
  // Its siblings tell something, but it is new.
  estimates.add(test_of("f.py::siblings[2]", 0));
  CHECK(estimates.is_history_old());
}

TEST_CASE("estimate: nothing is expected to take no time", "[sched]") {
  Estimates estimates({{"a", Duration{}}});
  estimates.add(test_of("a", 0));
  estimates.add(test_of("b", 1));
  CHECK(estimates.of(0) > Duration{});
  CHECK(estimates.is_fixed(0));
  estimates.learn(1, Duration{});
  CHECK(estimates.of(1) > Duration{});
}

TEST_CASE("estimate: absurd durations from elsewhere do not overflow", "[sched]") {
  Estimates estimates({});
  estimates.add(test_of("a", 0));
  for (int i = 0; i < 2; ++i) estimates.learn(0, Duration{INT64_MAX});
  CHECK(estimates.of(0) >= Duration::seconds(1));
  for (const uint64_t times : {uint64_t{1'000}, uint64_t{INT64_MAX}, UINT64_MAX}) {
    CHECK(estimates.foretold_of_path(0, times) == Estimates::kLongest);
  }
  Estimates negative({});
  negative.add(test_of("a", 0));
  negative.learn(0, Duration{INT64_MIN});
  negative.learn(0, Duration{INT64_MIN});
  CHECK(negative.of(0) > Duration{});
}

TEST_CASE("estimate: the same function with other parameters speaks for a new one", "[sched]") {
  Estimates estimates({{"f.py::x[1]", ms(10)}, {"f.py::x[2]", ms(30)}, {"f.py::y", ms(500)}});
  estimates.add(test_of("f.py::x[3]", 0));
  estimates.add(test_of("f.py::x", 0));
  estimates.add(test_of("f.py::y", 0));
  CHECK(estimates.of(0) == ms(20));
  CHECK((estimates.is_fixed(0) && !estimates.is_known(0)));
  CHECK_FALSE(estimates.is_fixed(1));
  // A guess is no evidence of what the file takes.
  CHECK(estimates.of(1) == ms(500));
  CHECK(estimates.is_known(2));
}

TEST_CASE("estimate: a test that its marks call slow", "[sched]") {
  Estimates estimates({{"f.py::known", ms(10)}, {"g.py::other", ms(30)}});
  report::Test slow = test_of("f.py::slow", 0);
  slow.times_usual = 50;
  report::Test known = test_of("f.py::known", 0);
  known.times_usual = 50;
  estimates.add(slow);
  estimates.add(test_of("f.py::plain", 0));
  estimates.add(known);
  CHECK(estimates.of(0) == ms(1000));
  CHECK(estimates.of(2) == ms(10));
  estimates.learn(0, ms(9000));
  CHECK(estimates.of(1) == ms(10));
}

TEST_CASE("estimate: a test that its marks call slow, where there is no history", "[sched]") {
  Estimates estimates({});
  report::Test slow = test_of("f.py::slow", 0);
  slow.times_usual = 50;
  estimates.add(slow);
  estimates.add(test_of("f.py::plain", 0));
  CHECK(estimates.of(0) == Estimates::kGuess * 50);
  CHECK_FALSE(estimates.is_fixed(0));
  // It says nothing of its neighbours, they say something of it.
  estimates.learn(0, ms(9000));
  CHECK(estimates.of(1) == Estimates::kGuess);
  estimates.learn(1, ms(30));
  CHECK(estimates.of(0) == ms(1500));
}

TEST_CASE("estimate: marks say more where few tests of a file are marked", "[sched]") {
  Estimates estimates({});
  for (uint32_t i = 0; i < 16; ++i) {
    report::Test slow = test_of("f.py::slow" + std::to_string(i), 0);
    slow.times_usual = 50;
    estimates.add(slow);
    CHECK(estimates.times_usual(i) == 50);
  }
  CHECK(estimates.of(0) == Estimates::kGuess * 25);
  CHECK(estimates.foretold_of_path(0, 800) == Estimates::kGuess * 400);
  // Beside what is measured each may be as long as any.
  const Duration seconds = Estimates::kGuess * 50 * Estimates::kForetoldTimes;
  CHECK(estimates.at_length(0) == seconds);
  // Nor is it shorter because others of its file are short.
  estimates.add(test_of("f.py::plain", 0));
  estimates.learn(16, ms(1));
  CHECK(estimates.of(0) == ms(25));
  CHECK(estimates.at_length(0) == seconds);
}

TEST_CASE("estimate: what a file shares is known by the history, or learnt from its first tests",
          "[sched]") {
  Estimates estimates({{"a", ms(300)}, {"a::t0", ms(1)}, {"b::t0", ms(1)}});
  uint32_t path = 0;
  for (const char* id : {"a::t0", "b::t0", "c::t0", "d::t0", "e::t0"}) {
    estimates.add(test_of(id, path++));
  }
  const auto setup = [&estimates](uint32_t of) { return estimates.setup_of_path(of); };
  CHECK(setup(0) == ms(300));
  CHECK(setup(4) == Duration{});
  for (const report::TestIndex test : {0U, 1U, 2U}) estimates.learn_setup(test, ms(800));
  estimates.learn_setup(2, ms(100));
  // What the history says stands, also if it is that there is none.
  CHECK(setup(0) == ms(300));
  CHECK(setup(1) == Duration{});
  CHECK(setup(2) == ms(800));
  CHECK(setup(4) == ms(800));
  // Files that share nothing speak for those that nobody knows as well.
  estimates.learn_setup(3, Duration{});
  CHECK(setup(3) == Duration{});
  CHECK(setup(4) == ms(400));
}
