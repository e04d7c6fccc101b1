#include "mesh/suspicion.hpp"

#include <algorithm>
#include <bit>

namespace dagz::mesh {
namespace {

// log2(value) in 1/256, by repeated squaring: the same on every platform.
int64_t log2_fixed(uint32_t value) {
  const auto whole = static_cast<int64_t>(std::bit_width(value)) - 1;
  uint64_t mantissa = (static_cast<uint64_t>(value) << 31) >> whole;  // [2^31, 2^32)
  int64_t result = whole << 8;
  for (int bit = 7; bit >= 0; --bit) {
    mantissa = (mantissa * mantissa) >> 31;
    if (mantissa >= uint64_t{1} << 32) {
      mantissa >>= 1;
      result += int64_t{1} << bit;
    }
  }
  return result;
}

}  // namespace

Duration suspicion_timeout(Duration min, Duration max, uint32_t confirmations, uint32_t wanted) {
  if (wanted == 0 || confirmations >= wanted) return min;
  const int64_t span = max.ns - min.ns;
  const int64_t part = span / log2_fixed(wanted + 1) * log2_fixed(confirmations + 1);
  return {std::max(min.ns, max.ns - part)};
}

bool Suspicion::confirm(const NodeId& accuser, bool refused) {
  const bool new_accuser = accusers_.insert(accuser).second;
  const bool new_refusal = refused && refused_.insert(accuser).second;
  return new_accuser || new_refusal;
}

Instant Suspicion::dead_at(std::size_t observers) const {
  // The first accuser is the suspicion itself, not a confirmation of it. Nobody waits for more
  // confirmations than there are others to give them.
  const auto confirmations = accusers_.empty() ? 0 : static_cast<uint32_t>(accusers_.size() - 1);
  const auto others = static_cast<uint32_t>(observers > 0 ? observers - 1 : 0);
  const uint32_t wanted = std::min(config_->suspicion_confirmations, others);
  return started_at_ +
         suspicion_timeout(config_->suspicion_min, config_->suspicion_max, confirmations, wanted);
}

bool Suspicion::is_certain(const NodeId& self, std::size_t observers) const {
  if (refused_.contains(self)) return refused_.size() >= std::min<std::size_t>(2, observers);
  return refused_.size() >= 3;
}

}  // namespace dagz::mesh
