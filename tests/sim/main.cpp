#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <vector>

#include "tests/sim/seeds.hpp"
#include "tests/sim/simulator.hpp"

// dagz_sim: the fixed set of seeds, a range of them, or one again. Exit codes for machines: 0 all
// held, 129 a check failed, 130 the same seed gave two different runs.

namespace {

using namespace dagz;

struct Totals {
  uint64_t runs = 0;
  uint64_t events = 0;
  uint64_t messages = 0;
  int64_t virtual_ms = 0;
};

int run_one(uint64_t seed, uint32_t nodes, bool verbose, bool twice, Totals& totals) {
  sim::Scenario scenario = sim::draw_scenario(seed, nodes);
  scenario.narrated = verbose;
  const sim::Outcome outcome = sim::simulate(scenario);
  ++totals.runs;
  totals.events += outcome.events;
  totals.messages += outcome.messages;
  totals.virtual_ms += outcome.virtual_time.ms();
  if (verbose || !outcome.violations.empty()) {
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed),
                sim::describe(scenario).c_str());
    std::printf(
        "  %llu events, %llu messages, %llu bytes, %.3f s, formed %.3f s, job %.3f s, "
        "ideal %.3f s, %u steals, trace %016llx\n",
        static_cast<unsigned long long>(outcome.events),
        static_cast<unsigned long long>(outcome.messages),
        static_cast<unsigned long long>(outcome.bytes), outcome.virtual_time.to_seconds(),
        outcome.formed_after.to_seconds(), outcome.job_time.to_seconds(),
        outcome.ideal.to_seconds(), outcome.steals, static_cast<unsigned long long>(outcome.trace));
  }
  if (!outcome.violations.empty()) {
    for (const std::string& violation : outcome.violations) {
      std::printf("  violated: %s\n", violation.c_str());
    }
    std::printf("  replay: ./dev sim --seed %llu --nodes %u\n",
                static_cast<unsigned long long>(seed), nodes);
    return 129;
  }
  scenario.narrated = false;
  if (twice && sim::simulate(scenario).trace != outcome.trace) {
    std::printf("seed %llu is not deterministic\n", static_cast<unsigned long long>(seed));
    return 130;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Simulates the mesh in virtual time");
  uint64_t seed = 0;
  uint64_t first = 1;
  uint64_t count = 0;
  uint32_t nodes = 0;
  app.add_option("--seed", seed, "Run this one, and say what happened");
  app.add_option("--first", first, "First seed of a range");
  app.add_option("--count", count, "How many seeds");
  app.add_option("--nodes", nodes, "Members of the mesh");
  CLI11_PARSE(app, argc, argv);

  const auto began = std::chrono::steady_clock::now();
  Totals totals;
  int worst = 0;
  if (seed != 0) {
    return run_one(seed, nodes == 0 ? 3 : nodes, true, true, totals);
  }
  struct Batch {
    uint32_t nodes;
    uint64_t seeds;
    uint64_t skipped = 0;  // seeds before the first of these
  };
  std::vector<Batch> batches{{1, 10, 0}, {2, 40, 0}, {3, 150, 0}, {5, 60, 0}, {30, 4, 0}};
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  // Sanitizers make the largest meshes take minutes; so does collecting there file by file, which
  // these seeds do not draw.
  batches.push_back({100, 1, 2});
#else
  batches.push_back({300, 1, 2});
#endif
  if (count == 0) {
    for (const sim::FoundSeed& found : sim::kFoundSeeds) {
      const int code = run_one(found.seed, found.nodes, false, false, totals);
      if (code == 0) continue;
      std::printf("  once found: %s\n", found.cause);
      worst = code;
    }
  }
  if (count > 0) batches = {{nodes == 0 ? 3 : nodes, count, 0}};
  for (const Batch& batch : batches) {
    for (uint64_t i = 0; i < batch.seeds; ++i) {
      // One run in twenty is run again: it must not differ.
      const bool twice = i % 20 == 0 && batch.nodes < 100;
      const int code = run_one(first + batch.skipped + i, batch.nodes, false, twice, totals);
      if (code != 0 && worst == 0) worst = code;
    }
  }
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - began;
  std::printf("%llu seeds, %.1f simulated minutes, %llu events, %llu messages in %.1f s\n",
              static_cast<unsigned long long>(totals.runs),
              static_cast<double>(totals.virtual_ms) / 60'000.0,
              static_cast<unsigned long long>(totals.events),
              static_cast<unsigned long long>(totals.messages), spent.count());
  return worst;
}
