#pragma once

#include <set>

#include "mesh/config.hpp"
#include "mesh/ids.hpp"
#include "mesh/membership.hpp"

// To whom a node keeps a link, by its own view. In a small mesh to everybody. In a larger one to
// the hubs, which therefore have links to all and relay between any two; and to fingers on the ring
// of ids, as in Chord (Stoica et al. 2001): so a few others watch each member, rumours need few
// steps, and the mesh holds together while hubs come and go.

namespace dagz::mesh {

inline constexpr std::size_t kHubs = 3;
inline constexpr int kRingSuccessors = 2;

// The scheduler (zero: none yet) and the eldest of the others: those who would succeed it.
std::set<NodeId> hubs(const Membership& membership, const NodeId& scheduler);

// Live members to which this node dials, itself left out. Others dial it by the same rule.
std::set<NodeId> neighbours(const Config& config, const Membership& membership,
                            const NodeId& scheduler);

}  // namespace dagz::mesh
