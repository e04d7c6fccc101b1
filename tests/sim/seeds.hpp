#pragma once

#include <cstdint>

// Seeds that once found a bug. They run every time, before all others.

namespace dagz::sim {

struct FoundSeed {
  uint64_t seed;
  uint32_t nodes;
  const char* cause;
};

inline constexpr FoundSeed kFoundSeeds[] = {
    {8, 3, "the job was closed before the work just granted was in the books"},
    {95, 5, "a grant that overtook the names of its tests was dropped"},
    {149, 5, "two schedulers closed one job, each without the other's word"},
    {1017, 5, "a claim known from logs only fenced off everything its successor granted"},
    {2133, 2, "a lost answer to a hello left a link in which only one side believed"},
    {5020, 2, "after a cut both sides believed each other dead, over a link that was up"},
    {10990, 2,
     "the view that would have told the dead of their death was lost, and not sent again"},
    {30053, 3, "the only one who could reach both left before the last had the end"},
    {70090, 3, "a flaky test ended as failed, for its retry was granted where it is not found"},
    {40049, 5, "a scheduler back from a long stall closed a job that another had closed"},
};

}  // namespace dagz::sim
