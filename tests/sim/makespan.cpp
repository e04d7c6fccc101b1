#include "tests/sim/makespan.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/sim/sweep.hpp"
#include "tests/sim/world.hpp"

namespace dagz::sim {
namespace {

bool read_suite(const std::string& name, GivenSuite& given) {
  std::ifstream input(name);
  for (std::string line; std::getline(input, line);) {
    std::istringstream fields(line);
    SuiteFile& file = given.suite.files.emplace_back();
    int64_t setup = 0;
    int64_t import = 0;
    fields >> file.path >> setup >> import >> file.bytes;
    file.setup = Duration::microseconds(setup);
    file.import = Duration::microseconds(import);
    bool is_known = false;
    uint32_t times_usual = 1;
    uint32_t function = 0;
    for (int64_t took = 0, known = 0; fields >> took >> known >> times_usual >> function;) {
      SuiteTest& test = file.tests.emplace_back();
      test.id = file.path + "::" + std::to_string(function) + "[" +
                std::to_string(file.tests.size()) + "]";
      test.duration = Duration::microseconds(took);
      test.times_usual = times_usual;
      test.outcomes = {report::Outcome::kPassed};
      if (known <= 0) continue;
      given.known.push_back({test.id, Duration::microseconds(known)});
      is_known = true;
    }
    if (setup > 0 && is_known) given.known.push_back({file.path, file.setup});
  }
  return given.suite.size() > 0;
}

Duration seconds(double value) { return Duration{static_cast<int64_t>(value * 1e9)}; }

// A test is shown as long if it takes at least this part of the whole.
constexpr int64_t kLongPart = 16;

double ms(Duration duration) { return duration.to_seconds() * 1000; }

// For each worker when it began and ended, how long it was idle in between, its last tests, and
// when its long ones began.
void print_timeline(const World& world) {
  std::map<std::pair<uint32_t, sched::Slot>, std::vector<World::Run>> workers;
  for (const World::Run& run : world.runs()) workers[{run.process, run.slot}].push_back(run);
  const Instant zero = world.first_test_began();
  for (const auto& [worker, runs] : workers) {
    Duration busy;
    Duration longest_gap;
    Instant gap_at;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      busy += runs[i].took;
      if (i == 0) continue;
      const Duration gap = runs[i].began - (runs[i - 1].began + runs[i - 1].took);
      if (gap <= longest_gap) continue;
      longest_gap = gap;
      gap_at = runs[i].began;
    }
    const Instant end = runs.back().began + runs.back().took;
    std::printf(
        "  %u.%u: %zu tests, %.0f to %.0f ms, idle %.0f ms (%.0f until %.0f), last:", worker.first,
        worker.second, runs.size(), ms(runs.front().began - zero), ms(end - zero),
        ms(end - runs.front().began - busy), ms(longest_gap), ms(gap_at - zero));
    for (std::size_t i = runs.size() - std::min<std::size_t>(3, runs.size()); i < runs.size();
         ++i) {
      std::printf(" %.0f", ms(runs[i].took));
    }
    std::printf(", long:");
    for (const World::Run& run : runs) {
      if (run.took * kLongPart < world.last_test_ended() - zero) continue;
      std::printf(" %.0f at %.0f", ms(run.took), ms(run.began - zero));
    }
    std::printf("\n");
  }
}

}  // namespace

int print_makespan(const MakespanOptions& options) {
  GivenSuite given;
  given.workers_each = options.workers_each;
  given.speeds = options.speeds;
  given.measured.resize(given.speeds.size());
  for (std::size_t i = 0; i < std::min(options.measured.size(), given.measured.size()); ++i) {
    given.measured[i] = static_cast<uint32_t>(options.measured[i] * 1000);
  }
  if (!read_suite(options.durations, given)) {
    std::fprintf(stderr, "%s holds no durations\n", options.durations.c_str());
    return 2;
  }
  Scenario scenario;
  scenario.nodes = static_cast<uint32_t>(options.speeds.size());
  scenario.given = &given;
  const auto& files = given.suite.files;
  scenario.shared = std::any_of(files.begin(), files.end(),
                                [](const SuiteFile& file) { return file.import.ns > 0; });
  scenario.starts_within = Duration{};
  scenario.give_up_after = Duration::seconds(10'000'000);
  for (const double start : options.starts) given.starts.push_back(Instant{} + seconds(start));
  for (std::size_t i = 0; i < options.deaths.size(); ++i) {
    if (options.deaths[i] <= 0) continue;
    scenario.faults.crashes.push_back(
        {static_cast<uint32_t>(i), Instant{} + seconds(options.deaths[i]), std::nullopt});
  }
  World world(scenario);
  while (world.step()) continue;
  const std::size_t dead = scenario.faults.crashes.size();
  if (world.timed_out() || dead >= options.speeds.size()) return kViolated;
  const Outcome outcome = world.outcome();
  std::printf("%.6f %u\n", (world.last_test_ended() - world.first_test_began()).to_seconds(),
              outcome.steals);
  if (options.timeline) print_timeline(world);
  return 0;
}

}  // namespace dagz::sim
