#include "sched/rerun.hpp"

#include <catch2/catch.hpp>

#include "sched/test_hash.hpp"
#include "tests/support/jobs.hpp"

// What nodes know of the attempt before, and who tells whom.

using namespace dagz;
using namespace dagz::sched;

namespace {

const NodeId kA = test::numbered_id(1);
const NodeId kB = test::numbered_id(2);
const NodeId kC = test::numbered_id(3);

EarlierAttempt attempt(int number, const std::vector<std::string>& passed) {
  EarlierAttempt one{
      "job/" + std::to_string(number), "j0101." + std::to_string(number), 1000 * number, {}};
  for (const std::string& id : passed) one.passed.insert(test_hash(id));
  return one;
}

void open(Rerun& rerun, const NodeId& node, const std::optional<EarlierAttempt>& own) {
  rerun.seen(node, report::Opened{});
  if (const auto entry = Rerun(own).opening()) rerun.seen(node, *entry);
}

report::PassedBefore passed_before(const EarlierAttempt& one) {
  return {one.full_id, one.started_wall_ms, {one.passed.begin(), one.passed.end()}};
}

}  // namespace

TEST_CASE("rerun: who remembers nothing knows of nothing that passed", "[sched]") {
  Rerun rerun;
  open(rerun, kA, std::nullopt);
  CHECK_FALSE(rerun.opening().has_value());
  CHECK_FALSE(rerun.has_passed("f::t"));
  CHECK(rerun.is_empty());
  CHECK_FALSE(rerun.may_have_to_tell());
  CHECK(rerun.tell(kA, {kA}).empty());
}

TEST_CASE("rerun: one's own memory is there from the beginning", "[sched]") {
  const Rerun rerun(attempt(1, {"f::a", "f::b"}));
  CHECK(rerun.has_passed("f::a"));
  CHECK_FALSE(rerun.has_passed("f::c"));
  REQUIRE(rerun.opening().has_value());
  CHECK(rerun.opening()->full_id == "job/1");
  CHECK(rerun.opening()->passed == 2);
  CHECK(rerun.from_others() == nullptr);
}

TEST_CASE("rerun: who remembers tells those that do not, once", "[sched]") {
  const auto known = attempt(1, {"f::a", "f::b"});
  Rerun rerun(known);
  open(rerun, kA, known);
  open(rerun, kB, known);
  CHECK_FALSE(rerun.may_have_to_tell());
  open(rerun, kC, std::nullopt);
  CHECK(rerun.may_have_to_tell());
  // Whoever lacks it is gone.
  CHECK(rerun.tell(kA, {kA, kB}).empty());
  const auto parts = rerun.tell(kA, {kA, kB, kC});
  REQUIRE(parts.size() == 1);
  CHECK(parts[0].tests.size() == 2);
  CHECK(rerun.tell(kA, {kA, kB, kC}).empty());

  Rerun ignorant;
  open(ignorant, kA, known);
  CHECK_FALSE(ignorant.has_passed("f::a"));
  CHECK(ignorant.seen(kA, parts[0]));
  CHECK(ignorant.has_passed("f::a"));
  CHECK(ignorant.has_passed("f::b"));
  CHECK_FALSE(ignorant.has_passed("f::c"));
  REQUIRE(ignorant.from_others() != nullptr);
  CHECK(ignorant.from_others()->short_id == "j0101.1");
  // Said again it is no news.
  CHECK_FALSE(ignorant.seen(kB, parts[0]));
}

TEST_CASE("rerun: the first of those that remember tells, and the next one if it is gone",
          "[sched]") {
  const auto known = attempt(1, {"f::a"});
  Rerun second(known);
  open(second, kA, known);
  open(second, kB, known);
  open(second, kC, std::nullopt);
  CHECK(second.tell(kB, {kA, kB, kC}).empty());
  SECTION("it is gone") { CHECK(second.tell(kB, {kB, kC}).size() == 1); }
  SECTION("it has told") {
    second.seen(kA, passed_before(known));
    CHECK(second.tell(kB, {kB, kC}).empty());
    CHECK_FALSE(second.may_have_to_tell());
  }
}

TEST_CASE("rerun: the newest attempt decides, in any order", "[sched]") {
  const auto older = attempt(1, {"f::a", "f::b"});
  const auto newer = attempt(2, {"f::b", "f::c"});
  const auto check = [](const Rerun& rerun) {
    CHECK_FALSE(rerun.has_passed("f::a"));
    CHECK(rerun.has_passed("f::b"));
    CHECK(rerun.has_passed("f::c"));
  };
  for (const bool newer_first : {false, true}) {
    Rerun rerun(older);
    open(rerun, kA, older);
    if (newer_first) {
      open(rerun, kC, newer);
      rerun.seen(kC, passed_before(newer));
    }
    open(rerun, kB, older);
    rerun.seen(kB, passed_before(older));
    if (!newer_first) {
      CHECK(rerun.has_passed("f::a"));
      open(rerun, kC, newer);
      CHECK_FALSE(rerun.has_passed("f::a"));
      CHECK(rerun.seen(kC, passed_before(newer)));
    }
    check(rerun);
    CHECK(rerun.from_others()->full_id == "job/2");
    CHECK_FALSE(rerun.may_have_to_tell());
  }
  // Its own memory is not shaken by an older one.
  Rerun rerun(newer);
  open(rerun, kA, newer);
  CHECK_FALSE(rerun.seen(kB, *Rerun(older).opening()));
  rerun.seen(kB, passed_before(older));
  check(rerun);
  CHECK(rerun.may_have_to_tell());
}

TEST_CASE("rerun: what somebody leaves out tells of an attempt whose word is missing", "[sched]") {
  Rerun rerun(attempt(1, {"f::a"}));
  CHECK(rerun.seen(kB, report::Redundant{2000, {}, {}}));
  CHECK_FALSE(rerun.has_passed("f::a"));
  CHECK(rerun.attempt_wall_ms() == 2000);
  CHECK_FALSE(rerun.seen(kB, report::Redundant{1000, {}, {}}));
  // That word comes after all.
  const auto newer = attempt(2, {"f::b"});
  open(rerun, kC, newer);
  CHECK(rerun.seen(kC, passed_before(newer)));
  CHECK(rerun.has_passed("f::b"));
  CHECK_FALSE(rerun.has_passed("f::a"));
}

TEST_CASE("rerun: after an attempt that passed everything runs, whatever was before", "[sched]") {
  const auto older = attempt(1, {"f::a"});
  const auto passed = attempt(2, {});
  Rerun rerun(older);
  open(rerun, kA, older);
  CHECK(rerun.has_passed("f::a"));
  open(rerun, kB, passed);
  CHECK_FALSE(rerun.has_passed("f::a"));
  CHECK(rerun.is_empty());
  Rerun other(passed);
  open(other, kB, passed);
  open(other, kA, older);
  CHECK_FALSE(other.may_have_to_tell());
}

TEST_CASE("rerun: a long list is told in parts", "[sched]") {
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < 2 * report::kHashesPerEntryMax + 1; ++i) {
    ids.push_back("f::t" + std::to_string(i));
  }
  const auto known = attempt(1, ids);
  Rerun rerun(known);
  open(rerun, kA, known);
  open(rerun, kB, std::nullopt);
  const auto parts = rerun.tell(kA, {kB});
  REQUIRE(parts.size() == 3);
  CHECK(parts[2].tests.size() == 1);
  Rerun other;
  open(other, kA, known);
  for (const auto& part : parts) other.seen(kA, part);
  for (const std::string& id : ids) CHECK(other.has_passed(id));
}

TEST_CASE("rerun: the hash of an id is the same everywhere", "[sched]") {
  static_assert(test_hash("") == 0xfdbd'f6ac'b278'd8d3);
  static_assert(test_hash("tests/test_a.py::test_x") == 0x7d44'eb8a'741b'a16c);
  CHECK(test_hash("tests/test_a.py::test_x") != test_hash("tests/test_a.py::test_y"));
}
