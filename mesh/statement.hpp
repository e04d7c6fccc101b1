#pragma once

#include <cstdint>

#include "mesh/crypto.hpp"
#include "mesh/ids.hpp"

// One signed sentence about a member. "Alive" and "left" are believed only from the subject itself;
// "suspect" and "dead" name their accuser.

namespace dagz::mesh {

// Raised by its owner alone, to refute a suspicion.
using Incarnation = uint64_t;
// A statement may raise an incarnation by this much at the most: one forged or broken message
// cannot use the numbers up.
inline constexpr Incarnation kIncarnationJumpMax = 1 << 16;

// At equal incarnation the later state wins.
enum class MemberState : uint8_t { kAlive = 0, kSuspect = 1, kDead = 2, kLeft = 3 };

struct Statement {
  NodeId subject;
  Incarnation incarnation = 0;
  MemberState state = MemberState::kAlive;
  // Of an accusation: its author's link to the subject broke, and the redial was refused. Several
  // such are certain death.
  bool refused = false;
  NodeId author;
  Signature signature;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(subject, incarnation, state, refused, author, signature);
  }
};

Statement make_statement(const Crypto& crypto, const NodeId& subject, Incarnation incarnation,
                         MemberState state, bool refused = false);

// `key` is the author's.
bool verify_statement(const Crypto& crypto, const PublicKey& key, const Statement& statement);

}  // namespace dagz::mesh
