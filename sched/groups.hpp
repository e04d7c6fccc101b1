#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mesh/time.hpp"
#include "report/job_state.hpp"
#include "sched/estimate.hpp"

// Tests that want one worker: the unit in which work is planned.

namespace dagz::sched {

enum class Affinity : uint8_t { kModule, kClass, kFile, kGroup, kNone };

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
// sched/long_tests.hpp says.
std::vector<TestGroup> split_groups(std::vector<TestGroup> groups, uint32_t workers,
                                    const Estimates& estimates);

// Cuts tests that share a set-up into pieces of about `share` (more than 0), but into none that
// would take longer to set up than to run: how many tests each piece has.
std::vector<std::size_t> even_pieces(const std::vector<Duration>& expected, Duration setup,
                                     Duration share);

// What it keeps busy on a node of so many workers, summed over them: a heavy test is as many times
// its length as it counts as workers.
Duration work_of(const report::JobState& job, const Estimates& estimates, const TestGroup& group,
                 uint32_t workers);

}  // namespace dagz::sched
