#include "mesh/relay.hpp"

namespace dagz::mesh {

Relayed Relay::wrap(const Profile& to, Buffer content) {
  const Buffer envelope =
      seal_envelope(crypto_, EnvelopeKind::kMessage, to.id, ++sent_, std::move(content));
  return {crypto_.node_id(), to.id, crypto_.encrypt(to.key, envelope)};
}

std::optional<Buffer> Relay::unwrap(const Relayed& message, const PublicKey& author) {
  if (message.to != crypto_.node_id()) return std::nullopt;
  const auto bytes = crypto_.decrypt(message.box);
  Envelope envelope;
  if (!bytes || !decode(*bytes, envelope)) return std::nullopt;
  if (envelope.kind != EnvelopeKind::kMessage || envelope.from != message.from ||
      envelope.to != crypto_.node_id() || !verify_envelope(crypto_, author, envelope)) {
    return std::nullopt;
  }
  if (!seen_[message.from].accept(envelope.sequence)) return std::nullopt;
  return std::move(envelope.content);
}

void Relay::learn(const NodeId& to, const NodeId& via) {
  if (routes_.size() < kRoutesMax || routes_.contains(to)) routes_[to] = via;
}

std::optional<NodeId> Relay::route(const NodeId& to) const {
  const auto found = routes_.find(to);
  if (found == routes_.end()) return std::nullopt;
  return found->second;
}

void Relay::forget(const NodeId& member) {
  routes_.erase(member);
  std::erase_if(routes_, [&member](const auto& route) { return route.second == member; });
}

}  // namespace dagz::mesh
