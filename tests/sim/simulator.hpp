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

// A node's process ends without a word; it may be started again, as a new member.
struct Crash {
  uint32_t process = 0;
  Instant at;
  std::optional<Instant> restart_at;
};

// A node's process stands still; what comes for it waits.
struct Pause {
  uint32_t process = 0;
  Instant at;
  Instant until;
};

// Nothing passes from one set of nodes to another, both ways or one way.
struct Cut {
  std::vector<bool> in_first;  // by process
  bool one_way = false;
  Instant at;
  Instant until;
};

// Two nodes that can never reach each other.
struct Wall {
  uint32_t one = 0;
  uint32_t other = 0;
};

// Whoever closes a job first ends within a moment of that, and so do some of the others.
struct LastMoment {
  Duration within;
  uint32_t others_percent = 0;
};

struct Faults {
  uint32_t loss_permille = 0;
  uint32_t duplicate_permille = 0;
  uint32_t damage_permille = 0;
  Duration delay_min = Duration::microseconds(100);
  Duration delay_max = Duration::milliseconds(1);
  std::vector<Crash> crashes;
  std::vector<Pause> pauses;
  std::vector<Cut> cuts;
  std::vector<Wall> walls;
  std::optional<LastMoment> last_moment;

  // From when on nothing stands still, ends or is cut off any more, but in the last moment.
  Instant over_at() const;
};

// A suite that is not drawn, for measurements.
struct GivenSuite {
  Suite suite;
  std::vector<sched::KnownDuration> known;  // to every node's history
  uint32_t workers_each = 1;
  std::vector<double> speeds;      // of each node: how much faster than the suite's durations
  std::vector<uint32_t> measured;  // the same in thousandths, by its own measure
  std::vector<Instant> starts;     // of each node; empty: as in every scenario
};

struct Scenario {
  uint64_t seed = 1;
  uint32_t nodes = 3;
  // So many runs share the network: the nodes belong to them in turn, hear of each other's
  // addresses, and must never meet.
  uint32_t meshes = 1;
  uint32_t workers_max = 4;
  SuiteShape suite;
  // Each file is collected where it runs.
  bool shared = false;
  Faults faults;
  Duration starts_within = Duration::milliseconds(200);
  // How many nodes leave politely in the middle.
  uint32_t leavers = 0;
  // Whether all nodes know one seed address from the start, or only their elder neighbour's.
  bool chain_discovery = false;
  // Above so many live members nodes keep links to a few only.
  uint32_t full_mesh_max = mesh::Config{}.full_mesh_max;
  // As --max-fail; 0: never.
  uint32_t max_fail = 0;
  bool max_fail_now = false;
  // As --on-isolation slice; alone: and no two nodes ever reach each other.
  bool slices = false;
  bool alone = false;
  // As --strict-collection.
  bool strict = false;
  // This process is an archivist.
  std::optional<uint32_t> archivist;
  // As --flaky fail, on every other node: the one that names the job decides.
  bool flaky_fails = false;
  // As --rendezvous: who was away at the end finds the report of those who closed the job.
  bool reports_left = false;
  // The tests have a history, and nodes differ in speed by up to this factor; 0: neither.
  uint32_t slowest = 0;
  // A later attempt: all, most or one of the nodes remember what passed before, or they differ.
  bool rerun = false;
  Duration give_up_after = Duration::seconds(300);
  const GivenSuite* given = nullptr;
  // Prints what the nodes tell their users.
  bool narrated = false;

  bool loses_nodes() const { return !faults.crashes.empty() || suite.poison > 0; }
};

// Draws everything but the size from the seed; meshes 0: the seed draws that as well.
Scenario draw_scenario(uint64_t seed, uint32_t nodes, uint32_t meshes = 0);
std::string describe(const Scenario& scenario);

// What happened how often; the names are for people.
using Tally = std::map<std::string, uint64_t>;

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
  Tally faults;
  // Since the last start until every node saw every other.
  Duration formed_after;
};

Outcome simulate(const Scenario& scenario);

}  // namespace dagz::sim
