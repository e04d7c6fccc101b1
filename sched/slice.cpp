#include "sched/slice.hpp"

#include <algorithm>

#include "sched/test_hash.hpp"

namespace dagz::sched {

namespace {

constexpr std::string_view kOnlySlice = "only slice ";

}  // namespace

bool Slice::has(std::string_view test_id) const {
  return (test_hash(test_id) >> 32) % total == index;
}

std::string slice_note(const Slice& slice) {
  return std::string(kOnlySlice) + std::to_string(slice.index + 1) + " of " +
         std::to_string(slice.total) + ": the other nodes were never met";
}

bool has_slice_note(const std::vector<std::string>& notes) {
  return std::any_of(notes.begin(), notes.end(),
                     [](const std::string& note) { return note.starts_with(kOnlySlice); });
}

}  // namespace dagz::sched
