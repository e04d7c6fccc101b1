#include "sched/workers_auto.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace dagz::sched {
namespace {

constexpr uint64_t kWorkersMax = 1024;
constexpr int64_t kPeriodMaxUs = 1'000'000;  // the kernel's own bound
// Version 1 says "no limit" as the largest multiple of the page size.
constexpr uint64_t kNoMemoryLimit = uint64_t{1} << 60;

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

template <class Number>
std::optional<Number> to_number(std::string_view text) {
  text = trim(text);
  Number value{};
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

std::optional<CpuQuota> checked(std::optional<int64_t> quota, std::optional<int64_t> period) {
  if (!quota || !period || *quota <= 0 || *period <= 0 || *period > kPeriodMaxUs) {
    return std::nullopt;
  }
  return CpuQuota{*quota, *period};
}

uint64_t whole_cpus(const CpuQuota& quota) {
  return static_cast<uint64_t>(quota.quota_us / quota.period_us +
                               (quota.quota_us % quota.period_us != 0 ? 1 : 0));
}

}  // namespace

uint32_t auto_workers(const MachineFacts& facts, uint64_t worker_bytes) {
  uint64_t workers = facts.affinity_cpus == 0 ? 1 : facts.affinity_cpus;
  if (facts.cpu_quota) workers = std::min(workers, whole_cpus(*facts.cpu_quota));
  if (facts.memory_available && worker_bytes > 0) {
    workers = std::min(workers, *facts.memory_available / worker_bytes);
  }
  return static_cast<uint32_t>(std::clamp<uint64_t>(workers, 1, kWorkersMax));
}

std::optional<CpuQuota> tighter(std::optional<CpuQuota> a, std::optional<CpuQuota> b) {
  if (!a || !b) return a ? a : b;
  // Cross-multiplied in 128 bits: quotas may be any number that the file held.
  __extension__ using Wide = __int128;
  return Wide{a->quota_us} * b->period_us <= Wide{b->quota_us} * a->period_us ? a : b;
}

std::optional<CpuQuota> parse_cpu_max(std::string_view text) {
  text = trim(text);
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  return checked(to_number<int64_t>(text.substr(0, space)), to_number<int64_t>(text.substr(space)));
}

std::optional<CpuQuota> parse_cfs(std::string_view quota, std::string_view period) {
  return checked(to_number<int64_t>(quota), to_number<int64_t>(period));
}

std::optional<uint64_t> parse_memory_limit(std::string_view text) {
  const std::optional<uint64_t> limit = to_number<uint64_t>(text);
  if (limit && *limit >= kNoMemoryLimit) return std::nullopt;
  return limit;
}

std::optional<uint64_t> parse_field(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (!line.starts_with(name)) continue;
    line.remove_prefix(name.size());
    if (line.empty() || (line.front() != ':' && line.front() != ' ')) continue;
    line = trim(line.substr(1));
    return to_number<uint64_t>(line.substr(0, line.find(' ')));
  }
  return std::nullopt;
}

std::optional<std::string_view> parse_cgroup_path(std::string_view text,
                                                  std::string_view controller) {
  while (!text.empty()) {
    const std::string_view line = take_line(text);  // "4:cpu,cpuacct:/path" or "0::/path"
    const std::size_t first = line.find(':');
    if (first == std::string_view::npos) continue;
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    std::string_view names = line.substr(first + 1, second - first - 1);
    if (controller.empty()) {
      if (names.empty()) return line.substr(second + 1);
      continue;
    }
    while (!names.empty()) {
      const std::string_view name = names.substr(0, names.find(','));
      names.remove_prefix(std::min(names.size(), name.size() + 1));
      if (name == controller) return line.substr(second + 1);
    }
  }
  return std::nullopt;
}

}  // namespace dagz::sched
