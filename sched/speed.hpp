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
    expected_ += expected;
    took_ += took;
  }

  // In thousandths: 500 takes twice as long as expected.
  int64_t permille() const {
    const int64_t ratio = (expected_ + kPrior).us() * kNormal / (took_ + kPrior).us();
    return std::clamp(ratio, kNormal / kFactorMax, kNormal * kFactorMax);
  }

  // How long work takes here that would take so long on a normal node.
  Duration scaled(Duration expected) const {
    return Duration{std::min(expected, kLongest).ns / permille() * kNormal};
  }

 private:
  static constexpr int64_t kSampleFactorMax = 8;
  // As if it had run tests of so long exactly as expected: a few short ones change little.
  static constexpr Duration kPrior = Duration::seconds(2);
  static constexpr Duration kLongest = Duration::seconds(1'000'000);

  Duration expected_;
  Duration took_;
};

}  // namespace dagz::sched
