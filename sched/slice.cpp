#include "sched/slice.hpp"

namespace dagz::sched {

// FNV-1a, and a finalizer, without which its low bits follow those of the last letters.
bool Slice::has(std::string_view test_id) const {
  uint64_t hash = 0xcbf2'9ce4'8422'2325;
  for (const char c : test_id) hash = (hash ^ static_cast<uint8_t>(c)) * 0x0000'0100'0000'01b3;
  hash = (hash ^ (hash >> 32)) * 0xd6e8'feb8'6659'fd93;
  return (hash >> 32) % total == index;
}

}  // namespace dagz::sched
