#pragma once

#include <cstdint>
#include <vector>

#include "mesh/profile.hpp"
#include "mesh/statement.hpp"
#include "mesh/time.hpp"

namespace dagz::mesh {

struct Member {
  Profile profile;
  Incarnation incarnation = 0;
  MemberState state = MemberState::kAlive;
  Instant since{};        // when it entered this state, here
  Statement statement;    // what put it there; zero while it is as introduced
  Statement raised;       // its own word for its incarnation; zero while that is 0
  bool shut_out = false;  // it signed two different logs: nobody takes work from it
};

// All that somebody else needs who has missed it. An accusation alone would be refused by whoever
// has not heard of the incarnation that it accuses.
inline std::vector<Statement> statements_of(const Member& member) {
  std::vector<Statement> list;
  const bool accused = member.statement.author != member.statement.subject;
  if (accused && member.raised.incarnation == member.incarnation && member.incarnation > 0) {
    list.push_back(member.raised);
  }
  list.push_back(member.statement);
  return list;
}

inline bool takes_part(MemberState state) {
  return state == MemberState::kAlive || state == MemberState::kSuspect;
}

// Is here to run tests, and may schedule.
inline bool works(const Member& member) {
  return takes_part(member.state) && member.profile.role == Role::kVassal && !member.shut_out;
}

}  // namespace dagz::mesh
