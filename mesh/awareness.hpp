#pragma once

#include <algorithm>
#include <cstdint>

#include "mesh/time.hpp"

// How much this node trusts its own hearing. Lifeguard's local health multiplier (Dadgar, Phillips,
// Currey 2017): a node that is slow itself gets late answers from everybody, and must give others
// more time before it accuses them.

namespace dagz::mesh {

class Awareness {
 public:
  static constexpr uint32_t kWorst = 7;

  // An answer came in time.
  void well() { score_ -= std::min(score_, 1U); }
  // An answer did not come, this node was accused, or it stood still.
  void poorly() { score_ = std::min(score_ + 1, kWorst); }

  uint32_t score() const { return score_; }
  // What a healthy node waits, a doubtful one waits longer.
  Duration patience(Duration healthy) const { return healthy * (score_ + 1); }

 private:
  uint32_t score_ = 0;
};

}  // namespace dagz::mesh
