#pragma once

#include <algorithm>
#include <cstdint>

#include "mesh/time.hpp"

// How fast a node is, learnt from the tests that it has run: against the history's word on them, so
// that a node which happens to have the long tests is not taken for slow. Integers only.

namespace dagz::sched {

class NodeSpeed {
 public:
  static constexpr int64_t kNormal = 1000;  // as fast as expected, in thousandths
  static constexpr int64_t kFactorMax = 4;  // nobody is taken for faster or slower than this

  // A test with a history has ended.
  void learn(Duration expected, Duration took) {
    if (expected.ns <= 0) return;
    // One test that hung or did nothing says nothing about its node.
    took = std::clamp(took, expected / kSampleFactorMax, expected * kSampleFactorMax);
    // Guesses are off one by one: many tests that agree say more than a long one.
    if (expected > kSampleMax) {
      took = took / expected.us() * kSampleMax.us();
      expected = kSampleMax;
    }
    expected_ += expected;
    took_ += took;
  }

  // In thousandths: 500 takes twice as long as expected. Who has shown nothing is as fast as is
  // usual for such a node.
  int64_t permille(int64_t usual = kNormal) const {
    usual = std::clamp(usual, kNormal / kFactorMax, kNormal * kFactorMax);
    const Duration prior_took = kPrior * kNormal / usual;
    const int64_t ratio = (expected_ + kPrior).us() * kNormal / (took_ + prior_took).us();
    return std::clamp(ratio, kNormal / kFactorMax, kNormal * kFactorMax);
  }

 private:
  static constexpr int64_t kSampleFactorMax = 8;
  static constexpr Duration kSampleMax = Duration::milliseconds(100);
  // As if it had run so much at the usual speed: a few short tests change little.
  static constexpr Duration kPrior = Duration::milliseconds(500);

  Duration expected_;
  Duration took_;
};

// How long work takes at this speed, in thousandths, that takes so long at the normal one.
inline Duration at_speed(Duration expected, int64_t permille) {
  if (permille == NodeSpeed::kNormal) return expected;
  return expected / permille * NodeSpeed::kNormal;
}

}  // namespace dagz::sched
