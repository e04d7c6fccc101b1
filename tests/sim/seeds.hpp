#pragma once

#include <cstdint>
#include <string>
#include <vector>

// Seeds that once found a bug (seeds.txt). They run every time.

namespace dagz::sim {

struct FoundSeed {
  uint64_t seed = 0;
  uint32_t nodes = 0;
  std::string cause;
};

std::vector<FoundSeed> found_seeds();

}  // namespace dagz::sim
