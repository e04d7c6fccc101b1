#pragma once

#include <cstdint>

#include "mesh/profile.hpp"
#include "mesh/statement.hpp"
#include "mesh/time.hpp"

namespace dagz::mesh {

struct Member {
  Profile profile;
  Incarnation incarnation = 0;
  MemberState state = MemberState::kAlive;
  Instant since{};      // when it entered this state, here
  Statement statement;  // what put it there; zero while it is as introduced
};

inline bool takes_part(MemberState state) {
  return state == MemberState::kAlive || state == MemberState::kSuspect;
}

}  // namespace dagz::mesh
