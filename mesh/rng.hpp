#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

// The one source of randomness inside the cores: xoshiro256** 1.0 (Blackman and Vigna, 2018),
// seeded through splitmix64. Integers and ratios only, so that a seed means the same on every
// platform.

namespace dagz {

class Rng {
 public:
  explicit Rng(uint64_t seed);

  uint64_t next();
  // Uniform in [0, bound); bound > 0.
  uint64_t below(uint64_t bound);
  // Uniform in [low, high], both included.
  int64_t between(int64_t low, int64_t high);
  // True in `numerator` of `denominator` cases.
  bool chance(uint64_t numerator, uint64_t denominator);

  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  uint64_t state_[4];
};

}  // namespace dagz
