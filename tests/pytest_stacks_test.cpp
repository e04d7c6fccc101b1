#include "sched/runners/pytest_stacks.hpp"

#include <catch2/catch.hpp>
#include <string>

using dagz::sched::innermost_frames;

namespace {

const std::string kCallers =
    "  File \"/venv/lib/python3.11/site-packages/_pytest/python.py\", line 159 in "
    "pytest_pyfunc_call\n"
    "  File \"/venv/lib/python3.11/site-packages/pluggy/_callers.py\", line 103 in _multicall\n"
    "  File \"/venv/bin/pytest\", line 8 in <module>\n";

const std::string kHung =
    "Current thread 0x00007f0a (most recent call first):\n"
    "  File \"/usr/lib/python3.11/threading.py\", line 327 in wait\n"
    "  File \"/usr/lib/python3.11/threading.py\", line 629 in wait\n"
    "  File \"/src/tests/test_a.py\", line 3 in helper\n"
    "  File \"/src/tests/test_a.py\", line 5 in test_a\n" +
    kCallers;

const std::string kOther =
    "Thread 0x00007f0b (most recent call first):\n"
    "  File \"/src/pool.py\", line 9 in work\n"
    "\n";

}  // namespace

TEST_CASE("pytest stacks: the way into the test, from the inside, without pytest's frames",
          "[sched]") {
  CHECK(innermost_frames("printed before\n" + kHung) ==
        "in wait (threading.py:327) < wait (threading.py:629) < helper (test_a.py:3) < test_a "
        "(test_a.py:5)");
  CHECK(innermost_frames("").empty());
  CHECK(innermost_frames("  File \"a.py\", line 1 in of_no_dump\n").empty());
}

TEST_CASE("pytest stacks: other threads do not matter, wherever they stand", "[sched]") {
  const std::string expected = innermost_frames(kHung);
  CHECK(innermost_frames(kOther + kHung) == expected);
  CHECK(innermost_frames(kHung + "\n" + kOther) == expected);
  // An older dump, and one in which no thread is called the current one.
  CHECK(innermost_frames("Current thread 0x1 (most recent call first):\n"
                         "  File \"b.py\", line 1 in earlier\n\n" +
                         kOther + kHung) == expected);
  std::string unnamed = kHung;
  unnamed.replace(0, std::string("Current thread").size(), "Thread");
  CHECK(innermost_frames(kOther + unnamed) == expected);
}

TEST_CASE("pytest stacks: long ways are cut in the middle", "[sched]") {
  std::string log = "Current thread 0x1 (most recent call first):\n";
  for (int i = 0; i < 9; ++i) {
    log += "  File \"/a/deep.py\", line " + std::to_string(i) + " in f\n";
  }
  CHECK(innermost_frames(log + kCallers) ==
        "in f (deep.py:0) < f (deep.py:1) < f (deep.py:2) < … < f (deep.py:8)");
}

TEST_CASE("pytest stacks: what is no dump is passed over", "[sched]") {
  const std::string head = "Current thread 0x1 (most recent call first):\n";
  CHECK(innermost_frames(head + "  File \"a.py\", line\n  File \"a.py\n  File \"\n").empty());
  CHECK(innermost_frames(head + "  <no Python frame>\n").empty());
  CHECK(innermost_frames(head + "  File \"a \", line 2 in b.py\", line 3 in f").ends_with(":3)"));
}
