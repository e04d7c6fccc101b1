#include "mesh/profile.hpp"

namespace dagz::mesh {
namespace {

Buffer statement_of(Profile& profile) {
  Buffer out;
  WireWriter writer(out);
  writer.write_bytes("profile", 7);
  profile.serialize_statement(writer);
  return out;
}

}  // namespace

void sign_profile(const Crypto& crypto, Profile& profile) {
  profile.key = crypto.public_key();
  profile.id = crypto.node_id();
  profile.endorsement = crypto.endorse(profile.key);
  profile.signature = crypto.sign(statement_of(profile));
}

bool verify_profile(const Crypto& crypto, Profile& profile) {
  return verify_own_profile(crypto, profile) &&
         crypto.verify(profile.key, statement_of(profile), profile.signature);
}

bool verify_own_profile(const Crypto& crypto, Profile& profile) {
  if (profile.workers > kWorkersMax || profile.role > Role::kObserver) return false;
  if (profile.endorsement != crypto.endorse(profile.key)) return false;
  profile.id = crypto.node_id_of(profile.key);
  return true;
}

}  // namespace dagz::mesh
