#include "mesh/membership.hpp"

#include <algorithm>
#include <utility>

#include "mesh/check.hpp"
#include "mesh/digest.hpp"
#include "mesh/mark.hpp"
#include "mesh/planted.hpp"

namespace dagz::mesh {
namespace {

struct {
  Mark refuted{"membership: an accused member objects"};
  Mark confirmed{"membership: a suspicion is confirmed by somebody else"};
  Mark certain{"membership: refused dials make a death certain"};
  Mark ran_out{"membership: a suspicion runs out"};
  Mark accused_early{"membership: an accusation is ahead of its subject"};
  Mark back{"membership: one believed dead is back"};
} marks;

}  // namespace

Membership::Membership(const Config& config, const Crypto& crypto, Profile self, Listener listener)
    : config_(config), crypto_(crypto), self_(self.id), listener_(std::move(listener)) {
  set_live(self, true);
  members_[self_] = Member{std::move(self), 0, MemberState::kAlive, Instant{}, {}, {}};
}

const Member* Membership::find(const NodeId& id) const {
  const auto found = members_.find(id);
  return found == members_.end() ? nullptr : &found->second;
}

uint64_t Membership::digest() const {
  Digest digest;
  for (const auto& [id, member] : members_) {
    digest.add(id, member.incarnation, static_cast<uint64_t>(member.state));
  }
  return digest.value();
}

const Member* Membership::eldest() const {
  for (const Birth& birth : live_by_birth_) {
    const Member& member = members_.at(birth.node);
    if (works(member)) return &member;
  }
  return nullptr;
}

void Membership::set_live(const Profile& profile, bool live) {
  const bool changed = live ? live_by_birth_.insert(profile.birth()).second
                            : live_by_birth_.erase(profile.birth()) > 0;
  if (!changed || profile.role != Role::kArchivist) return;
  live ? ++archivists_ : --archivists_;
}

bool Membership::introduce(Instant now, const Profile& profile) {
  CHECK(profile.role != Role::kObserver);
  if (members_.contains(profile.id) || members_.size() >= kMembersMax) return false;
  Member& member = members_[profile.id];
  member = Member{profile, 0, MemberState::kAlive, now, {}, {}};
  set_live(profile, true);
  newcomers_.push(profile.id, profile);
  listener_(now, member, MemberChange::kJoined);
  return true;
}

bool Membership::receive(Instant now, const Statement& statement) {
  const auto found = members_.find(statement.subject);
  const Member* author = find(statement.author);
  if (found == members_.end() || author == nullptr) return false;
  Member& member = found->second;
  if (statement.incarnation > member.incarnation + kIncarnationJumpMax) return false;
  // Only its owner raises an incarnation: an accusation that does is a lie, or too early.
  const bool accuses =
      statement.state == MemberState::kSuspect || statement.state == MemberState::kDead;
  if (accuses && statement.incarnation > member.incarnation) {
    marks.accused_early.reach();
    return true;
  }
  const bool confirms = statement.state == MemberState::kSuspect &&
                        member.state == MemberState::kSuspect &&
                        statement.incarnation == member.incarnation;
  const bool newer =
      statement.incarnation > member.incarnation ||
      (statement.incarnation == member.incarnation && statement.state > member.state);
  if (!newer && !confirms) return true;
  // Rumours come many times, and a signature is verified in the time of a hundred of them.
  const auto suspicion = suspicions_.find(statement.subject);
  if (accuses && suspicion != suspicions_.end() &&
      suspicion->second.has_heard(statement.author, statement.refused)) {
    return true;
  }
  if (!verify_statement(crypto_, author->profile.key, statement)) return false;
  if (statement.subject == self_) {
    const bool accusation =
        statement.state == MemberState::kSuspect || statement.state == MemberState::kDead;
    if (accusation && member.state != MemberState::kLeft) refute(now, statement.incarnation);
    return true;
  }
  if (confirms) {
    confirm(now, member, statement);
    return true;
  }
  // No single accuser kills a live member: somebody else's "dead" counts here as a suspicion, and
  // this node's own clock decides.
  if (statement.state == MemberState::kDead) {
    if (member.state == MemberState::kAlive || statement.incarnation > member.incarnation) {
      set_state(now, member, statement.incarnation, MemberState::kSuspect, statement);
    } else {
      confirm(now, member, statement);
    }
    return true;
  }
  set_state(now, member, statement.incarnation, statement.state, statement);
  return true;
}

// What is new in an accusation is passed on: only together do the accusers shorten the wait.
void Membership::confirm(Instant now, Member& member, const Statement& accusation) {
  const auto found = suspicions_.find(member.profile.id);
  if (found == suspicions_.end()) return;
  if (!found->second.confirm(accusation.author, accusation.refused)) return;
  marks.confirmed.reach();
  if (accusation.state == MemberState::kSuspect) gossip_.push(accusation.subject, accusation);
  if (found->second.is_certain(self_, observers())) bury(now, member);
}

void Membership::accuse(Instant now, const NodeId& id, bool refused) {
  const auto found = members_.find(id);
  if (found == members_.end() || id == self_ || !takes_part(found->second.state)) return;
  Member& member = found->second;
  const Incarnation spoken = member.incarnation + (is_planted(Planted::kSpeaksForOthers) ? 1 : 0);
  const Statement accusation = make_statement(crypto_, id, spoken, MemberState::kSuspect, refused);
  if (member.state == MemberState::kAlive) {
    set_state(now, member, spoken, MemberState::kSuspect, accusation);
  } else {
    confirm(now, member, accusation);
  }
}

void Membership::excuse(Duration stall) {
  for (auto& [id, suspicion] : suspicions_) suspicion.excuse(stall);
}

// The verdict takes the place of the own suspicion among the rumours, so it carries its evidence.
void Membership::bury(Instant now, Member& member) {
  const NodeId& id = member.profile.id;
  const auto suspicion = suspicions_.find(id);
  const bool refused = suspicion != suspicions_.end() && suspicion->second.was_refused(self_);
  if (refused) marks.certain.reach();
  const Statement verdict =
      make_statement(crypto_, id, member.incarnation, MemberState::kDead, refused);
  set_state(now, member, member.incarnation, MemberState::kDead, verdict);
}

void Membership::leave(Instant now) {
  Member& me = members_.at(self_);
  if (me.state == MemberState::kLeft) return;
  me.state = MemberState::kLeft;
  me.since = now;
  set_live(me.profile, false);
  me.statement = make_statement(crypto_, self_, me.incarnation, MemberState::kLeft);
  gossip_.push(self_, me.statement);
}

bool Membership::shut_out(const NodeId& id) {
  const auto found = members_.find(id);
  return found != members_.end() && !std::exchange(found->second.shut_out, true);
}

void Membership::refute(Instant now, Incarnation at_least) {
  marks.refuted.reach();
  Member& me = members_.at(self_);
  me.incarnation = std::max(me.incarnation, at_least) + 1;
  me.since = now;
  me.statement = make_statement(crypto_, self_, me.incarnation, MemberState::kAlive);
  gossip_.push(self_, me.statement);
}

void Membership::set_state(Instant now, Member& member, Incarnation incarnation, MemberState state,
                           const Statement& statement) {
  const MemberState before = member.state;
  member.incarnation = incarnation;
  member.state = state;
  member.since = now;
  member.statement = statement;
  if (state == MemberState::kAlive) member.raised = statement;
  set_live(member.profile, takes_part(state));
  if (state == MemberState::kSuspect) {
    Suspicion suspicion(now, config_);
    suspicion.confirm(statement.author, statement.refused);
    suspicions_.insert_or_assign(member.profile.id, std::move(suspicion));
  } else {
    suspicions_.erase(member.profile.id);
  }
  gossip_.push(statement.subject, statement);
  switch (state) {
    case MemberState::kAlive:
      if (!takes_part(before)) marks.back.reach();
      listener_(now, member, takes_part(before) ? MemberChange::kCleared : MemberChange::kReturned);
      break;
    case MemberState::kSuspect:
      listener_(now, member, MemberChange::kSuspected);
      if (suspicions_.at(member.profile.id).is_certain(self_, observers())) bury(now, member);
      break;
    case MemberState::kDead:
      listener_(now, member, MemberChange::kDied);
      break;
    case MemberState::kLeft:
      listener_(now, member, MemberChange::kLeft);
      break;
  }
}

void Membership::advance(Instant now) {
  std::vector<NodeId> expired;
  for (const auto& [id, suspicion] : suspicions_) {
    if (suspicion.dead_at(observers()) <= now) expired.push_back(id);
  }
  for (const NodeId& id : expired) {
    marks.ran_out.reach();
    bury(now, members_.at(id));
  }
}

Instant Membership::next_deadline() const {
  Instant next = Instant::never();
  for (const auto& [id, suspicion] : suspicions_) {
    next = std::min(next, suspicion.dead_at(observers()));
  }
  return next;
}

}  // namespace dagz::mesh
