#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>

#include "mesh/ci_platform.hpp"
#include "mesh/io/discovery.hpp"
#include "mesh/io/keyring.hpp"
#include "mesh/io/seal.hpp"
#include "mesh/io/transport.hpp"
#include "mesh/io/trust.hpp"
#include "mesh/links.hpp"
#include "options/options.hpp"
#include "sched/groups.hpp"

// What every command that meets the mesh needs first: which run this is, whom it trusts, and where
// to look for the others.

namespace dagz {

struct MeshAccess {
  CiRun run;
  std::string job;       // the job's key, the same in all attempts
  std::string identity;  // of this attempt: nodes of different identities never meet
  std::string build;     // tells builds with the same key apart, shortened; empty: nobody says
  std::string command;   // tells commands apart, shortened; empty: this one runs none
  // Jobs of this key and build are attempts of one job. Where neither the CI nor the user names
  // it, the next job of the same key may be of other sources.
  bool is_named = false;
  bool loopback_only = true;
  mesh::TrustRoot trust;
  std::unique_ptr<mesh::Keyring> keyring;
  std::unique_ptr<mesh::Keyring> earlier;  // that of the attempt before, if the CI counts them
  std::unique_ptr<mesh::Keyring> suite;    // of all runs of this suite; null if the root is of one
  std::unique_ptr<mesh::SodiumCrypto> crypto;
  mesh::DiscoveryConfig discovery;

  // Set when it cannot be had: one sentence, and the exit code.
  std::string error;
  int exit_code = 0;
};

// Reads the environment (CI, Slurm, Kubernetes, DAGZ_SECRET, which it removes from it, as it does
// DAGZ_SECRET_FILE). The process is not dumpable from then on.
MeshAccess open_mesh_access(const NetworkOptions& network, const PlaceOptions& place);

// Where this node listens: as asked for; else on loopback, or on the way to the others.
struct Binding {
  std::string host;
  uint16_t port = 0;  // 0: chosen by the system
};
Binding choose_binding(const NetworkOptions& network, const MeshAccess& access);

// For those who take no part.
mesh::DiscoveryConfig looking_only(mesh::DiscoveryConfig config);

// Why a link ended, for the node.
mesh::LinkLoss link_loss(mesh::DownReason reason);

// The option's value for the scheduler.
sched::Affinity sched_affinity(Affinity affinity);

// Whether standard output gets colours.
bool wants_color(const PlaceOptions& place, bool in_ci);

// From now on SIGINT, SIGTERM, unless it is ignored, SIGHUP, and `more` do not end the process but
// are read from this descriptor (signalfd).
int open_signals(std::initializer_list<int> more = {});
// From now on those that end a process do so again.
void release_signals();
// From now on only those can be read from the descriptor of open_signals().
void hear_ending_signals_only(int descriptor);

// This machine's name, for people.
std::string host_name();
std::optional<std::string> environment_variable(const std::string& name);

}  // namespace dagz
