#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dagz::sched {

// A static share of the suite: what a node runs that never meets the others of its step
// (--on-isolation slice). The slices of all indexes make up the suite, and none shares a test.
struct Slice {
  uint32_t index = 0;
  uint32_t total = 1;  // at least 1

  // By the id alone, so that nodes agree that have never met.
  bool has(std::string_view test_id) const;
};

// What a job that was closed on a slice says among its notes, and whether one does.
std::string slice_note(const Slice& slice);
bool has_slice_note(const std::vector<std::string>& notes);

}  // namespace dagz::sched
