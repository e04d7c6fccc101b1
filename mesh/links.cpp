#include "mesh/links.hpp"

#include <algorithm>

namespace dagz::mesh {

Links::Links(const Config& config, const Crypto& crypto, Rng& rng, Profile self)
    : config_(config), crypto_(crypto), rng_(rng), self_(std::move(self)) {}

// ---- dialling ---------------------------------------------------------------------------------

void Links::add_candidate(Instant at, const std::string& address, Lane lane) {
  next_check_at_ = std::min(next_check_at_, at);
  if (address.empty() || address == self_.control_address || address == self_.bulk_address) return;
  const auto found = candidates_.find(address);
  if (found != candidates_.end()) {
    if (!found->second.wanted) {
      found->second.wanted = true;
      found->second.next_dial_at = at;
    }
    return;
  }
  if (candidates_.size() >= kDialAddressesMax) return;
  candidates_[address] = {at, config_.dial_retry_min, 0, lane, {}, false, true};
}

void Links::candidate(Instant now, const std::string& address) {
  add_candidate(now, address, Lane::kControl);
}

void Links::want(Instant now, const Profile& profile) {
  const bool mine = self_.id < profile.id;
  add_candidate(mine ? now : now + config_.dial_retry_min * 6, profile.control_address,
                Lane::kControl);
  const auto found = candidates_.find(profile.control_address);
  if (found != candidates_.end()) found->second.peer = profile.id;
}

void Links::forget(const NodeId& peer) {
  const auto found = peers_.find(peer);
  if (found != peers_.end()) {
    const Peer lost = found->second;
    if (lost.control != 0) close(lost.control);
    if (lost.bulk != 0) close(lost.bulk);
    peers_.erase(peer);
  }
  for (auto& [address, candidate] : candidates_) {
    if (candidate.peer == peer) candidate.wanted = false;
  }
}

void Links::advance(Instant now) {
  if (now < next_check_at_) return;
  for (auto& [address, candidate] : candidates_) {
    if (!candidate.wanted || candidate.link != 0 || candidate.next_dial_at > now) continue;
    // The other side's link serves: this address is tried again when that one is lost.
    if (!candidate.peer.is_zero() && candidate.lane == Lane::kControl &&
        is_connected(candidate.peer)) {
      candidate.next_dial_at = Instant::never();
      continue;
    }
    // Twice the pause each time, and a quarter of it up or down, so that nobody dials in step.
    const Duration jitter{rng_.between(-candidate.pause.ns / 4, candidate.pause.ns / 4)};
    candidate.next_dial_at = now + candidate.pause + jitter;
    candidate.pause = std::min(candidate.pause * 2, config_.dial_retry_max);
    if (links_.size() >= kLinksMax) continue;
    actions_.dials.push_back({address, candidate.lane});
  }
  std::vector<LinkId> stale;
  for (const auto& [id, link] : links_) {
    if (link.peer.is_zero() && link.opened_at + config_.handshake_within <= now) {
      stale.push_back(id);
    }
  }
  for (const LinkId id : stale) {
    close(id);
    link_down(now, id, LinkLoss::kTimedOut);
  }
  next_check_at_ = earliest();
}

Instant Links::earliest() const {
  Instant next = Instant::never();
  for (const auto& [address, candidate] : candidates_) {
    if (candidate.wanted && candidate.link == 0) next = std::min(next, candidate.next_dial_at);
  }
  for (const auto& [id, link] : links_) {
    if (link.peer.is_zero()) next = std::min(next, link.opened_at + config_.handshake_within);
  }
  return next;
}

void Links::dialled(Instant now, const std::string& address, Lane lane, LinkId id) {
  Link& link = links_[id];
  link.lane = lane;
  link.dialled = true;
  link.address = address;
  link.opened_at = now;
  next_check_at_ = std::min(next_check_at_, now + config_.handshake_within);
  const auto found = candidates_.find(address);
  if (found != candidates_.end()) found->second.link = id;
}

void Links::link_up(Instant, LinkId id) {
  const auto found = links_.find(id);
  if (found == links_.end() || !found->second.dialled) return;
  say_hello(found->second, id, false);
}

void Links::link_down(Instant now, LinkId id, LinkLoss loss) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  const Link link = std::move(found->second);
  links_.erase(found);
  if (const auto candidate = candidates_.find(link.address);
      link.dialled && candidate != candidates_.end() && candidate->second.link == id) {
    candidate->second.link = 0;
    candidate->second.rejected = loss == LinkLoss::kRejected;
    if (!link.peer.is_zero()) candidate->second.pause = config_.dial_retry_min;
    const Instant retry_at = now + candidate->second.pause;
    candidate->second.next_dial_at = std::max(candidate->second.next_dial_at, retry_at);
    next_check_at_ = std::min(next_check_at_, candidate->second.next_dial_at);
  }
  const auto peer = peers_.find(link.peer);
  if (peer == peers_.end()) return;
  if (peer->second.control == id) {
    peer->second.control = 0;
    // Another link to the same peer may have been waiting in its shadow.
    for (const auto& [other_id, other] : links_) {
      if (other.peer == link.peer && other.lane == Lane::kControl) peer->second.control = other_id;
    }
    if (peer->second.control == 0) dial_again(now, link.peer);
  }
  if (peer->second.bulk == id) {
    peer->second.bulk = 0;
    peer->second.bulk_ready = false;
  }
}

void Links::dial_again(Instant now, const NodeId& peer) {
  for (auto& [address, candidate] : candidates_) {
    if (candidate.peer != peer || candidate.next_dial_at != Instant::never()) continue;
    candidate.next_dial_at = now + candidate.pause;
    next_check_at_ = std::min(next_check_at_, candidate.next_dial_at);
  }
}

void Links::close(LinkId id) { actions_.closes.push_back(id); }

bool Links::was_rejected(const std::string& address) const {
  const auto found = candidates_.find(address);
  return found != candidates_.end() && found->second.rejected;
}

// ---- hellos -----------------------------------------------------------------------------------

void Links::say_hello(Link& link, LinkId id, bool answer) {
  Hello hello{self_, link.lane, answer, id};
  actions_.sends.push_back(
      {id, seal_envelope(crypto_, EnvelopeKind::kHello, link.peer, ++link.sent, encode(hello))});
}

std::optional<Profile> Links::hear_hello(Instant now, LinkId id, Link& link,
                                         const Envelope& envelope) {
  Hello hello;
  if (!decode(envelope.content, hello) || hello.profile.version != kProtocolVersion ||
      !verify_profile(crypto_, hello.profile) || hello.profile.id != envelope.from ||
      hello.profile.id == self_.id || hello.lane != link.lane ||
      !verify_envelope(crypto_, hello.profile.key, envelope) ||
      (!envelope.to.is_zero() && envelope.to != self_.id)) {
    ++stats_.rejected;
    if (hello.profile.id == self_.id) forget_dial(hello.link);
    return std::nullopt;
  }
  if (!link.peer.is_zero() && link.peer != hello.profile.id) {
    ++stats_.rejected;
    return std::nullopt;
  }
  const bool first = link.peer.is_zero();
  link.seen.accept(envelope.sequence);
  bind(id, link, hello.profile);
  if (!hello.answer) say_hello(link, id, true);
  if (!first) return std::nullopt;
  if (link.lane == Lane::kControl && !hello.profile.observer && !self_.observer) {
    add_candidate(now, hello.profile.bulk_address, Lane::kBulk);
    if (const auto bulk = candidates_.find(hello.profile.bulk_address); bulk != candidates_.end()) {
      bulk->second.peer = hello.profile.id;
    }
  }
  return hello.profile;
}

// Our own address under another name (a beacon heard back, a seed list with ourselves in it).
void Links::forget_dial(LinkId id) {
  const auto link = links_.find(id);
  if (link == links_.end() || !link->second.dialled) return;
  const auto found = candidates_.find(link->second.address);
  if (found != candidates_.end()) found->second.wanted = false;
}

void Links::bind(LinkId id, Link& link, const Profile& profile) {
  link.peer = profile.id;
  link.key = profile.key;
  link.observer = profile.observer;
  if (link.dialled) {
    if (const auto candidate = candidates_.find(link.address); candidate != candidates_.end()) {
      candidate->second.peer = profile.id;
      candidate->second.pause = config_.dial_retry_min;
      candidate->second.rejected = false;
    }
  }
  Peer& peer = peers_[profile.id];
  peer.bulk_address = profile.bulk_address;
  if (link.lane == Lane::kBulk) {
    if (link.dialled) {
      peer.bulk = id;
      peer.bulk_ready = true;
    }
    return;
  }
  if (peer.control == 0 || peer.control == id || !links_.contains(peer.control)) {
    peer.control = id;
    return;
  }
  // Two links between the same two: both sides keep the one dialled by the lower id.
  const bool keep_dialled = self_.id < profile.id;
  if (link.dialled == keep_dialled) peer.control = id;
}

// ---- messages ---------------------------------------------------------------------------------

std::optional<Links::Received> Links::receive(Instant now, LinkId id, Lane lane, Bytes bytes,
                                              std::optional<Profile>& new_peer) {
  ++stats_.received;
  Envelope envelope;
  if (bytes.size() > kBulkMessageMax || !decode(bytes, envelope)) {
    ++stats_.rejected;
    return std::nullopt;
  }
  const auto [found, added] = links_.try_emplace(id);
  Link& link = found->second;
  if (added) {
    link.lane = lane;
    link.opened_at = now;
    next_check_at_ = std::min(next_check_at_, now + config_.handshake_within);
  }
  if (envelope.kind == EnvelopeKind::kHello) {
    new_peer = hear_hello(now, id, link, envelope);
    return std::nullopt;
  }
  if (link.peer.is_zero() || envelope.from != link.peer || envelope.to != self_.id ||
      !verify_envelope(crypto_, link.key, envelope) || !link.seen.accept(envelope.sequence)) {
    ++stats_.rejected;
    return std::nullopt;
  }
  return Received{envelope.from, std::move(envelope.content), link.observer};
}

bool Links::is_connected(const NodeId& peer) const {
  const auto found = peers_.find(peer);
  return found != peers_.end() && found->second.control != 0;
}

bool Links::send(Instant, const NodeId& to, Lane lane, Buffer content) {
  const auto peer = peers_.find(to);
  if (peer == peers_.end()) return false;
  LinkId id = peer->second.control;
  if (lane == Lane::kBulk && peer->second.bulk_ready) id = peer->second.bulk;
  const auto link = links_.find(id);
  if (link == links_.end() || link->second.peer.is_zero()) return false;
  if (link->second.lane == Lane::kControl && content.size() + 1024 > kControlMessageMax) {
    return false;
  }
  ++stats_.sent;
  actions_.sends.push_back({id, seal_envelope(crypto_, EnvelopeKind::kMessage, to,
                                              ++link->second.sent, std::move(content))});
  return true;
}

}  // namespace dagz::mesh
