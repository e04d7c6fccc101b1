#include "commands/observer.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "commands/carrier.hpp"
#include "mesh/io/system_clock.hpp"
#include "node.hpp"
#include "report/exit_code.hpp"
#include "report/json_report.hpp"

namespace dagz {
namespace {

using nlohmann::json;

// Where everything stays on this host the answer takes milliseconds, and most ask after the end.
constexpr Duration kAskHereWithin = Duration::milliseconds(500);

NodeConfig observer_config() {
  NodeConfig config;
  config.role = mesh::Role::kObserver;
  config.profile.host = host_name();
  config.seed = static_cast<uint64_t>(mesh::monotonic_now().ns) ^ static_cast<uint64_t>(getpid());
  return config;
}

std::vector<std::string> live_addresses(const std::string& answer) {
  std::vector<std::string> addresses;
  const json tree = json::parse(answer, nullptr, false);
  const auto members = tree.find("members");
  if (members == tree.end()) return addresses;
  for (const json& member : *members) {
    const auto state = member.find("state");
    const auto address = member.find("address");
    if (state == member.end() || *state != "alive") continue;
    if (address != member.end() && address->is_string()) addresses.push_back(*address);
  }
  return addresses;
}

class Observer {
 public:
  Observer(const MeshAccess& access, Query::Kind kind)
      : kind_(kind),
        carrier_(*access.keyring),
        discovery_(*access.keyring, looking_only(access.discovery)),
        node_(observer_config(), *access.crypto, {}, moment_now()) {
    node_.ask(moment_now(), {kind});
  }

  MeshReply ask(Duration within) {
    MeshReply reply;
    reply.error = carrier_.transport().open();
    reply.exit_code = report::kExitUnusableEnvironment;
    if (!reply.error.empty()) return reply;
    const Moment start = moment_now();
    reply.error = discovery_.start({start.wall_ms, {}}, start.now);
    reply.exit_code = report::kExitUsage;
    if (!reply.error.empty()) return reply;

    const Instant deadline = start.now + within;
    run_until(deadline, [this] { return node_.answer().has_value(); });
    reply.json = node_.answer();
    if (reply.json && kind_ == Query::Kind::kMesh) ask_everybody(*reply.json, deadline);
    for (const auto& [id, duration] : node_.round_trips()) {
      reply.round_trips[short_name(id)] = duration;
    }
    reply.notes = discovery_.notes();
    reply.foreign = discovery_.stats().entries_foreign;
    if (!reply.json && !rejected_by_.empty()) {
      reply.error = "the peer at " + rejected_by_ +
                    " refuses our key: it has another secret, or belongs to another job; give "
                    "the same DAGZ_SECRET and --job as there";
      return reply;
    }
    reply.exit_code = 0;
    return reply;
  }

 private:
  template <class Done>
  void run_until(Instant deadline, const Done& done) {
    while (!done() && mesh::monotonic_now() < deadline) {
      turn();
      if (!done()) wait(deadline);
    }
  }

  // How far away each of the live members is, of which one has told.
  void ask_everybody(const std::string& answer, Instant deadline) {
    const Moment at = moment_now();
    const std::vector<std::string> addresses = live_addresses(answer);
    for (const std::string& address : addresses) node_.candidate(at, address);
    run_until(std::min(deadline, at.now + kAllAnswerWithin),
              [&] { return node_.round_trips().size() >= addresses.size(); });
  }

  void turn() {
    const Moment at = moment_now();
    for (const std::string& address : carrier_.receive(node_, at)) {
      if (given_.contains(address)) rejected_by_ = address;
    }
    std::vector<mesh::Candidate> candidates;
    discovery_.poll(at.now, {at.wall_ms}, candidates);
    for (const mesh::Candidate& candidate : candidates) {
      if (candidate.source == mesh::CandidateSource::kPeers) given_.insert(candidate.address);
      node_.candidate(at, candidate.address);
    }
    node_.advance(at);
    carrier_.perform(node_, at, node_.take_actions().links);
  }

  void wait(Instant until) const {
    const Instant now = mesh::monotonic_now();
    until = std::min({until, node_.next_deadline(), discovery_.next_deadline()});
    if (until <= now) return;
    std::array<pollfd, 2> items{pollfd{carrier_.transport().poll_fd(), POLLIN, 0},
                                pollfd{discovery_.poll_fd(), POLLIN, 0}};
    poll(items.data(), items.size(), static_cast<int>((until - now).ms() + 1));
  }

  Query::Kind kind_;
  Carrier carrier_;
  mesh::Discovery discovery_;
  Node node_;
  std::set<std::string> given_;  // by --peers
  std::string rejected_by_;
};

}  // namespace

MeshReply ask_mesh(const MeshAccess& access, Query::Kind kind, Duration within) {
  return Observer(access, kind).ask(within);
}

LiveJob ask_live_job(const NetworkOptions& network, const PlaceOptions& place) {
  const MeshAccess access = open_mesh_access(network, place);
  if (!access.error.empty()) return {std::nullopt, access.error, access.exit_code};
  return ask_live_job(access, network);
}

LiveJob ask_live_job(const MeshAccess& access, const NetworkOptions& network) {
  const bool only_here = access.loopback_only && network.peers.empty();
  const MeshReply reply =
      ask_mesh(access, Query::Kind::kReport, only_here ? kAskHereWithin : kAskWithin);
  if (!reply.json) return {std::nullopt, reply.error, reply.exit_code};
  auto summary = report::parse_json(*reply.json);
  if (!summary) {
    return {std::nullopt, "the live mesh gave an answer that this dagz does not understand",
            report::kExitUnusableEnvironment};
  }
  if (summary->full_id.empty()) return {std::nullopt, "", 0, true};
  return {std::move(summary), "", 0};
}

}  // namespace dagz
