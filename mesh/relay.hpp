#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "mesh/crypto.hpp"
#include "mesh/envelope.hpp"
#include "mesh/message.hpp"

// Two members that cannot reach each other speak through a third, which any member is without being
// told to. What it carries is signed by its author and encrypted for its reader: it learns who
// speaks to whom and how much, and can do no more than lose it. One hop, never two.

namespace dagz::mesh {

inline constexpr std::size_t kRoutesMax = 12'000;

class Relay {
 public:
  explicit Relay(const Crypto& crypto) : crypto_(crypto) {}

  Relayed wrap(const Profile& to, Buffer content);
  // What its author really wrote for this node, once; nothing when it is damaged, forged or known.
  std::optional<Buffer> unwrap(const Relayed& message, const PublicKey& author);

  // A word of `to` has come through `via`.
  void learn(const NodeId& to, const NodeId& via);
  // Through whom `to` was last heard.
  std::optional<NodeId> route(const NodeId& to) const;
  void forget(const NodeId& member);

 private:
  const Crypto& crypto_;
  uint64_t sent_ = 0;
  std::map<NodeId, ReplayWindow> seen_;  // by author
  std::map<NodeId, NodeId> routes_;
};

}  // namespace dagz::mesh
