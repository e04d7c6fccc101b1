#pragma once

#include <algorithm>
#include <map>
#include <optional>

#include "mesh/claim.hpp"
#include "mesh/config.hpp"
#include "mesh/ids.hpp"
#include "mesh/membership.hpp"

// Who schedules. The first node up does, and an incumbent stays. No votes and no quorum: whoever is
// left must finish the job, and the signed logs make a double scheduler a waste of time, never a
// wrong result. Everything a scheduler hands out is fenced by (lineage, term).

namespace dagz::mesh {

class Election {
 public:
  Election(const Config& config, Instant started_at);

  const Claim& claim() const { return claim_; }
  bool is_scheduler(const NodeId& id) const {
    return claim_.exists() && claim_.scheduler.node == id;
  }

  // The claimant itself said so (second-hand beliefs resurrect the dead). True if adopted.
  bool receive(Instant now, const Claim& claim, const Membership& membership);
  // Second-hand, from a log or from a follower: never adopted, but whoever claims next must claim
  // beyond it, or its work would be fenced off.
  void heard(Instant now, const Claim& claim);
  // Whoever claimed is gone, or has not been heard for long.
  bool is_vacant(const Membership& membership) const;
  // Settles, claims, takes over. True if the claim changed.
  bool advance(Instant now, const Membership& membership);
  // The scheduler begins again, with the next term.
  void claim_anew(Instant now);
  // Claims nothing before that, for others are about to be met, and gives an elder one its time to
  // claim from then on.
  void postpone(Instant until);
  // This node stood still and may have announcements to read.
  void excuse(Duration stall);
  Instant next_deadline() const {
    return claim_.exists() ? std::min(lapses_at_, best_heard_lapses_at_) : settle_at_;
  }

 private:
  void adopt(Instant now, const Claim& claim);
  bool take_over(Instant now, const Membership& membership);
  bool is_near(const Claim& claim) const;
  void renew(Instant now);

  Duration lapses_after_;
  Duration patience_;
  Instant settle_at_;
  Instant patience_ends_at_;
  Instant lapses_at_ = Instant::never();  // somebody else's claim, unless it is repeated
  bool lapsed_ = false;
  Claim claim_;
  Claim best_heard_;
  Instant best_heard_lapses_at_ = Instant::never();  // unless its claimant announces it
  bool best_heard_lapsed_ = false;
  std::map<Birth, uint64_t> highest_term_;  // per lineage
};

}  // namespace dagz::mesh
