#pragma once

#include <functional>
#include <map>
#include <set>
#include <vector>

#include "mesh/config.hpp"
#include "mesh/gossip.hpp"
#include "mesh/member.hpp"
#include "mesh/statement.hpp"
#include "mesh/suspicion.hpp"

// Who is here, as this node believes it. SWIM's rules (Das, Gupta, Motivala 2002) over signed
// statements; every change is handed to gossip. Pure: all times are passed in.

namespace dagz::mesh {

inline constexpr std::size_t kMembersMax = 12'000;

enum class MemberChange : uint8_t { kJoined, kSuspected, kCleared, kDied, kLeft, kReturned };

class Membership {
 public:
  using Listener = std::function<void(Instant, const Member&, MemberChange)>;

  Membership(const Config& config, const Crypto& crypto, Profile self, Listener listener);

  const Member& self() const { return members_.at(self_); }
  const std::map<NodeId, Member>& members() const { return members_; }
  const Member* find(const NodeId& id) const;
  // Alive and suspected ones, this node included.
  std::size_t live_count() const { return live_by_birth_.size(); }
  // Of these, those that work.
  std::size_t working_count() const { return live_by_birth_.size() - archivists_; }
  // Of everything in this view.
  uint64_t digest() const;
  // The same in the order of birth.
  const std::set<Birth>& live_by_birth() const { return live_by_birth_; }
  // Of those that work; null if nobody does.
  const Member* eldest() const;

  // A verified profile. True if it was new.
  bool introduce(Instant now, const Profile& profile);

  // Returns false when the statement was refused (unknown author, bad signature); one that is
  // merely old changes nothing and is no fault.
  bool receive(Instant now, const Statement& statement);

  // This node's own prober heard nothing from it; or its link broke and the redial was refused.
  void accuse(Instant now, const NodeId& id, bool refused = false);
  // This node stood still for so long and heard nobody: that is no fault of the suspects.
  void excuse(Duration stall);
  void leave(Instant now);
  // Its word on work is worth nothing here any more. False if that was known.
  bool shut_out(const NodeId& id);

  void advance(Instant now);
  Instant next_deadline() const;

  GossipQueue<Statement>& gossip() { return gossip_; }
  const GossipQueue<Statement>& gossip() const { return gossip_; }
  // Profiles that others may not have: no statement is believed about a member without one.
  GossipQueue<Profile>& newcomers() { return newcomers_; }
  const GossipQueue<Profile>& newcomers() const { return newcomers_; }

 private:
  void set_state(Instant now, Member& member, Incarnation incarnation, MemberState state,
                 const Statement& statement);
  void set_live(const Profile& profile, bool live);
  void refute(Instant now, Incarnation at_least);
  void confirm(Instant now, Member& member, const Statement& accusation);
  // Live members that could accuse another one.
  std::size_t observers() const { return live_count() - 1; }
  void bury(Instant now, Member& member);

  const Config& config_;
  const Crypto& crypto_;
  NodeId self_;
  Listener listener_;
  std::map<NodeId, Member> members_;
  std::map<NodeId, Suspicion> suspicions_;
  std::set<Birth> live_by_birth_;
  std::size_t archivists_ = 0;  // of the live ones
  GossipQueue<Statement> gossip_;
  GossipQueue<Profile> newcomers_;
};

}  // namespace dagz::mesh
