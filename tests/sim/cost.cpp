#include "tests/sim/cost.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "tests/sim/sweep.hpp"
#include "tests/sim/world.hpp"

namespace dagz::sim {
namespace {

constexpr Instant kFrom = Instant{} + Duration::seconds(20);
constexpr Duration kFor = Duration::seconds(30);

Scenario quiet(uint32_t nodes) {
  Scenario scenario;
  scenario.nodes = nodes;
  scenario.workers_max = 1;
  scenario.suite = {nodes, Duration::seconds(600), 0, 0, 0, 0, 0, {}};
  return scenario;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Of this process now, in bytes.
double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double pages = 0;
  file >> pages >> pages;
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

}  // namespace

int print_cost(const std::vector<uint32_t>& sizes) {
  std::printf(
      "| nodes | messages a node and second | bytes a node and second | busiest sender |\n");
  std::printf("|---|---|---|---|\n");
  for (const uint32_t nodes : sizes) {
    World world(quiet(nodes));
    while (world.now() < kFrom && world.step()) continue;
    const Outcome before = world.outcome();
    const std::vector<uint64_t> sent_before = world.bytes_sent();
    while (world.now() < kFrom + kFor && world.step()) continue;
    const Outcome after = world.outcome();
    uint64_t busiest = 0;
    for (std::size_t i = 0; i < sent_before.size(); ++i) {
      busiest = std::max(busiest, world.bytes_sent()[i] - sent_before[i]);
    }
    const double node_seconds = nodes * kFor.to_seconds();
    std::printf("| %u | %.1f | %.0f | %.0f |\n", nodes,
                static_cast<double>(after.messages - before.messages) / node_seconds,
                static_cast<double>(after.bytes - before.bytes) / node_seconds,
                static_cast<double>(busiest) / kFor.to_seconds());
    std::fflush(stdout);
  }
  return 0;
}

int print_scale(uint64_t tests) {
  std::printf("| nodes | tests | CPU s | microseconds a test | bytes of memory a test and node | ");
  std::printf("bytes sent a test |\n|---|---|---|---|---|---|\n");
  for (const uint32_t nodes : {1U, 2U}) {
    Scenario scenario;
    scenario.nodes = nodes;
    scenario.suite = {tests, Duration::milliseconds(2), 0, 0, 0, 0, 0, {}};
    scenario.give_up_after = Duration::seconds(1'000'000);
    World world(scenario);
    const double before = resident_bytes();
    const double began = cpu_seconds();
    double most = before;
    for (uint64_t events = 0; world.step(); ++events) {
      if (events % 65'536 == 0) most = std::max(most, resident_bytes());
    }
    const double spent = cpu_seconds() - began;
    most = std::max(most, resident_bytes());
    const Outcome outcome = world.outcome();
    const auto count = static_cast<double>(tests);
    std::printf("| %u | %.0f | %.1f | %.1f | %.0f | %.0f |\n", nodes, count, spent,
                spent * 1e6 / count, (most - before) / count / nodes,
                static_cast<double>(outcome.bytes) / count);
    std::fflush(stdout);
    if (world.timed_out()) return kViolated;
  }
  return 0;
}

}  // namespace dagz::sim
