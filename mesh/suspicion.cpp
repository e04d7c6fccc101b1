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

Instant Suspicion::dead_at() const {
  // The first accuser is the suspicion itself, not a confirmation of it.
  const auto confirmations = accusers_.empty() ? 0 : static_cast<uint32_t>(accusers_.size() - 1);
  return started_at_ + suspicion_timeout(config_->suspicion_min, config_->suspicion_max,
                                         confirmations, config_->suspicion_confirmations);
}

}  // namespace dagz::mesh
