#include "mesh/overlay.hpp"

#include <array>

namespace dagz::mesh {
namespace {

// Quarters of the ring, as steps of an id's first byte.
constexpr std::array<uint8_t, 3> kFingers = {0x40, 0x80, 0xc0};

// The first live member after `at`, round the ring; this node itself if there is no other.
const Member& successor(const Membership& membership, const NodeId& at) {
  const auto& members = membership.members();
  auto next = members.upper_bound(at);
  for (std::size_t steps = 0; steps < members.size(); ++steps, ++next) {
    if (next == members.end()) next = members.begin();
    if (takes_part(next->second.state)) return next->second;
  }
  return membership.self();
}

// Adds the successor of `at`, and whoever comes next as well while that is suspected of being dead:
// a suspect is watched, but may hold the ring no longer. Returns the last one.
NodeId follow(const Membership& membership, const NodeId& at, std::set<NodeId>& found) {
  // Nobody suspects itself, so this ends here at the latest.
  for (const Member* next = &successor(membership, at);;) {
    found.insert(next->profile.id);
    if (next->state != MemberState::kSuspect) return next->profile.id;
    next = &successor(membership, next->profile.id);
  }
}

}  // namespace

std::set<NodeId> hubs(const Membership& membership, const NodeId& scheduler) {
  std::set<NodeId> found;
  const Member* incumbent = membership.find(scheduler);
  if (incumbent != nullptr && takes_part(incumbent->state)) found.insert(scheduler);
  for (const Birth& birth : membership.live_by_birth()) {
    if (found.size() >= kHubs) break;
    if (works(*membership.find(birth.node))) found.insert(birth.node);
  }
  return found;
}

std::set<NodeId> neighbours(const Config& config, const Membership& membership,
                            const NodeId& scheduler) {
  const NodeId& self = membership.self().profile.id;
  std::set<NodeId> found;
  if (membership.live_count() <= config.full_mesh_max) {
    for (const Birth& birth : membership.live_by_birth()) found.insert(birth.node);
  } else {
    found = hubs(membership, scheduler);
    NodeId at = self;
    for (int step = 0; step < kRingSuccessors; ++step) {
      at = follow(membership, at, found);
    }
    for (const uint8_t finger : kFingers) {
      NodeId point = self;
      point.bytes[0] = static_cast<uint8_t>(point.bytes[0] + finger);
      follow(membership, point, found);
    }
  }
  found.erase(self);
  return found;
}

}  // namespace dagz::mesh
