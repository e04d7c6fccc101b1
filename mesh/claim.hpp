#pragma once

#include <cstdint>

#include "mesh/ids.hpp"

namespace dagz::mesh {

// More failovers no job sees: whoever claims beyond it is not believed. What a term numbers has
// room for 32 bits of it.
inline constexpr uint64_t kTermMax = UINT32_MAX;
// Nobody has missed more of them. Whoever claims beyond that would use the terms up, and leave none
// to its successors.
inline constexpr uint64_t kTermJumpMax = 1024;

// A node's claim to be the scheduler.
struct Claim {
  Birth lineage;      // of the cluster's first scheduler, fixed at its first election
  uint64_t term = 0;  // 0: no claim
  Birth scheduler;

  bool operator==(const Claim&) const = default;
  bool exists() const { return term > 0; }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(lineage, term, scheduler);
  }
};

// A total order: the older lineage, then the higher term, then the earlier birth.
bool is_better(const Claim& claim, const Claim& than);
// The fence: obeying `claim` after `accepted` would be going back.
bool is_stale(const Claim& claim, const Claim& accepted);

}  // namespace dagz::mesh
