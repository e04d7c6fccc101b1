#include "mesh/claim.hpp"

namespace dagz::mesh {

bool is_better(const Claim& claim, const Claim& than) {
  if (!than.exists()) return claim.exists();
  if (!claim.exists()) return false;
  if (claim.lineage != than.lineage) return claim.lineage < than.lineage;
  if (claim.term != than.term) return claim.term > than.term;
  return claim.scheduler < than.scheduler;
}

bool is_stale(const Claim& claim, const Claim& accepted) {
  return claim != accepted && is_better(accepted, claim);
}

}  // namespace dagz::mesh
