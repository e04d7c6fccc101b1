#include "mesh/statement.hpp"

#include "mesh/archive.hpp"

namespace dagz::mesh {
namespace {

Buffer signed_part(const Statement& statement) {
  Buffer out;
  WireWriter writer(out);
  writer.write_bytes("member", 6);
  writer(statement.subject, statement.incarnation, statement.state, statement.refused,
         statement.author);
  return out;
}

}  // namespace

Statement make_statement(const Crypto& crypto, const NodeId& subject, Incarnation incarnation,
                         MemberState state, bool refused) {
  Statement statement{subject, incarnation, state, refused, crypto.node_id(), {}};
  statement.signature = crypto.sign(signed_part(statement));
  return statement;
}

bool verify_statement(const Crypto& crypto, const PublicKey& key, const Statement& statement) {
  if (statement.state > MemberState::kLeft) return false;
  const bool about_itself = statement.author == statement.subject;
  const bool accusation =
      statement.state == MemberState::kSuspect || statement.state == MemberState::kDead;
  if (about_itself == accusation) return false;
  if (statement.refused && !accusation) return false;
  return crypto.verify(key, signed_part(statement), statement.signature);
}

}  // namespace dagz::mesh
