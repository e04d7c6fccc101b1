#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

// How many workers `--workers auto` means on this machine: a pure function of what
// sched/io/machine reads, and the parsers of the system's files.

namespace dagz::sched {

inline constexpr uint64_t kWorkerBytesGuess = uint64_t{512} << 20;  // until a worker was measured

// CPU time that a control group may use in each period.
struct CpuQuota {
  int64_t quota_us = 0;
  int64_t period_us = 0;
};

struct MachineFacts {
  uint32_t affinity_cpus = 0;                // 0: could not be read
  std::optional<CpuQuota> cpu_quota;         // the tightest of our control groups
  std::optional<uint64_t> memory_available;  // bytes, within our control groups
};

// At least 1. A part of a CPU counts as one: tests wait, too.
uint32_t auto_workers(const MachineFacts& facts, uint64_t worker_bytes = kWorkerBytesGuess);

// The one that allows less; nothing is no limit.
std::optional<CpuQuota> tighter(std::optional<CpuQuota> a, std::optional<CpuQuota> b);

// Version 2's cpu.max: "max 100000" (no limit) or "150000 100000".
std::optional<CpuQuota> parse_cpu_max(std::string_view text);
// Version 1's cpu.cfs_quota_us ("-1": no limit) and cpu.cfs_period_us.
std::optional<CpuQuota> parse_cfs(std::string_view quota, std::string_view period);
// memory.max or memory.limit_in_bytes; "max" and version 1's huge number are no limit.
std::optional<uint64_t> parse_memory_limit(std::string_view text);
// The number after `name` in lines such as "MemAvailable:  123 kB" or "inactive_file 456".
std::optional<uint64_t> parse_field(std::string_view text, std::string_view name);
// The path of a hierarchy in /proc/self/cgroup: `controller` "" is version 2's.
std::optional<std::string_view> parse_cgroup_path(std::string_view text,
                                                  std::string_view controller);

}  // namespace dagz::sched
