#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mesh/time.hpp"

// Which tests have to begin early: one that is long against what a worker has to do would keep the
// others waiting if it came last.

namespace dagz::sched {

// Long is what takes more than this part of a worker's even share, more than the least, and twice
// as long as is usual in its group. What is so many times as long as that part is long anyway, but
// in a group of tests that are alike, which differ by such a part at the most, only if it takes
// more than is usual.
inline constexpr int64_t kLongPart = 512;
inline constexpr int64_t kVeryLong = 16;
inline constexpr int64_t kAlikePart = 8;
// A long test leaves its group if another set-up costs no more than this part of it, less if it is
// not very long; a set-up that is only guessed from the first test may be none.
inline constexpr int64_t kSetupPart = 64;
inline constexpr int64_t kVeryLongSetupPart = 8;
inline constexpr int64_t kGuessedSetupPart = 2;
inline constexpr Duration kLongAtLeast = Duration::milliseconds(5);
Duration long_test(Duration total, uint32_t workers);

// The lower one of two in the middle; 0 of none.
Duration median(std::vector<Duration> list);

// What it costs at most to begin a group once more, on another worker: its first test seems to bear
// the set-up, by so much it exceeds the median of the others. Few tests tell nothing: all of it.
Duration setup_of(const std::vector<Duration>& expected);

// How a group is best run, as indexes.
struct LongFirst {
  std::vector<std::size_t> alone;  // groups of their own, where another set-up is paid for
  std::vector<std::size_t> rest;   // the first test, then long ones, then the others as they were

  // What is set up for some of the rest, such as a parameter of the module, need not be again.
  void keep_order() { std::sort(rest.begin(), rest.end()); }
};
// `known_setup` comes on top of what the durations show. `has_first`: the group begins with the
// first test of its file, which may bear a set-up that nobody knows, and stays where it is.
// `foretold`: which are long whatever is expected; none if it is empty.
LongFirst long_first(const std::vector<Duration>& expected, Duration long_test,
                     Duration known_setup, bool has_first, const std::vector<bool>& foretold = {});

}  // namespace dagz::sched
