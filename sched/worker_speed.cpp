#include "sched/worker_speed.hpp"

#include <algorithm>

namespace dagz::sched {

uint32_t worker_speed(uint32_t core_speed, const MachineFacts& facts, uint32_t workers) {
  if (core_speed == 0 || workers == 0) return core_speed;
  const double wanted = workers;
  double cpus = wanted;
  if (facts.affinity_cpus > 0) cpus = std::min<double>(cpus, facts.affinity_cpus);
  if (facts.cpu_quota && facts.cpu_quota->quota_us > 0 && facts.cpu_quota->period_us > 0) {
    const auto quota = static_cast<double>(facts.cpu_quota->quota_us);
    cpus = std::min(cpus, quota / static_cast<double>(facts.cpu_quota->period_us));
  }
  return std::max(1U, static_cast<uint32_t>(core_speed * (cpus / wanted)));
}

}  // namespace dagz::sched
