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
};

}  // namespace dagz::sim
