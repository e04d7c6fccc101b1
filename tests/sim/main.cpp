#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <vector>

#include "tests/sim/cost.hpp"
#include "tests/sim/makespan.hpp"
#include "tests/sim/planting.hpp"
#include "tests/sim/seeds.hpp"
#include "tests/sim/sweep.hpp"

// dagz_sim: the fixed set of seeds, a range of them, new ones for a while, or one again. Exit code
// 0: all held; else see sweep.hpp.

namespace {

using namespace dagz;
using Clock = std::chrono::steady_clock;

struct Settings {
  uint64_t seed = 0;
  uint64_t first = 0;
  uint64_t count = 0;
  uint32_t nodes = 0;
  uint32_t meshes = 0;
  double seconds = 0;
  uint32_t processes = 1;
  std::string plant;
  std::vector<uint32_t> cost;
  uint64_t scale = 0;
  sim::MakespanOptions makespan;
};

// The largest first, so that no process is left with it alone.
std::vector<sim::Task> fixed_set() {
  struct Batch {
    uint32_t nodes;
    uint64_t seeds;
    uint64_t skipped = 0;  // seeds before the first of these
  };
#ifdef DAGZ_SANITIZED
  // Sanitizers make the largest meshes take minutes; so does collecting there file by file, which
  // these seeds do not draw.
  constexpr Batch kLargest{100, 1, 2};
#else
  constexpr Batch kLargest{300, 1, 2};
#endif
  std::vector<sim::Task> tasks;
  for (const Batch& batch :
       {kLargest, Batch{30, 4}, Batch{5, 60}, Batch{3, 150}, Batch{2, 40}, Batch{1, 10}}) {
    for (uint64_t i = 0; i < batch.seeds; ++i) {
      // One run in twenty is run again: it must not differ.
      const bool twice = i % 20 == 0 && batch.nodes < 100;
      tasks.push_back({1 + batch.skipped + i, batch.nodes, twice});
    }
  }
  for (const sim::FoundSeed& found : sim::found_seeds()) {
    tasks.push_back({found.seed, found.nodes, false});
  }
  return tasks;
}

// Small meshes find most bugs, and are cheap; one run in sixteen is a large one.
uint32_t size_of(uint64_t n) {
  constexpr std::array<uint32_t, 16> kSizes{3, 5, 2, 3, 8, 5, 3, 4, 2, 5, 3, 8, 6, 3, 5, 30};
  return kSizes[n % kSizes.size()];
}

sim::Tasks tasks_of(const Settings& settings) {
  if (settings.seconds > 0) {
    const auto until = Clock::now() + std::chrono::duration<double>(settings.seconds);
    const uint64_t first =
        settings.first > 0 ? settings.first : static_cast<uint64_t>(std::time(nullptr)) * 1000;
    return [=, nodes = settings.nodes,
            meshes = settings.meshes](uint64_t n) -> std::optional<sim::Task> {
      if (Clock::now() >= until) return std::nullopt;
      return sim::Task{first + n, nodes > 0 ? nodes : size_of(n), n % 20 == 0, meshes};
    };
  }
  if (settings.count > 0) {
    return [=](uint64_t n) -> std::optional<sim::Task> {
      if (n >= settings.count) return std::nullopt;
      return sim::Task{std::max<uint64_t>(1, settings.first) + n,
                       settings.nodes > 0 ? settings.nodes : size_of(n), n % 20 == 0,
                       settings.meshes};
    };
  }
  return [fixed = fixed_set()](uint64_t n) -> std::optional<sim::Task> {
    if (n >= fixed.size()) return std::nullopt;
    return fixed[n];
  };
}

void print(const sim::Totals& totals, double seconds, bool in_full) {
  std::printf("%llu seeds, %.1f simulated hours, %llu events, %llu messages in %.1f s\n",
              static_cast<unsigned long long>(totals.runs),
              static_cast<double>(totals.virtual_ms) / 3'600'000.0,
              static_cast<unsigned long long>(totals.events),
              static_cast<unsigned long long>(totals.messages), seconds);
  if (!in_full) return;
  std::printf("%.1f seeds and %.1f simulated node-hours a second\n",
              static_cast<double>(totals.runs) / seconds,
              static_cast<double>(totals.node_ms) / 3'600'000.0 / seconds);
  std::printf("faults:\n");
  for (const auto& [name, count] : totals.faults) {
    std::printf("  %12llu  %s\n", static_cast<unsigned long long>(count), name.c_str());
  }
  const auto reached = std::count_if(totals.marks.begin(), totals.marks.end(),
                                     [](const auto& mark) { return mark.second > 0; });
  std::printf("marks: %td of %zu reached\n", reached, totals.marks.size());
  for (const auto& [name, count] : totals.marks) {
    std::printf("  %12llu  %s\n", static_cast<unsigned long long>(count), name.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Simulates the mesh in virtual time; without options: the fixed set of seeds");
  Settings settings;
  settings.processes = static_cast<uint32_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  app.add_option("--seed", settings.seed, "Run this one, and say what happened");
  app.add_option("--for", settings.seconds, "Run new seeds for so many seconds");
  app.add_option("--first", settings.first, "First seed of a range");
  app.add_option("--count", settings.count, "How many seeds");
  app.add_option("--nodes", settings.nodes, "How many in all");
  app.add_option("--meshes", settings.meshes, "To so many runs they belong, which must not meet");
  app.add_option("--processes", settings.processes, "How many at once")->check(CLI::Range(1, 256));
  app.add_option("--plant", settings.plant,
                 "Plant this bug, or each in turn ('all'), and look whether it is found");
  app.add_option("--cost", settings.cost,
                 "What the mesh costs when nothing happens, at these sizes (8,32,128,512)")
      ->delimiter(',');
  app.add_option("--scale", settings.scale, "What so many tests cost");
  app.add_option("--makespan", settings.makespan.durations,
                 "How long a mesh takes for the suite in this file (tests/sim/makespan.hpp)");
  app.add_option("--workers", settings.makespan.workers_each, "Of each node, for --makespan");
  app.add_option("--speeds", settings.makespan.speeds, "Of each node, for --makespan")
      ->delimiter(',');
  app.add_option("--measured", settings.makespan.measured,
                 "What each node takes its speed for, for --makespan")
      ->delimiter(',');
  app.add_option("--starts", settings.makespan.starts, "Of each node, in seconds, for --makespan")
      ->delimiter(',');
  app.add_option("--deaths", settings.makespan.deaths, "Of each node, for --makespan; 0: never")
      ->delimiter(',');
  app.add_flag("--timeline", settings.makespan.timeline, "When workers were idle, for --makespan");
  CLI11_PARSE(app, argc, argv);

  if (!settings.cost.empty()) return sim::print_cost(settings.cost);
  if (settings.scale > 0) return sim::print_scale(settings.scale);
  if (!settings.makespan.durations.empty()) return sim::print_makespan(settings.makespan);
  if (!settings.plant.empty()) return sim::plant(settings.plant);
  const auto began = Clock::now();
  if (settings.seed != 0) {
    sim::Totals totals;
    return run_task({settings.seed, settings.nodes == 0 ? 3 : settings.nodes, settings.nodes < 1000,
                     settings.meshes},
                    true, totals);
  }
  const sim::Totals totals = sim::sweep(tasks_of(settings), settings.processes);
  const std::chrono::duration<double> spent = Clock::now() - began;
  print(totals, spent.count(), settings.seconds > 0 || settings.count > 0);
  return totals.worst;
}
