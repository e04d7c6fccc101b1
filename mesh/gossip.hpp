#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "mesh/ids.hpp"

// What still wants telling: SWIM's transmit-limited queue (Das, Gupta, Motivala 2002, 4.1). At most
// one item per subject, the newest; the least told go first, ties by subject.

namespace dagz::mesh {

template <class Item>
class GossipQueue {
 public:
  void push(const NodeId& subject, const Item& item) { waiting_[subject] = {item, 0}; }

  // Up to `count` items, each counted as told once and dropped after `limit` times.
  std::vector<Item> take(std::size_t count, uint32_t limit) {
    std::vector<std::pair<uint32_t, NodeId>> order;
    order.reserve(waiting_.size());
    for (const auto& [subject, entry] : waiting_) order.emplace_back(entry.told, subject);
    count = std::min(count, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count),
                      order.end());
    std::vector<Item> taken;
    taken.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto found = waiting_.find(order[i].second);
      taken.push_back(found->second.item);
      if (++found->second.told >= limit) waiting_.erase(found);
    }
    return taken;
  }

  bool empty() const { return waiting_.empty(); }
  std::size_t size() const { return waiting_.size(); }

 private:
  struct Entry {
    Item item;
    uint32_t told = 0;
  };
  std::map<NodeId, Entry> waiting_;
};

// multiplier * ceil(log2(members + 1)).
inline uint32_t transmit_limit(uint32_t multiplier, std::size_t members) {
  return multiplier * static_cast<uint32_t>(std::bit_width(members));
}

}  // namespace dagz::mesh
