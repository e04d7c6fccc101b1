#include "tests/sim/simulator.hpp"

#include <algorithm>

#include "tests/sim/checkers.hpp"
#include "tests/sim/world.hpp"

namespace dagz::sim {

Scenario draw_scenario(uint64_t seed, uint32_t nodes) {
  Rng rng(seed * 0x9e37'79b9 + nodes);
  Scenario scenario;
  scenario.seed = seed;
  scenario.nodes = nodes;
  scenario.workers_max = static_cast<uint32_t>(rng.between(1, 4));
  scenario.suite.tests = static_cast<std::size_t>(rng.between(1, nodes > 100 ? 900 : 400));
  scenario.suite.mean = Duration::milliseconds(rng.between(1, 200));
  // Swarm: each kind of fault is off in a good part of the runs.
  Faults& faults = scenario.faults;
  if (rng.chance(2, 3)) faults.loss_permille = static_cast<uint32_t>(rng.between(1, 60));
  if (rng.chance(1, 2)) faults.duplicate_permille = static_cast<uint32_t>(rng.between(1, 100));
  if (rng.chance(1, 2)) faults.damage_permille = static_cast<uint32_t>(rng.between(1, 20));
  if (rng.chance(1, 2)) faults.delay_max = Duration::milliseconds(rng.between(1, 60));
  scenario.starts_within = Duration::milliseconds(rng.chance(1, 3) ? rng.between(0, 5000) : 200);
  if (rng.chance(1, 3)) {
    scenario.leavers = static_cast<uint32_t>(rng.below(std::max<uint32_t>(1, nodes / 3) + 1));
  }
  scenario.chain_discovery = nodes <= 30 && rng.chance(1, 4);
  return scenario;
}

std::string describe(const Scenario& s) {
  std::string text = "nodes=" + std::to_string(s.nodes) +
                     " workers<=" + std::to_string(s.workers_max) +
                     " tests=" + std::to_string(s.suite.tests) +
                     " mean=" + std::to_string(s.suite.mean.ms()) + "ms";
  text += " loss=" + std::to_string(s.faults.loss_permille) + "/1000";
  text += " duplicate=" + std::to_string(s.faults.duplicate_permille) + "/1000";
  text += " damage=" + std::to_string(s.faults.damage_permille) + "/1000";
  text += " delay<=" + std::to_string(s.faults.delay_max.us()) + "us";
  text += " starts<=" + std::to_string(s.starts_within.ms()) + "ms";
  text += " leavers=" + std::to_string(s.leavers);
  if (s.chain_discovery) text += " chain";
  return text;
}

Outcome simulate(const Scenario& scenario) {
  World world(scenario);
  Checkers checkers(scenario);
  while (world.step()) {
    if (world.just_touched() != nullptr) checkers.after_event(world, *world.just_touched());
    if (checkers.failed()) break;
  }
  checkers.at_the_end(world);
  Outcome outcome = world.outcome();
  outcome.violations = checkers.violations();
  return outcome;
}

}  // namespace dagz::sim
