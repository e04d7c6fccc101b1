#include "sched/io/machine.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temporary_directory.hpp"

// The system's files, as machines, containers and both versions of control groups show them.

namespace {

using namespace dagz::sched;
namespace fs = std::filesystem;

class FakeRoot {
 public:
  void write(const std::string& path, const std::string& text) const {
    fs::create_directories(fs::path(root_.path + path).parent_path());
    std::ofstream(root_.path + path) << text;
  }
  MachineFacts read() const { return read_machine(root_.path); }

 private:
  dagz::test::TemporaryDirectory root_;
};

}  // namespace

TEST_CASE("machine: nothing readable is no limit", "[sched]") {
  const MachineFacts facts = FakeRoot().read();
  CHECK(facts.affinity_cpus >= 1);
  CHECK_FALSE(facts.cpu_quota);
  CHECK_FALSE(facts.memory_available);
}

TEST_CASE("machine: version 2, with the tightest of all ancestors", "[sched]") {
  const FakeRoot root;
  root.write("/proc/meminfo", "MemTotal: 100 kB\nMemAvailable: 90 kB\n");
  root.write("/proc/self/cgroup", "0::/a/b\n");
  root.write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  root.write("/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  root.write("/sys/fs/cgroup/a/b/memory.max", "50000\n");
  root.write("/sys/fs/cgroup/a/b/memory.current", "30000\n");
  root.write("/sys/fs/cgroup/a/b/memory.stat", "anon 5\ninactive_file 10000\n");
  root.write("/sys/fs/cgroup/a/memory.max", "max\n");
  const MachineFacts facts = root.read();
  REQUIRE(facts.cpu_quota);
  CHECK(facts.cpu_quota->quota_us == 150'000);
  CHECK(facts.memory_available == 30'000);
}

TEST_CASE("machine: version 1, where the path is that of the host", "[sched]") {
  const FakeRoot root;
  root.write("/proc/meminfo", "MemAvailable: 90 kB\n");
  root.write("/proc/self/cgroup", "4:memory:/docker/x\n2:cpu,cpuacct:/docker/x\n");
  root.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "200000\n");
  root.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  root.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  root.write("/sys/fs/cgroup/memory/memory.usage_in_bytes", "5\n");
  const MachineFacts facts = root.read();
  REQUIRE(facts.cpu_quota);
  CHECK(facts.cpu_quota->quota_us == 200'000);
  CHECK(facts.memory_available == 90 * 1024);
}

TEST_CASE("machine: this machine can run a worker", "[sched]") {
  const MachineFacts facts = read_machine();
  CHECK(facts.affinity_cpus >= 1);
  CHECK(facts.memory_available);
  CHECK(auto_workers(facts) >= 1);
  CHECK(auto_workers(facts) <= facts.affinity_cpus);
}
