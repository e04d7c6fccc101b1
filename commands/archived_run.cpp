#include "commands/archived_run.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "mesh/io/sealed_identity.hpp"
#include "mesh/io/system_clock.hpp"

namespace dagz {
namespace {

constexpr Duration kFarewell = Duration::milliseconds(200);

mesh::DiscoveryConfig discovery_of(const MeshAccess& access, const std::string& identity) {
  mesh::DiscoveryConfig config = access.discovery;
  config.sealed_identity = mesh::seal_identity(access.trust.key, identity);
  return config;
}

}  // namespace

ArchivedRun::ArchivedRun(const MeshAccess& access, const std::string& identity)
    : keyring_(access.trust.key, identity),
      crypto_(keyring_),
      carrier_(keyring_),
      discovery_(keyring_, discovery_of(access, identity)) {}

std::string ArchivedRun::start(const Binding& binding) {
  if (std::string error = carrier_.transport().open(); !error.empty()) return error;
  const mesh::Listen listen = carrier_.transport().listen(binding.host, binding.port);
  if (!listen.error.empty()) return listen.error;
  const Moment at = moment_now();
  NodeConfig config;
  config.role = mesh::Role::kArchivist;
  config.profile.control_address = listen.control_address;
  config.profile.bulk_address = listen.bulk_address;
  config.profile.host = host_name();
  config.vassal.workers = 0;
  config.seed = static_cast<uint64_t>(at.now.ns) ^ static_cast<uint64_t>(getpid());
  node_ = std::make_unique<Node>(config, crypto_, std::vector<sched::KnownDuration>{}, at);
  return discovery_.start({at.wall_ms, {listen.control_address}}, at.now);
}

void ArchivedRun::turn() {
  const Moment at = moment_now();
  carrier_.receive(*node_, at);
  std::vector<mesh::Candidate> candidates;
  discovery_.poll(at.now, {at.wall_ms}, candidates);
  for (const mesh::Candidate& candidate : candidates) node_->candidate(at, candidate.address);
  node_->advance(at);
  carrier_.perform(*node_, at, node_->take_actions().links);
}

Instant ArchivedRun::next_deadline() const {
  const Instant next = std::min(node_->next_deadline(), discovery_.next_deadline());
  if (!end()) return next;
  return std::min(next, mesh::monotonic_now() + Duration::milliseconds(20));
}

void ArchivedRun::append_poll_items(std::vector<pollfd>& items) const {
  items.push_back({carrier_.transport().poll_fd(), POLLIN, 0});
  items.push_back({discovery_.poll_fd(), POLLIN, 0});
}

bool ArchivedRun::may_leave() const { return end() && node_->may_exit(mesh::monotonic_now()); }

void ArchivedRun::leave() {
  const Moment at = moment_now();
  discovery_.stop();
  node_->say_goodbye(at);
  carrier_.perform(*node_, at, node_->take_actions().links);
  carrier_.transport().flush_and_close(kFarewell);
}

std::vector<NodeId> ArchivedRun::members() const {
  std::vector<NodeId> ids;
  for (const auto& [id, member] : node_->membership().members()) ids.push_back(id);
  return ids;
}

std::shared_ptr<const report::JobSummary> ArchivedRun::summary() const {
  if (!node_->job().named()) return nullptr;
  auto summary = std::make_shared<report::JobSummary>(node_->job().summary());
  if (!node_->job().closed()) summary->duration = node_->elapsed(moment_now());
  return summary;
}

}  // namespace dagz
