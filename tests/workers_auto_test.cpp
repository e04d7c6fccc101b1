#include "sched/workers_auto.hpp"

#include <catch2/catch.hpp>

// How many workers a machine is good for, and how the system's files say so.

namespace {

using namespace dagz::sched;

constexpr uint64_t kGiB = uint64_t{1} << 30;

uint32_t workers(uint32_t cpus, std::optional<CpuQuota> quota, std::optional<uint64_t> memory,
                 uint64_t worker_bytes = kWorkerBytesGuess) {
  return auto_workers({cpus, quota, memory}, worker_bytes);
}

bool is(const std::optional<CpuQuota>& quota, int64_t quota_us, int64_t period_us) {
  return quota && quota->quota_us == quota_us && quota->period_us == period_us;
}

}  // namespace

TEST_CASE("workers auto: the tightest of CPUs, quota and memory decides", "[sched]") {
  CHECK(workers(8, {}, {}) == 8);
  CHECK(workers(8, CpuQuota{200'000, 100'000}, {}) == 2);
  CHECK(workers(8, CpuQuota{250'000, 100'000}, {}) == 3);
  CHECK(workers(2, CpuQuota{900'000, 100'000}, {}) == 2);
  CHECK(workers(8, {}, 2 * kGiB) == 4);
  CHECK(workers(8, {}, 2 * kGiB, kGiB) == 2);
  CHECK(workers(64, CpuQuota{1'600'000, 100'000}, 5 * kGiB) == 10);
}

TEST_CASE("workers auto: there is always one, and never an army", "[sched]") {
  CHECK(workers(0, {}, {}) == 1);
  CHECK(workers(8, CpuQuota{1'000, 100'000}, {}) == 1);
  CHECK(workers(8, {}, 0) == 1);
  CHECK(workers(8, {}, kGiB, 0) == 8);
  CHECK(workers(100'000, {}, {}) == 1'024);
}

TEST_CASE("workers auto: CPU quotas of both versions of control groups", "[sched]") {
  CHECK(is(parse_cpu_max("150000 100000\n"), 150'000, 100'000));
  CHECK(is(parse_cfs("200000\n", "100000\n"), 200'000, 100'000));
  for (const char* text : {"max 100000\n", "", "5", "0 100000", "-5 100000", "5 0", "5 x", "x 5",
                           "5 99999999999999999999"}) {
    CHECK_FALSE(parse_cpu_max(text));
  }
  CHECK_FALSE(parse_cfs("-1\n", "100000\n"));
  CHECK_FALSE(parse_cfs("", ""));
}

TEST_CASE("workers auto: the tighter quota is the smaller share", "[sched]") {
  const CpuQuota half{50'000, 100'000};
  const CpuQuota third{10'000, 30'000};
  CHECK(is(tighter(half, third), 10'000, 30'000));
  CHECK(is(tighter(third, half), 10'000, 30'000));
  CHECK(is(tighter(half, {}), 50'000, 100'000));
  CHECK(is(tighter({}, half), 50'000, 100'000));
  CHECK_FALSE(tighter({}, {}));
  const CpuQuota huge{INT64_MAX, 1};
  CHECK(is(tighter(huge, half), 50'000, 100'000));
}

TEST_CASE("workers auto: memory limits and fields", "[sched]") {
  CHECK(parse_memory_limit("1048576\n") == 1'048'576);
  CHECK_FALSE(parse_memory_limit("max\n"));
  CHECK_FALSE(parse_memory_limit("9223372036854771712\n"));
  CHECK_FALSE(parse_memory_limit(""));
  const std::string_view meminfo =
      "MemTotal:  100 kB\nMemAvailable:    42 kB\nMemAvailableX: 7 kB\n";
  CHECK(parse_field(meminfo, "MemAvailable") == 42);
  CHECK(parse_field("inactive_file 5\ntotal_inactive_file 6\n", "total_inactive_file") == 6);
  CHECK_FALSE(parse_field(meminfo, "Mem"));
  CHECK_FALSE(parse_field("MemAvailable: lots", "MemAvailable"));
  CHECK_FALSE(parse_field("", "x"));
}

TEST_CASE("workers auto: the group of a controller", "[sched]") {
  const std::string_view text =
      "9:name=systemd:/\n4:memory:/a/b\n2:cpu,cpuacct:/c:d\n0::/unified\n";
  CHECK(parse_cgroup_path(text, "memory") == "/a/b");
  CHECK(parse_cgroup_path(text, "cpu") == "/c:d");
  CHECK(parse_cgroup_path(text, "cpuacct") == "/c:d");
  CHECK(parse_cgroup_path(text, "") == "/unified");
  CHECK_FALSE(parse_cgroup_path(text, "pids"));
  CHECK_FALSE(parse_cgroup_path("garbage\n4:\n\n", "cpu"));
}
