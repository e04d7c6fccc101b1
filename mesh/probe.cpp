#include "mesh/probe.hpp"

#include <algorithm>
#include <utility>

namespace dagz::mesh {

Prober::Prober(const Config& config, Rng& rng, Awareness& awareness, Watched watched,
               Instant started_at)
    : config_(config),
      rng_(rng),
      awareness_(awareness),
      watched_(std::move(watched)),
      // Nodes that start together must not probe in step.
      period_ends_at_(started_at + Duration{rng.between(0, config.probe_every.ns)}) {}

const NodeId* Prober::next_target(const Membership& membership) {
  for (int round = 0; round < 2; ++round) {
    while (at_ < order_.size()) {
      const NodeId& id = order_[at_++];
      const Member* member = membership.find(id);
      if (member != nullptr && takes_part(member->state)) return &id;
    }
    order_ = watched_();
    at_ = 0;
    rng_.shuffle(order_);
  }
  return nullptr;
}

void Prober::advance(Instant now, const Membership& membership, Requests& out) {
  if (!answered_ && !asked_others_ && timeout_at_ <= now) {
    asked_others_ = true;
    std::vector<NodeId> others = watched_();
    std::erase_if(others, [&](const NodeId& id) {
      const Member* member = membership.find(id);
      return id == target_ || member == nullptr || member->state != MemberState::kAlive;
    });
    rng_.shuffle(others);
    if (others.size() > config_.indirect_probes) others.resize(config_.indirect_probes);
    for (const NodeId& via : others) out.ping_requests.push_back({via, target_, number_});
    // After a stall of this node's own loop the period may be over as well: the others get their
    // time all the same, and the answers in the inbox are read before anybody is accused.
    const Duration patience = awareness_.patience(config_.probe_every - config_.probe_timeout);
    period_ends_at_ = std::max(period_ends_at_, now + patience);
  }
  if (period_ends_at_ > now) return;
  if (!answered_) {
    out.accused.push_back(target_);
    awareness_.poorly();
  }
  std::erase_if(relays_, [now](const auto& entry) { return entry.second.expires_at <= now; });
  period_ends_at_ = now + config_.probe_every;
  answered_ = true;
  timeout_at_ = Instant::never();
  const NodeId* target = next_target(membership);
  if (target == nullptr) return;
  target_ = *target;
  number_ = ++last_number_;
  answered_ = false;
  asked_others_ = false;
  timeout_at_ = now + awareness_.patience(config_.probe_timeout);
  // A slow node's probe takes longer than a period, which waits for it.
  period_ends_at_ = std::max(period_ends_at_, timeout_at_);
  out.pings.push_back({target_, number_});
}

void Prober::acked(uint64_t number, Requests& out) {
  if (number == number_) {
    if (!answered_) awareness_.well();
    answered_ = true;
    timeout_at_ = Instant::never();
    return;
  }
  const auto relay = relays_.find(number);
  if (relay == relays_.end()) return;
  out.acks.push_back({relay->second.asker, relay->second.number});
  relays_.erase(relay);
}

void Prober::asked(Instant now, const NodeId& by, uint64_t number, const NodeId& target,
                   Requests& out) {
  if (relays_.size() >= kRelaysMax) return;
  const uint64_t own = ++last_number_;
  relays_[own] = {by, number, now + config_.probe_every * 2};
  out.pings.push_back({target, own});
}

void Prober::excuse(Instant now) {
  answered_ = true;
  timeout_at_ = Instant::never();
  period_ends_at_ = now + config_.probe_every;
}

Instant Prober::next_deadline() const {
  return asked_others_ ? period_ends_at_ : std::min(period_ends_at_, timeout_at_);
}

}  // namespace dagz::mesh
