#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mesh/time.hpp"
#include "report/job_state.hpp"
#include "sched/estimate.hpp"

// Tests that want one worker: the unit in which work is planned.

namespace dagz::sched {

enum class Affinity : uint8_t { kModule, kClass, kFile, kGroup, kNone };

// The class that a test is in, or its file: its id without parameters and its function.
std::string class_of(const std::string& id);

// Whether a group of this name is one that a plug-in puts in order (pytest_marks.py names it): its
// tests depend on one another, and are skipped or fail if those before them do not run.
bool is_chain(std::string_view group_name);

struct TestGroup {
  std::vector<report::TestIndex> tests;  // as they should run
  Duration expected;                     // its set-up included
  Duration setup;                        // what its tests share, as far as it is known
  bool has_first = false;                // of a file, which may bear a set-up that nobody knows
  bool named = false;                    // by an xdist_group or a mutex: never cut
  // Which piece of a group that was cut, from 1, and of how many.
  uint32_t part = 1;
  uint32_t parts = 1;
};

// The groups of these tests, in order of their files; named ones come last.
std::vector<TestGroup> group_tests(const report::JobState& job, const Estimates& estimates,
                                   Affinity affinity, const std::vector<report::TestIndex>& tests);

// A group that takes longer than a worker's even share would decide the length of the job: it is
// cut into pieces of about that length, unless it is named. Long tests leave their group, as
// sched/long_tests.hpp says; then pieces without a set-up are smaller, so that no node has long
// tests alone, and all have some that fill gaps.
std::vector<TestGroup> split_groups(std::vector<TestGroup> groups, uint32_t workers,
                                    const Estimates& estimates);

// How many pieces without a set-up make up a worker's even share, if there are long tests.
inline constexpr int64_t kPiecesPerShare = 3;

// Work that can be cut between its tests, where each piece is set up anew.
struct Divisible {
  Duration work;  // without the set-up
  Duration setup;
  Duration longest;  // of its tests
};

// No piece takes so many times as long to set up as to run.
inline constexpr int64_t kSetupTimesMax = 4;

// When workers can be done with all of it at the earliest, if each piece of a group is as long as
// that: the even share where nothing has a set-up. More than 0.
Duration even_share(const std::vector<Divisible>& groups, uint32_t workers);

// Cuts tests that share a set-up into pieces that take about `share`, set-up included: which tests
// each has, as indexes in their order. Neighbours stay together, but for those that take much
// longer than the others: of these no piece has more than its part.
std::vector<std::vector<std::size_t>> even_pieces(const std::vector<Duration>& expected,
                                                  Duration setup, Duration share);

// What it keeps busy on a node of so many workers, summed over them: a heavy test is as many times
// its length as it counts as workers.
Duration work_of(const report::JobState& job, const Estimates& estimates, const TestGroup& group,
                 uint32_t workers);

}  // namespace dagz::sched
