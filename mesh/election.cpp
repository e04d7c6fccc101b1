#include "mesh/election.hpp"

#include <algorithm>

#include "mesh/mark.hpp"
#include "mesh/planted.hpp"

namespace dagz::mesh {
namespace {

struct {
  Mark stepped_down{"election: a scheduler steps down for a better claim"};
  Mark succeeded{"election: the eldest takes over"};
  Mark lapsed{"election: a claim lapses"};
  Mark outbid{"election: a scheduler claims beyond one that is gone"};
  Mark was_patient{"election: a younger node founds the lineage, no elder having come forward"};
} marks;

// Of those that may schedule.
bool is_eldest(const Membership& membership) {
  const Member* eldest = membership.eldest();
  return eldest != nullptr && eldest->profile.id == membership.self().profile.id;
}

}  // namespace

Election::Election(const Config& config, Instant started_at)
    : lapses_after_(config.claim_lapses_after),
      patience_(config.claim_patience),
      settle_at_(started_at + config.settle),
      patience_ends_at_(started_at + config.settle + config.claim_patience) {}

void Election::adopt(Instant now, const Claim& claim) {
  claim_ = claim;
  renew(now);
  uint64_t& highest = highest_term_[claim.lineage];
  highest = std::max(highest, claim.term);
  settle_at_ = Instant::never();
}

void Election::renew(Instant now) {
  lapsed_ = false;
  lapses_at_ = now + lapses_after_;
}

bool Election::is_vacant(const Membership& membership) const {
  const Member* incumbent = claim_.exists() ? membership.find(claim_.scheduler.node) : nullptr;
  if (incumbent == nullptr || !works(*incumbent)) return true;
  return lapsed_;
}

// To the highest term that is known of its lineage.
bool Election::is_near(const Claim& claim) const {
  const auto highest = highest_term_.find(claim.lineage);
  const uint64_t known = highest == highest_term_.end() ? 0 : highest->second;
  return claim.term <= std::min(known + kTermJumpMax, kTermMax);
}

bool Election::receive(Instant now, const Claim& claim, const Membership& membership) {
  // A newcomer cannot know how many there were, but that some are left.
  const bool is_first = !claim_.exists() && claim.term <= kTermMax - kTermJumpMax;
  if (!claim.exists() || !(is_first || is_near(claim))) return false;
  const Member* claimant = membership.find(claim.scheduler.node);
  if (claimant == nullptr || !works(*claimant)) return false;
  if (claimant->profile.birth() != claim.scheduler) return false;
  // Whoever founds a lineage is its first scheduler.
  if (claim.term == 1 && claim.scheduler != claim.lineage) return false;
  const auto highest = highest_term_.find(claim.lineage);
  if (highest != highest_term_.end() && claim.term < highest->second) return false;
  if (claim == claim_) {
    renew(now);
    return false;
  }
  // A dead incumbent yields to anybody who is alive: should its work have got further, the logs
  // tell the new one, who then claims beyond it.
  const bool vacant = claim_.exists() && is_vacant(membership);
  if (!vacant && !is_better(claim, claim_)) return false;
  const bool acting = claim_.exists() && claim_.scheduler == membership.self().profile.birth();
  if (acting && is_planted(Planted::kIgnoresBetterClaims)) return false;
  if (acting) marks.stepped_down.reach();
  adopt(now, claim);
  return true;
}

bool Election::advance(Instant now, const Membership& membership) {
  const Member& me = membership.self();
  if (!takes_part(me.state)) {
    lapses_at_ = best_heard_lapses_at_ = settle_at_ = Instant::never();
    return false;
  }
  if (!claim_.exists()) {
    if (now < settle_at_) return false;
    if (!works(me)) {
      settle_at_ = Instant::never();
      return false;
    }
    const bool eldest = is_eldest(membership);
    if (!eldest && now < patience_ends_at_) {
      settle_at_ = patience_ends_at_;
      return false;
    }
    if (!eldest) marks.was_patient.reach();
    adopt(now, {me.profile.birth(), 1, me.profile.birth()});
    return true;
  }
  return take_over(now, membership);
}

// The eldest steps in for a scheduler that is gone; and a scheduler whose claim is behind one that
// nobody upholds goes beyond it: its claimant is gone, or follows by now.
bool Election::take_over(Instant now, const Membership& membership) {
  const auto is_live = [&membership](const Claim& claim) {
    const Member* claimant = membership.find(claim.scheduler.node);
    return claimant != nullptr && works(*claimant);
  };
  const Member& me = membership.self();
  if (now >= lapses_at_) {
    lapsed_ = claim_.scheduler.node != me.profile.id;
    if (lapsed_) marks.lapsed.reach();
    lapses_at_ = Instant::never();
  }
  if (now >= best_heard_lapses_at_) {
    best_heard_lapsed_ = true;
    best_heard_lapses_at_ = Instant::never();
  }
  const bool behind = is_better(best_heard_, claim_);
  if (!is_vacant(membership)) {
    if (!behind || claim_.scheduler.node != me.profile.id) return false;
    if (is_live(best_heard_) && !best_heard_lapsed_) return false;
  } else if (!is_eldest(membership)) {
    return false;
  }
  (behind ? marks.outbid : marks.succeeded).reach();
  const Claim& last = behind ? best_heard_ : claim_;
  const uint64_t term = std::max(last.term, highest_term_[last.lineage]) + 1;
  adopt(now, {last.lineage, term, me.profile.birth()});
  return true;
}

void Election::claim_anew(Instant now) {
  adopt(now, {claim_.lineage, claim_.term + 1, claim_.scheduler});
}

void Election::postpone(Instant until) {
  if (claim_.exists()) return;
  settle_at_ = std::max(settle_at_, until);
  patience_ends_at_ = std::max(patience_ends_at_, until + patience_);
}

void Election::excuse(Duration stall) {
  for (Instant* at : {&lapses_at_, &best_heard_lapses_at_}) {
    if (*at != Instant::never()) *at = *at + stall;
  }
}

void Election::heard(Instant now, const Claim& claim) {
  if (!is_near(claim) || claim.term == kTermMax || !is_better(claim, best_heard_)) return;
  best_heard_ = claim;
  best_heard_lapsed_ = false;
  best_heard_lapses_at_ = now + lapses_after_;
}

}  // namespace dagz::mesh
