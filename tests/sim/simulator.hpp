#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "mesh/rng.hpp"
#include "node.hpp"
#include "tests/sim/fake_runner.hpp"
#include "tests/sim/suite.hpp"
#include "tests/support/fake_crypto.hpp"

// A whole mesh in one thread and virtual time, drawn from a seed. Every message is encoded, signed,
// carried as bytes (delayed, lost, doubled, reordered, damaged) and decoded. The same seed gives
// the same run, event for event.

namespace dagz::sim {

struct Faults {
  uint32_t loss_permille = 0;
  uint32_t duplicate_permille = 0;
  uint32_t damage_permille = 0;
  Duration delay_min = Duration::microseconds(100);
  Duration delay_max = Duration::milliseconds(1);
};

struct Scenario {
  uint64_t seed = 1;
  uint32_t nodes = 3;
  uint32_t workers_max = 4;
  SuiteShape suite;
  Faults faults;
  Duration starts_within = Duration::milliseconds(200);
  // How many nodes leave politely in the middle.
  uint32_t leavers = 0;
  // Whether all nodes know one seed address from the start, or only their elder neighbour's.
  bool chain_discovery = false;
  Duration give_up_after = Duration::seconds(300);
};

// Draws everything but the size from the seed.
Scenario draw_scenario(uint64_t seed, uint32_t nodes);
std::string describe(const Scenario& scenario);

struct Outcome {
  // Empty when every check held.
  std::vector<std::string> violations;
  uint64_t events = 0;
  uint64_t messages = 0;
  uint64_t bytes = 0;
  Duration virtual_time;
  // Of all events, in order: equal for equal seeds.
  uint64_t trace = 0;
  uint32_t steals = 0;
  Duration job_time;
  Duration ideal;
  // Since the last start until every node saw every other.
  Duration formed_after;
};

Outcome simulate(const Scenario& scenario);

}  // namespace dagz::sim
