#include "commands/mesh_access.hpp"

#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "mesh/io/address.hpp"
#include "mesh/io/sealed_identity.hpp"
#include "report/exit_code.hpp"
#include "report/io/terminal.hpp"

extern "C" char** environ;

namespace dagz {
namespace {

constexpr std::size_t kJobKeyMax = 768;  // bytes; a longer one is stood for by its digest

std::string user_name() {
  const passwd* entry = getpwuid(geteuid());
  return entry != nullptr ? entry->pw_name : std::to_string(geteuid());
}

// The value is overwritten where it lies, so that /proc/self/environ does not show it either.
std::string take_secret(const char* name) {
  char* value = std::getenv(name);
  if (value == nullptr) return {};
  std::string secret = value;
  std::memset(value, 0, std::strlen(value));
  unsetenv(name);
  return secret;
}

mesh::TrustMode trust_mode(Trust trust) {
  switch (trust) {
    case Trust::kAuto:
      return mesh::TrustMode::kAuto;
    case Trust::kSecret:
      return mesh::TrustMode::kSecret;
    case Trust::kOpen:
      return mesh::TrustMode::kOpen;
  }
  return mesh::TrustMode::kAuto;
}

std::string join(const Endpoint& endpoint) {
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return (v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

// Everything stays on this host unless something says that there are others.
bool stays_on_this_host(const NetworkOptions& network, const CiRun& run) {
  if (network.listen) return mesh::is_loopback_host(network.listen->host);
  for (const Endpoint& peer : network.peers) {
    if (!mesh::is_loopback_host(peer.host)) return false;
  }
  if (!network.rendezvous.empty()) return false;
  return !run.multi_host;
}

}  // namespace

Binding choose_binding(const NetworkOptions& network, const MeshAccess& access) {
  if (network.listen) return {network.listen->host, network.listen->port};
  if (access.loopback_only) return {"127.0.0.1", 0};
  return {mesh::route_address(access.discovery.peers), 0};
}

mesh::DiscoveryConfig looking_only(mesh::DiscoveryConfig config) {
  config.look_only = true;
  return config;
}

mesh::LinkLoss link_loss(mesh::DownReason reason) {
  switch (reason) {
    case mesh::DownReason::kClosed:
      return mesh::LinkLoss::kClosed;
    case mesh::DownReason::kRefused:
      return mesh::LinkLoss::kRefused;
    case mesh::DownReason::kRejected:
      return mesh::LinkLoss::kRejected;
    case mesh::DownReason::kTimedOut:
      return mesh::LinkLoss::kTimedOut;
  }
  return mesh::LinkLoss::kClosed;
}

sched::Affinity sched_affinity(Affinity affinity) {
  switch (affinity) {
    case Affinity::kModule:
      return sched::Affinity::kModule;
    case Affinity::kClass:
      return sched::Affinity::kClass;
    case Affinity::kFile:
      return sched::Affinity::kFile;
    case Affinity::kGroup:
      return sched::Affinity::kGroup;
    case Affinity::kNone:
      return sched::Affinity::kNone;
  }
  return sched::Affinity::kModule;
}

bool wants_color(const PlaceOptions& place, bool in_ci) {
  report::ColorChoice choice = report::ColorChoice::kAuto;
  if (place.color == ColorMode::kAlways) choice = report::ColorChoice::kAlways;
  if (place.color == ColorMode::kNever) choice = report::ColorChoice::kNever;
  return report::use_color(choice, report::read_terminal_traits(STDOUT_FILENO, in_ci));
}

int open_signals(std::initializer_list<int> more) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM}) sigaddset(&signals, signal);
  for (const int signal : more) sigaddset(&signals, signal);
  // Under nohup the job goes on when the terminal is gone; blocked, the signal would be seen.
  struct sigaction hangup {};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) sigaddset(&signals, SIGHUP);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

namespace {

sigset_t ending_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

}  // namespace

void release_signals() {
  const sigset_t signals = ending_signals();
  sigprocmask(SIG_UNBLOCK, &signals, nullptr);
}

void hear_ending_signals_only(int descriptor) {
  const sigset_t signals = ending_signals();
  signalfd(descriptor, &signals, 0);
}

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

std::string host_name() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return environment_variable("SLURMD_NODENAME").value_or(name);
}

MeshAccess open_mesh_access(const NetworkOptions& network, const PlaceOptions& place) {
  // What is started from here must not see into this process, which holds the root for a while.
  prctl(PR_SET_DUMPABLE, 0);
  MeshAccess access;
  access.run = detect_ci(environment_variable)
                   .value_or(local_run(host_name(), user_name(), place.project_root));
  count_leg(access.run, network.group, network.job);
  nest_in_test(access.run, environment_variable("DAGZ_SPAN").value_or(""), network.job);
  access.job = job_key(access.run, network.group, network.job);
  // It is in the full id, which has to fit into what nodes say, and in the sealed identity.
  if (access.job.size() > kJobKeyMax) access.job = mesh::short_digest(access.job);
  access.identity = run_identity(access.run, access.job);
  if (const std::string build = build_of(access.run); !build.empty()) {
    access.build = mesh::short_digest(build);
  }
  access.is_named =
      access.run.platform != "local" && (!access.build.empty() || !network.job.empty());
  access.loopback_only = stays_on_this_host(network, access.run);

  mesh::TrustRequest request;
  request.mode = trust_mode(network.trust);
  request.secret_file = network.secret_file;
  request.secret = take_secret("DAGZ_SECRET");
  unsetenv("DAGZ_SECRET_FILE");  // read by now; no child needs it
  request.rendezvous_dir = network.rendezvous;
  request.state_dir = mesh::user_state_directory();
  request.loopback_only = access.loopback_only;
  request.project_root = place.project_root;
  request.identity = access.identity;
  access.trust = mesh::resolve_trust(std::move(request));
  if (access.trust.failure != mesh::TrustFailure::kNone) {
    access.error = access.trust.error;
    access.exit_code = access.trust.failure == mesh::TrustFailure::kUsage
                           ? report::kExitUsage
                           : report::kExitUnusableEnvironment;
    return access;
  }
  access.keyring = std::make_unique<mesh::Keyring>(access.trust.key, access.identity);
  access.crypto = std::make_unique<mesh::SodiumCrypto>(*access.keyring);
  if (mesh::is_of_many_runs(access.trust.source)) {
    const std::string suite = suite_key(access.run, network.group, network.job);
    access.suite = std::make_unique<mesh::Keyring>(access.trust.key, "suite " + suite);
  }
  if (CiRun earlier = access.run; earlier.attempt > 1) {
    --earlier.attempt;
    access.earlier =
        std::make_unique<mesh::Keyring>(access.trust.key, run_identity(earlier, access.job));
  }

  for (const Endpoint& peer : network.peers) access.discovery.peers.push_back(join(peer));
  access.discovery.rendezvous_dir = network.rendezvous;
  access.discovery.sealed_identity = mesh::seal_identity(access.trust.key, access.identity);
  access.discovery.beacon = network.beacon;
  access.discovery.beacon_interface = network.beacon_interface;
  access.discovery.loopback_only = access.loopback_only;
  if (access.run.platform == "slurm" && !access.loopback_only) {
    access.discovery.slurm_nodes =
        environment_variable("SLURM_STEP_NODELIST")
            .value_or(environment_variable("SLURM_JOB_NODELIST").value_or(""));
  }
  if (const auto names = environment_variable("DAGZ_DNS"); names && !access.loopback_only) {
    access.discovery.dns_names = split_list(*names, ',');
  }
  return access;
}

}  // namespace dagz
