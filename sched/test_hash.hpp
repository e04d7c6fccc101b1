#pragma once

#include <cstdint>
#include <string_view>

namespace dagz::sched {

// FNV-1a; `hash` of what came before.
constexpr uint64_t fnv1a(std::string_view text, uint64_t hash = 0xcbf2'9ce4'8422'2325) {
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x0000'0100'0000'01b3;
  return hash;
}

// With a finalizer, without which its low bits follow those of the last letters. The same on every
// machine.
constexpr uint64_t test_hash(std::string_view id) {
  const uint64_t hash = fnv1a(id);
  return (hash ^ (hash >> 32)) * 0xd6e8'feb8'6659'fd93;
}

}  // namespace dagz::sched
