#include "mesh/gossip.hpp"

#include <algorithm>
#include <bit>

namespace dagz::mesh {

void GossipQueue::push(const Statement& statement) { rumours_[statement.subject] = {statement, 0}; }

std::vector<Statement> GossipQueue::take(std::size_t count, uint32_t limit) {
  std::vector<std::pair<uint32_t, NodeId>> order;
  order.reserve(rumours_.size());
  for (const auto& [subject, rumour] : rumours_) order.emplace_back(rumour.told, subject);
  count = std::min(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end());
  std::vector<Statement> taken;
  taken.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto found = rumours_.find(order[i].second);
    taken.push_back(found->second.statement);
    if (++found->second.told >= limit) rumours_.erase(found);
  }
  return taken;
}

uint32_t transmit_limit(uint32_t multiplier, std::size_t members) {
  return multiplier * static_cast<uint32_t>(std::bit_width(members));
}

}  // namespace dagz::mesh
