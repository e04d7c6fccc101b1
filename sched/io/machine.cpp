#include "sched/io/machine.hpp"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <functional>

namespace dagz::sched {
namespace {

constexpr int kCpusMax = 1 << 16;
constexpr std::size_t kFileMax = 1 << 16;

using Visit = std::function<void(const std::string& directory)>;

// Empty if there is no such file.
std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kFileMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

uint32_t affinity_cpus() {
  // The kernel refuses a set smaller than its own; nobody tells how large that is.
  for (int cpus = CPU_SETSIZE; cpus <= kCpusMax; cpus *= 2) {
    cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(cpus));
    if (set == nullptr) return 0;
    const std::size_t size = CPU_ALLOC_SIZE(static_cast<std::size_t>(cpus));
    const bool read = sched_getaffinity(0, size, set) == 0;
    const int count = read ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (read) return static_cast<uint32_t>(count);
  }
  return 0;
}

// The group's directory and all of its ancestors below `mount`. Inside a container the path may be
// that of the host, which is not there: the mount's root is then the container's own group.
void for_each_ancestor(const std::string& mount, std::string_view path, const Visit& visit) {
  std::string rest(path);
  for (;;) {
    while (rest.ends_with('/')) rest.pop_back();
    visit(mount + rest);
    if (rest.empty()) return;
    rest.resize(rest.find_last_of('/') == std::string::npos ? 0 : rest.find_last_of('/'));
  }
}

void consider_memory(MachineFacts& facts, std::optional<uint64_t> limit, const std::string& used,
                     std::optional<uint64_t> reclaimable) {
  const std::optional<uint64_t> used_bytes = parse_memory_limit(used);
  if (!limit || !used_bytes) return;
  const uint64_t busy = *used_bytes - std::min(*used_bytes, reclaimable.value_or(0));
  const uint64_t left = *limit - std::min(*limit, busy);
  facts.memory_available = std::min(facts.memory_available.value_or(left), left);
}

void read_version_2(MachineFacts& facts, const std::string& mount, std::string_view path) {
  for_each_ancestor(mount, path, [&facts](const std::string& group) {
    facts.cpu_quota = tighter(facts.cpu_quota, parse_cpu_max(read_file(group + "/cpu.max")));
    consider_memory(facts, parse_memory_limit(read_file(group + "/memory.max")),
                    read_file(group + "/memory.current"),
                    parse_field(read_file(group + "/memory.stat"), "inactive_file"));
  });
}

void read_version_1_cpu(MachineFacts& facts, const std::string& mount, std::string_view path) {
  for_each_ancestor(mount, path, [&facts](const std::string& group) {
    facts.cpu_quota = tighter(facts.cpu_quota, parse_cfs(read_file(group + "/cpu.cfs_quota_us"),
                                                         read_file(group + "/cpu.cfs_period_us")));
  });
}

void read_version_1_memory(MachineFacts& facts, const std::string& mount, std::string_view path) {
  for_each_ancestor(mount, path, [&facts](const std::string& group) {
    consider_memory(facts, parse_memory_limit(read_file(group + "/memory.limit_in_bytes")),
                    read_file(group + "/memory.usage_in_bytes"),
                    parse_field(read_file(group + "/memory.stat"), "total_inactive_file"));
  });
}

}  // namespace

MachineFacts read_machine(const std::string& root) {
  MachineFacts facts;
  facts.affinity_cpus = affinity_cpus();
  if (auto kib = parse_field(read_file(root + "/proc/meminfo"), "MemAvailable")) {
    facts.memory_available = *kib * 1024;
  }
  const std::string groups = read_file(root + "/proc/self/cgroup");
  const std::string mount = root + "/sys/fs/cgroup";
  if (const auto path = parse_cgroup_path(groups, "")) {
    read_version_2(facts, mount, *path);
    read_version_2(facts, mount + "/unified", *path);  // beside version 1
  }
  if (const auto path = parse_cgroup_path(groups, "cpu")) {
    for (const char* name : {"/cpu", "/cpu,cpuacct"})
      read_version_1_cpu(facts, mount + name, *path);
  }
  if (const auto path = parse_cgroup_path(groups, "memory")) {
    read_version_1_memory(facts, mount + "/memory", *path);
  }
  return facts;
}

}  // namespace dagz::sched
