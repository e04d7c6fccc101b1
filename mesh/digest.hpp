#pragma once

#include <cstdint>

#include "mesh/ids.hpp"

// A set of (node, number, number) in eight bytes, whatever its order: two members compare these
// before they exchange what they stand for. Not against forgers: one that lies about its digest
// only keeps itself from learning something.

namespace dagz::mesh {

class Digest {
 public:
  void add(const NodeId& id, uint64_t first, uint64_t second) {
    value_ += mix(id.word(0) ^ mix(id.word(8) ^ mix(first ^ mix(second))));
  }
  uint64_t value() const { return value_; }

 private:
  // The finalizer of splitmix64 (Steele, Lea, Flood 2014).
  static uint64_t mix(uint64_t x) {
    x += 0x9e37'79b9'7f4a'7c15;
    x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9;
    x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11eb;
    return x ^ (x >> 31);
  }

  uint64_t value_ = 0;
};

}  // namespace dagz::mesh
