#include "mesh/links.hpp"

#include <algorithm>

#include "mesh/mark.hpp"

namespace dagz::mesh {
namespace {

struct {
  Mark hello_again{"links: a hello is said again"};
  Mark given_up{"links: a handshake is given up"};
  Mark both_dialled{"links: both sides have dialled"};
  Mark from_the_shadow{"links: a link in the shadow takes over"};
  Mark rejected{"links: a message is rejected"};
} marks;

}  // namespace

Links::Links(const Config& config, const Crypto& crypto, Rng& rng, Profile self)
    : config_(config), crypto_(crypto), rng_(rng), self_(std::move(self)) {}

// ---- dialling ---------------------------------------------------------------------------------

// The one place that moves a dial: `at` counts while the address is wanted and has no link.
void Links::schedule(const std::string& address, Candidate& candidate, Instant at) {
  dials_due_.erase({candidate.next_dial_at, address});
  candidate.next_dial_at = at;
  if (candidate.wanted && candidate.link == 0 && at != Instant::never()) {
    dials_due_.insert({at, address});
  }
}

void Links::name(const std::string& address, Candidate& candidate, const NodeId& peer) {
  candidate.peer = peer;
  std::vector<std::string>& addresses = peers_[peer].addresses;
  if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
    addresses.push_back(address);
  }
}

void Links::add_candidate(Instant at, const std::string& address, Lane lane) {
  if (address.empty() || address == self_.control_address || address == self_.bulk_address) return;
  const auto found = candidates_.find(address);
  if (found != candidates_.end()) {
    if (!found->second.wanted) {
      found->second.wanted = true;
      schedule(address, found->second, at);
    }
    return;
  }
  if (candidates_.size() >= kDialAddressesMax) return;
  Candidate& candidate = candidates_[address];
  candidate.pause = config_.dial_retry_min;
  candidate.lane = lane;
  schedule(address, candidate, at);
}

void Links::candidate(Instant now, const std::string& address) {
  if (homes_.contains(address)) return;
  // One after the other, as they were given.
  last_candidate_at_ = std::max(now, last_candidate_at_ + Duration{1});
  add_candidate(last_candidate_at_, address, Lane::kControl);
}

void Links::know(const Profile& profile) {
  homes_.insert(profile.control_address);
  const auto found = candidates_.find(profile.control_address);
  if (found == candidates_.end()) return;
  name(found->first, found->second, profile.id);
  unwant(profile.id);
}

void Links::want(Instant now, const Profile& profile, bool mutual) {
  const bool mine = !mutual || self_.id < profile.id;
  add_candidate(mine ? now : now + config_.dial_retry_min * 6, profile.control_address,
                Lane::kControl);
  const auto found = candidates_.find(profile.control_address);
  if (found != candidates_.end()) name(found->first, found->second, profile.id);
}

void Links::unwant(const NodeId& id) {
  const auto found = peers_.find(id);
  if (found == peers_.end() || found->second.control != 0) return;
  for (const std::string& address : found->second.addresses) {
    Candidate& candidate = candidates_.at(address);
    candidate.wanted = false;
    schedule(address, candidate, Instant::never());
  }
}

void Links::want_bulk(Instant now, const NodeId& id, const Peer& peer) {
  add_candidate(now, peer.bulk_address, Lane::kBulk);
  const auto found = candidates_.find(peer.bulk_address);
  if (found != candidates_.end()) name(found->first, found->second, id);
}

void Links::forget(const NodeId& id) {
  const auto found = peers_.find(id);
  if (found == peers_.end()) return;
  const Peer lost = std::move(found->second);
  peers_.erase(found);
  std::erase(connected_, id);
  for (const std::string& address : lost.addresses) homes_.erase(address);
  if (lost.control != 0) close(lost.control);
  for (const LinkId link : lost.shadows) close(link);
  if (lost.bulk != 0) close(lost.bulk);
  for (const std::string& address : lost.addresses) {
    Candidate& candidate = candidates_.at(address);
    if (candidate.peer != id) continue;
    candidate.wanted = false;
    schedule(address, candidate, Instant::never());
  }
}

void Links::hang_up(Instant now, const NodeId& id) {
  const auto found = peers_.find(id);
  if (found == peers_.end()) return;
  std::vector<LinkId> links = found->second.shadows;
  if (found->second.control != 0) links.push_back(found->second.control);
  if (found->second.bulk != 0) links.push_back(found->second.bulk);
  for (const LinkId link : links) {
    close(link);
    link_down(now, link, LinkLoss::kClosed);
  }
  for (const std::string& address : found->second.addresses) {
    homes_.erase(address);
    Candidate& candidate = candidates_.at(address);
    candidate.lost = false;
    candidate.pause = config_.dial_retry_max;
    if (candidate.lane == Lane::kBulk) candidate.wanted = false;
    if (candidate.link == 0) schedule(address, candidate, now + config_.dial_retry_max);
  }
}

// Some at once, then one by one, and slowly once a few have been met.
Instant Links::next_stranger_at() const {
  if (strangers_.empty()) return Instant::never();
  if (self_.role == Role::kObserver) return Instant{};
  return next_stranger_at_ - config_.stranger_every * (config_.strangers_at_once - 1);
}

void Links::dial_strangers(Instant now) {
  while (next_stranger_at() <= now) {
    const std::string address = std::move(strangers_.front());
    strangers_.pop_front();
    Candidate& candidate = candidates_.at(address);
    if (!candidate.wanted || candidate.link != 0 || !candidate.peer.is_zero()) continue;
    const bool met_some = connected_.size() >= config_.strangers_at_once;
    next_stranger_at_ = std::max(next_stranger_at_, now) +
                        (met_some ? config_.stranger_slow_every : config_.stranger_every);
    dial(now, address, candidate);
  }
}

void Links::dial(Instant now, const std::string& address, Candidate& candidate) {
  // Twice the pause each time, and a quarter of it up or down, so that nobody dials in step.
  const Duration jitter{rng_.between(-candidate.pause.ns / 4, candidate.pause.ns / 4)};
  schedule(address, candidate, now + candidate.pause + jitter);
  candidate.pause = std::min(candidate.pause * 2, config_.dial_retry_max);
  if (links_.size() < kLinksMax) actions_.dials.push_back({address, candidate.lane});
}

void Links::advance(Instant now) {
  while (!dials_due_.empty() && dials_due_.begin()->first <= now) {
    const std::string address = dials_due_.begin()->second;
    Candidate& candidate = candidates_.at(address);
    const bool stranger = candidate.peer.is_zero() && candidate.lane == Lane::kControl;
    // The other side's link serves: this address is tried again when that one is lost.
    const bool served = candidate.lane == Lane::kControl && is_connected(candidate.peer);
    if (stranger || served) schedule(address, candidate, Instant::never());
    if (stranger) strangers_.push_back(address);
    if (!stranger && !served) dial(now, address, candidate);
  }
  dial_strangers(now);
  review_handshakes(now);
}

void Links::await_hello(Instant now, LinkId id, Link& link) {
  link.give_up_at = now + config_.handshake_within;
  link.hello_pause = config_.hello_again;
  handshakes_.emplace(now + link.hello_pause, id);
}

// A hello or its answer may have been lost: then one side believes in the link and the other does
// not. It is said again until it is answered, or the link given up.
void Links::review_handshakes(Instant now) {
  while (!handshakes_.empty() && handshakes_.begin()->first <= now) {
    const LinkId id = handshakes_.begin()->second;
    handshakes_.erase(handshakes_.begin());
    const auto found = links_.find(id);
    if (found == links_.end() || !found->second.peer.is_zero()) continue;
    Link& link = found->second;
    if (now >= link.give_up_at) {
      marks.given_up.reach();
      close(id);
      link_down(now, id, LinkLoss::kTimedOut);
      continue;
    }
    if (link.up) {
      marks.hello_again.reach();
      say_hello(link, id, false);
    }
    link.hello_pause = link.hello_pause * 2;
    handshakes_.emplace(std::min(now + link.hello_pause, link.give_up_at), id);
  }
}

Instant Links::next_deadline() const {
  Instant next = next_stranger_at();
  if (!dials_due_.empty()) next = std::min(next, dials_due_.begin()->first);
  if (!handshakes_.empty()) next = std::min(next, handshakes_.begin()->first);
  return next;
}

bool Links::is_dialling() const {
  return std::any_of(handshakes_.begin(), handshakes_.end(), [this](const auto& handshake) {
    const auto link = links_.find(handshake.second);
    return link != links_.end() && link->second.dialled && link->second.peer.is_zero();
  });
}

void Links::dialled(Instant now, const std::string& address, Lane lane, LinkId id) {
  Link& link = links_[id];
  link.lane = lane;
  link.dialled = true;
  link.address = address;
  await_hello(now, id, link);
  const auto found = candidates_.find(address);
  if (found == candidates_.end()) return;
  const Instant next = found->second.next_dial_at;
  found->second.link = id;
  schedule(address, found->second, next);
}

void Links::link_up(Instant, LinkId id) {
  const auto found = links_.find(id);
  if (found == links_.end() || !found->second.dialled) return;
  found->second.up = true;
  say_hello(found->second, id, false);
}

// Where nobody was before, a refusal may be a wall that others see past. Who has no link to anybody
// is told nothing else.
void Links::refused(const Candidate& candidate) {
  if (candidate.peer.is_zero() || candidate.lane != Lane::kControl) return;
  if (candidate.lost || (candidate.wanted && connected_.empty())) {
    refusals_.push_back(candidate.peer);
  } else if (candidate.wanted) {
    unreached_.push_back(candidate.peer);
  }
}

void Links::link_down(Instant now, LinkId id, LinkLoss loss) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  const Link link = std::move(found->second);
  links_.erase(found);
  if (const auto dialled = candidates_.find(link.address);
      link.dialled && dialled != candidates_.end() && dialled->second.link == id) {
    Candidate& candidate = dialled->second;
    candidate.link = 0;
    if (!link.peer.is_zero()) candidate.pause = config_.dial_retry_min;
    schedule(link.address, candidate, std::max(candidate.next_dial_at, now + candidate.pause));
    if (loss == LinkLoss::kRefused) refused(candidate);
  }
  const auto peer = peers_.find(link.peer);
  if (peer == peers_.end()) return;
  if (link.lane == Lane::kControl) lose_control(now, link.peer, peer->second, id);
  if (peer->second.bulk == id) {
    peer->second.bulk = 0;
    peer->second.bulk_ready = false;
    Candidate& bulk = candidates_.at(link.address);
    bulk.wanted = false;
    schedule(link.address, bulk, Instant::never());
  }
}

void Links::set_control(const NodeId& id, Peer& peer, LinkId link) {
  if (peer.control == link) return;
  if (peer.control == 0) {
    connected_.push_back(id);
  } else {
    peer.shadows.push_back(peer.control);
  }
  std::erase(peer.shadows, link);
  peer.control = link;
  for (const std::string& address : peer.addresses) candidates_.at(address).lost = false;
}

// Another link to the same peer may have been waiting in its shadow. If not, its address is dialled
// at once: whether it answers or refuses tells a lost link from a lost process.
void Links::lose_control(Instant now, const NodeId& id, Peer& peer, LinkId link) {
  std::erase(peer.shadows, link);
  if (peer.control != link) return;
  peer.control = 0;
  std::erase(connected_, id);
  if (!peer.shadows.empty()) {
    marks.from_the_shadow.reach();
    const LinkId next = peer.shadows.back();
    set_control(id, peer, next);
    return;
  }
  for (const std::string& address : peer.addresses) {
    Candidate& candidate = candidates_.at(address);
    if (candidate.peer != id || candidate.lane != Lane::kControl || !candidate.wanted) continue;
    candidate.lost = true;
    candidate.pause = config_.dial_retry_min;
    schedule(address, candidate, now + config_.redial_after);
  }
}

void Links::close(LinkId id) { actions_.closes.push_back(id); }

// ---- hellos -----------------------------------------------------------------------------------

void Links::say_hello(Link& link, LinkId id, bool answer) {
  Hello hello{self_, link.lane, answer, id};
  actions_.sends.push_back(
      {id, seal_envelope(crypto_, EnvelopeKind::kHello, link.peer, ++link.sent, encode(hello))});
}

std::optional<Profile> Links::hear_hello(LinkId id, Link& link, const Envelope& envelope) {
  Hello hello;
  if (!decode(envelope.content, hello) || hello.profile.version != kProtocolVersion ||
      !verify_own_profile(crypto_, hello.profile) || hello.profile.id != envelope.from ||
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
  return hello.profile;
}

// Our own address under another name (a beacon heard back, a seed list with ourselves in it).
void Links::forget_dial(LinkId id) {
  const auto link = links_.find(id);
  if (link == links_.end() || !link->second.dialled) return;
  const auto found = candidates_.find(link->second.address);
  if (found == candidates_.end()) return;
  found->second.wanted = false;
  schedule(found->first, found->second, Instant::never());
}

void Links::bind(LinkId id, Link& link, const Profile& profile) {
  link.peer = profile.id;
  link.key = profile.key;
  link.observer = profile.role == Role::kObserver;
  if (link.dialled) {
    if (const auto candidate = candidates_.find(link.address); candidate != candidates_.end()) {
      name(candidate->first, candidate->second, profile.id);
      candidate->second.pause = config_.dial_retry_min;
    }
  }
  Peer& peer = peers_[profile.id];
  if (peer.shared.is_zero()) peer.shared = crypto_.shared_key(profile.key);
  peer.bulk_address = profile.bulk_address;
  if (link.lane == Lane::kBulk) {
    if (link.dialled) {
      peer.bulk = id;
      peer.bulk_ready = true;
    }
    return;
  }
  // Two links between the same two: both sides keep the one dialled by the lower id.
  const bool keep_dialled = self_.id < profile.id;
  const bool serves = peer.control == 0 || peer.control == id || link.dialled == keep_dialled;
  if (serves) {
    set_control(profile.id, peer, id);
  } else if (std::find(peer.shadows.begin(), peer.shadows.end(), id) == peer.shadows.end()) {
    marks.both_dialled.reach();
    peer.shadows.push_back(id);
  }
}

// ---- messages ---------------------------------------------------------------------------------

std::optional<Links::Received> Links::receive(Instant now, LinkId id, Lane lane, Bytes bytes,
                                              std::optional<Profile>& new_peer) {
  Envelope envelope;
  if (bytes.size() > kBulkMessageMax || !decode(bytes, envelope)) {
    ++stats_.rejected;
    return std::nullopt;
  }
  const auto [found, added] = links_.try_emplace(id);
  Link& link = found->second;
  if (added) {
    link.lane = lane;
    await_hello(now, id, link);
  }
  if (envelope.kind == EnvelopeKind::kHello) {
    new_peer = hear_hello(id, link, envelope);
    return std::nullopt;
  }
  if (link.peer.is_zero() || envelope.from != link.peer || envelope.to != self_.id ||
      !is_proven(link, envelope) || !link.seen.accept(envelope.sequence)) {
    marks.rejected.reach();
    ++stats_.rejected;
    return std::nullopt;
  }
  return Received{envelope.from, std::move(envelope.content), link.observer,
                  envelope.kind == EnvelopeKind::kMessage};
}

bool Links::is_proven(const Link& link, const Envelope& envelope) const {
  if (envelope.kind == EnvelopeKind::kMessage) return verify_envelope(crypto_, link.key, envelope);
  const auto peer = peers_.find(link.peer);
  return peer != peers_.end() && verify_upkeep(crypto_, peer->second.shared, envelope);
}

bool Links::is_connected(const NodeId& peer) const {
  const auto found = peers_.find(peer);
  return found != peers_.end() && found->second.control != 0;
}

bool Links::send(Instant now, const NodeId& to, Lane lane, EnvelopeKind kind, Buffer content) {
  const auto peer = peers_.find(to);
  if (peer == peers_.end()) return false;
  LinkId id = peer->second.control;
  if (lane == Lane::kBulk && peer->second.bulk_ready) {
    id = peer->second.bulk;
  } else if (lane == Lane::kBulk && id != 0 && content.size() >= config_.bulk_message_min) {
    want_bulk(now, to, peer->second);
  }
  const auto link = links_.find(id);
  if (link == links_.end() || link->second.peer.is_zero()) return false;
  if (link->second.lane == Lane::kControl && content.size() + 1024 > kControlMessageMax) {
    return false;
  }
  const uint64_t number = ++link->second.sent;
  actions_.sends.push_back(
      {id, kind == EnvelopeKind::kUpkeep
               ? seal_upkeep(crypto_, peer->second.shared, to, number, std::move(content))
               : seal_envelope(crypto_, kind, to, number, std::move(content))});
  return true;
}

}  // namespace dagz::mesh
