#include "mesh/io/discovery.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "mesh/hostlist.hpp"
#include "mesh/io/address.hpp"
#include "mesh/io/background.hpp"
#include "mesh/io/beacon.hpp"
#include "mesh/io/node_directory.hpp"

namespace dagz::mesh {
namespace {

constexpr Duration kPeersFirst = Duration::milliseconds(50);
constexpr Duration kPeersMax = Duration::milliseconds(1600);
constexpr Duration kDirectoryFast = Duration::milliseconds(250);
constexpr Duration kDirectorySlow = Duration::seconds(1);
constexpr Duration kDirectoryFastFor = Duration::seconds(3);
constexpr Duration kBeaconEvery = Duration::seconds(1);
constexpr std::array kBeaconsFirst{Duration::milliseconds(50), Duration::milliseconds(150),
                                   Duration::milliseconds(400)};
constexpr Duration kNamesEvery = Duration::seconds(1);
// A name that answered is asked again after this; a headless service grows, a node list does not.
constexpr Duration kServiceFresh = Duration::seconds(1);
constexpr Duration kHostFresh = Duration::seconds(30);
// Read or sent in one poll().
constexpr std::size_t kDatagramsMax = 256;
constexpr std::size_t kBeaconsToNamesMax = 64;
constexpr std::size_t kAddressesOfNameMax = 256;

struct Name {
  HostAndPort where;
  CandidateSource source = CandidateSource::kDns;
  std::vector<Address> addresses;  // as last resolved; port 0 where the name has none
  Instant ask_at{};
  bool asked = false;
};

struct Resolved {
  std::size_t index = 0;
  std::vector<Address> addresses;
};
using ResolveResult = std::vector<Resolved>;

std::vector<Address> resolve(const HostAndPort& where) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  std::vector<Address> addresses;
  if (getaddrinfo(where.host.c_str(), nullptr, &hints, &list) != 0) return addresses;
  for (const addrinfo* info = list; info != nullptr; info = info->ai_next) {
    if (addresses.size() >= kAddressesOfNameMax) break;
    Address found;
    if (info->ai_addrlen > sizeof found.storage) continue;
    std::memcpy(&found.storage, info->ai_addr, info->ai_addrlen);
    if (const auto address = make_address(found.host(), where.port)) addresses.push_back(*address);
  }
  freeaddrinfo(list);
  return addresses;
}

// A directory, and when to look into it.
struct DirectorySource {
  bool used = false;
  CandidateSource source = CandidateSource::kHostDirectory;
  ScanRequest request;
  Instant look_at = Instant::never();
  uint64_t seen = 0;
  uint64_t foreign = 0;
  uint64_t foreign_elder = 0;
  uint64_t foreign_unsure = 0;
  // By name of the file: when it had been touched as it was first seen.
  std::map<std::string, int64_t> first_touched;
};

}  // namespace

struct Discovery::Impl {
  Impl(const Keyring& keys, DiscoveryConfig settings)
      : keyring(keys), config(std::move(settings)) {}

  const Keyring& keyring;
  DiscoveryConfig config;
  DiscoveryStats stats;
  std::vector<std::string> notes;
  Descriptor epoll;
  HostId here;
  std::set<std::string> own_addresses;
  Beacon own_beacon;
  int64_t own_birth_wall_ms = 0;
  Instant started_at{};
  bool running = false;

  std::vector<std::string> numeric_peers;
  Instant peers_at = Instant::never();
  Duration peers_pause = kPeersFirst;

  DirectorySource host;
  DirectorySource rendezvous;
  Background<ScanResult> rendezvous_scan;

  BeaconSocket beacons;
  Instant beacon_at = Instant::never();
  std::size_t beacon_count = 0;
  std::size_t beacon_turn = 0;  // among names without a port

  std::vector<Name> names;
  Instant names_at = Instant::never();
  Background<ResolveResult> resolution;

  std::string add_sources();
  std::string open_directories(const OwnNode& own);
  std::string enter_rendezvous(const ScanRequest& request) const;
  void open_beacon_socket();
  void note_useless_names();
  void watch(int fd) const;
  void unwatch(int fd) const { epoll_ctl(epoll.get(), EPOLL_CTL_DEL, fd, nullptr); }
  void schedule(Instant now);

  void give(std::vector<Candidate>& out, const std::string& address, CandidateSource source,
            const NodeId& id) const;
  void poll_peers(Instant now, std::vector<Candidate>& out);
  void poll_directories(Instant now, std::vector<Candidate>& out);
  void take_scan(DirectorySource& directory, const ScanResult& scan, std::vector<Candidate>& out);
  void poll_names(Instant now, std::vector<Candidate>& out);
  void start_resolution(Instant now);
  void receive_beacons(WallTime wall, std::vector<Candidate>& out);
  void send_beacons(Instant now, WallTime wall);
  void send_beacons_to_names(const BeaconBytes& bytes);
  void stop();
};

// ---- start and stop ----------------------------------------------------------------------------

std::string Discovery::Impl::add_sources() {
  for (const std::string& peer : config.peers) {
    const auto where = split_host_and_port(peer);
    if (!where || where->port == 0) {
      return "--peers: '" + peer + "' is not HOST:PORT";
    }
    if (make_address(where->host, where->port)) {
      numeric_peers.push_back(make_address(where->host, where->port)->text());
    } else {
      names.push_back({*where, CandidateSource::kPeers, {}, {}, false});
    }
  }
  for (const std::string& name : config.dns_names) {
    const auto where = split_host_and_port(name);
    if (!where) return "'" + name + "' is not HOST or HOST:PORT";
    names.push_back({*where, CandidateSource::kDns, {}, {}, false});
  }
  const auto hosts = expand_hostlist(config.slurm_nodes);
  if (!hosts) notes.push_back("Slurm's node list cannot be read: " + config.slurm_nodes);
  for (const std::string& host_name : hosts.value_or(std::vector<std::string>{})) {
    names.push_back({{host_name, 0}, CandidateSource::kSlurm, {}, {}, false});
  }
  if (names.size() > kNamesMax) names.resize(kNamesMax);
  return "";
}

std::string Discovery::Impl::enter_rendezvous(const ScanRequest& request) const {
  int error = 0;
  if (!config.look_only) {
    mkdir(config.rendezvous_dir.c_str(), 0700);  // that it fails shows below
    error = write_entry(config.rendezvous_dir, request.own_name, request.own_content);
  } else if (access(config.rendezvous_dir.c_str(), R_OK | X_OK) != 0) {
    error = errno;
  }
  if (error == 0) return "";
  return std::string("cannot ") + (config.look_only ? "read" : "write to") +
         " the rendezvous directory '" + config.rendezvous_dir + "': " + std::strerror(error);
}

std::string Discovery::Impl::open_directories(const OwnNode& own) {
  DirectoryEntry entry;
  entry.node_id = keyring.node_id();
  entry.birth_wall_ms = own.birth_wall_ms;
  entry.host_id = here = this_host();
  entry.pid = getpid();
  entry.addresses = own.addresses;
  entry.sealed_identity = config.sealed_identity;
  if (entry.addresses.size() > kEntryAddressesMax) entry.addresses.resize(kEntryAddressesMax);
  ScanRequest request;
  request.prefix = to_hex(keyring.run_tag());
  if (!config.look_only) {
    request.own_name = entry_name(keyring.run_tag(), keyring.node_id());
    request.own_content = seal_entry(keyring, entry);
  }

  if (config.use_host_directory) {
    host.request = request;
    host.request.directory =
        config.host_directory.empty() ? default_host_directory() : config.host_directory;
    std::string problem = claim_private_directory(host.request.directory);
    if (problem.empty() && !config.look_only) {
      const int error = write_entry(host.request.directory, request.own_name, request.own_content);
      if (error != 0) {
        problem = "cannot write to '" + host.request.directory + "': " + std::strerror(error);
      }
    }
    host.used = problem.empty();
    if (!host.used) notes.push_back("other processes on this host may not be found: " + problem);
  }
  if (!config.rendezvous_dir.empty()) {
    rendezvous.source = CandidateSource::kRendezvous;
    rendezvous.request = request;
    rendezvous.request.directory = config.rendezvous_dir;
    std::string problem = enter_rendezvous(request);
    if (!problem.empty()) return problem;
    rendezvous.used = true;
  }
  return "";
}

void Discovery::Impl::open_beacon_socket() {
  if (!config.beacon) return;
  const std::string problem = beacons.open(keyring.run_tag(), config.loopback_only,
                                           config.beacon_interface, config.beacon_port);
  if (!problem.empty()) notes.push_back(problem);
}

void Discovery::Impl::note_useless_names() {
  if (beacons.is_open() && !config.loopback_only) return;
  const auto count = std::count_if(names.begin(), names.end(),
                                   [](const Name& name) { return name.where.port == 0; });
  if (count == 0) return;
  notes.push_back(std::to_string(count) +
                  " host names without a port are of no use without a beacon to send them");
}

void Discovery::Impl::watch(int fd) const {
  epoll_event event{};
  event.events = EPOLLIN;
  epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event);
}

void Discovery::Impl::schedule(Instant now) {
  started_at = now;
  running = true;
  if (!numeric_peers.empty()) peers_at = now;
  if (host.used) host.look_at = now;
  if (rendezvous.used) rendezvous.look_at = now;
  if (beacons.is_open() && !config.look_only) beacon_at = now + kBeaconsFirst[0];
  if (!names.empty()) names_at = now;
  watch(rendezvous_scan.poll_fd());
  watch(resolution.poll_fd());
  if (beacons.is_open()) watch(beacons.poll_fd());
}

void Discovery::Impl::stop() {
  if (!running) return;
  running = false;
  for (const DirectorySource* directory : {&host, &rendezvous}) {
    if (!directory->used || config.look_only) continue;
    unlink((directory->request.directory + "/" + directory->request.own_name).c_str());
  }
  unwatch(rendezvous_scan.poll_fd());
  unwatch(resolution.poll_fd());
  beacons = BeaconSocket();
  peers_at = beacon_at = names_at = host.look_at = rendezvous.look_at = Instant::never();
}

// ---- candidates --------------------------------------------------------------------------------

void Discovery::Impl::give(std::vector<Candidate>& out, const std::string& address,
                           CandidateSource source, const NodeId& id) const {
  const auto parsed = parse_address(address);
  if (!parsed || parsed->is_wildcard() || own_addresses.contains(address)) return;
  if (config.loopback_only && !parsed->is_loopback()) return;
  out.push_back({address, source, id});
}

void Discovery::Impl::poll_peers(Instant now, std::vector<Candidate>& out) {
  if (now < peers_at) return;
  peers_at = now + peers_pause;
  peers_pause = std::min(peers_pause * 2, kPeersMax);
  for (const std::string& peer : numeric_peers) give(out, peer, CandidateSource::kPeers, {});
}

void Discovery::Impl::poll_directories(Instant now, std::vector<Candidate>& out) {
  const Duration pause = now - started_at < kDirectoryFastFor ? kDirectoryFast : kDirectorySlow;
  if (now >= host.look_at) {
    host.look_at = now + pause;
    take_scan(host, scan_directory(host.request), out);
  }
  if (auto scan = rendezvous_scan.take()) take_scan(rendezvous, *scan, out);
  if (now >= rendezvous.look_at) {
    rendezvous.look_at = now + pause;
    if (rendezvous_scan.busy()) return;
    const bool started =
        rendezvous_scan.start([request = rendezvous.request] { return scan_directory(request); });
    if (started) rendezvous.request.remove.clear();
  }
}

void Discovery::Impl::take_scan(DirectorySource& directory, const ScanResult& scan,
                                std::vector<Candidate>& out) {
  directory.seen = 0;
  directory.foreign = 0;
  directory.foreign_elder = 0;
  directory.foreign_unsure = 0;
  directory.request.remove.clear();
  std::vector<DirectoryEntry> entries;
  for (const RawEntry& raw : scan.entries) {
    auto entry = open_entry(keyring, raw.bytes);
    if (!entry || entry_name(keyring.run_tag(), entry->node_id) != raw.name) {
      const auto word = read_unverified_entry(raw.bytes);
      if (word && is_dead(*word, here)) continue;
      ++directory.foreign;
      if (!word || word->birth_wall_ms >= own_birth_wall_ms) continue;
      // What its file says nobody vouches for; a file that was left behind is not touched.
      const auto first = directory.first_touched.try_emplace(raw.name, raw.touched_ns).first;
      const bool lives = is_alive(*word, here) || first->second != raw.touched_ns;
      ++(lives ? directory.foreign_elder : directory.foreign_unsure);
    } else if (is_dead(*entry, here)) {
      ++stats.entries_stale;
      directory.request.remove.push_back(raw.name);
    } else {
      entries.push_back(std::move(*entry));
    }
  }
  directory.seen = entries.size();
  stats.entries_seen = host.seen + rendezvous.seen;
  stats.entries_foreign = host.foreign + rendezvous.foreign;
  stats.entries_foreign_elder = host.foreign_elder + rendezvous.foreign_elder;
  stats.entries_foreign_unsure = host.foreign_unsure + rendezvous.foreign_unsure;
  // The eldest first: everybody then starts with the same few, of whom one is the scheduler.
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return Birth{a.birth_wall_ms, a.node_id} < Birth{b.birth_wall_ms, b.node_id};
  });
  if (entries.size() > kCandidatesMax) entries.resize(kCandidatesMax);
  for (const DirectoryEntry& entry : entries) {
    for (const std::string& address : entry.addresses) {
      give(out, address, directory.source, entry.node_id);
    }
  }
}

// ---- names -------------------------------------------------------------------------------------

void Discovery::Impl::poll_names(Instant now, std::vector<Candidate>& out) {
  if (auto result = resolution.take()) {
    for (Resolved& resolved : *result) {
      Name& name = names[resolved.index];
      const bool service = name.source == CandidateSource::kDns;
      const bool found = !resolved.addresses.empty();
      name.asked = true;
      name.ask_at = now + (found && !service ? kHostFresh : kServiceFresh);
      if (found) name.addresses = std::move(resolved.addresses);
    }
    stats.names_unresolved = static_cast<uint64_t>(std::count_if(
        names.begin(), names.end(), [](const Name& name) { return name.addresses.empty(); }));
    names_at = now;  // give what was found
  }
  if (now < names_at) return;
  names_at = now + kNamesEvery;
  std::map<CandidateSource, std::size_t> given;
  for (const Name& name : names) {
    for (const Address& address : name.addresses) {
      if (address.port() == 0 || ++given[name.source] > kCandidatesMax) continue;
      give(out, address.text(), name.source, {});
    }
  }
  start_resolution(now);
}

void Discovery::Impl::start_resolution(Instant now) {
  if (resolution.busy()) return;
  std::vector<std::pair<std::size_t, HostAndPort>> due;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].ask_at <= now) due.emplace_back(i, names[i].where);
  }
  if (due.empty()) return;
  resolution.start([due = std::move(due)] {
    ResolveResult result;
    for (const auto& [index, where] : due) result.push_back({index, resolve(where)});
    return result;
  });
}

// ---- beacons -----------------------------------------------------------------------------------

void Discovery::Impl::receive_beacons(WallTime wall, std::vector<Candidate>& out) {
  for (std::size_t i = 0; i < kDatagramsMax; ++i) {
    const auto datagram = beacons.receive();
    if (!datagram) return;
    const auto beacon = open_beacon(keyring, datagram->bytes, wall);
    if (!beacon) {
      ++stats.beacons_rejected;
      if (is_foreign_beacon(keyring, datagram->bytes)) ++stats.beacons_foreign;
      continue;
    }
    if (beacon->node_id == keyring.node_id()) continue;
    ++stats.beacons_received;
    const in_addr from = beacon->address.s_addr != 0 ? beacon->address : datagram->from;
    std::array<char, INET_ADDRSTRLEN> text{};
    inet_ntop(AF_INET, &from, text.data(), text.size());
    give(out, std::string(text.data()) + ":" + std::to_string(beacon->port),
         CandidateSource::kBeacon, beacon->node_id);
  }
}

void Discovery::Impl::send_beacons(Instant now, WallTime wall) {
  if (now < beacon_at) return;
  ++beacon_count;
  beacon_at = beacon_count < kBeaconsFirst.size() ? started_at + kBeaconsFirst[beacon_count]
                                                  : now + kBeaconEvery;
  beacon_at = std::max(beacon_at, now + kBeaconsFirst[0]);
  const BeaconBytes bytes = seal_beacon(keyring, own_beacon, wall);
  stats.beacons_sent += beacons.send(bytes);
  send_beacons_to_names(bytes);
}

// Names without a port, in turns.
void Discovery::Impl::send_beacons_to_names(const BeaconBytes& bytes) {
  std::size_t sent = 0;
  for (std::size_t i = 0; i < names.size() && sent < kBeaconsToNamesMax; ++i) {
    const Name& name = names[beacon_turn++ % names.size()];
    if (name.where.port != 0) continue;
    for (const Address& address : name.addresses) {
      if (address.is_ipv6() || sent >= kBeaconsToNamesMax) continue;
      ++sent;
      const auto& ipv4 = reinterpret_cast<const sockaddr_in&>(address.storage);
      if (beacons.send_to(bytes, ipv4.sin_addr)) ++stats.beacons_sent;
    }
  }
}

// ---- the public face ---------------------------------------------------------------------------

Discovery::Discovery(const Keyring& keyring, DiscoveryConfig config)
    : impl_(std::make_unique<Impl>(keyring, std::move(config))) {
  impl_->epoll = Descriptor(epoll_create1(EPOLL_CLOEXEC));
}

Discovery::~Discovery() { stop(); }

std::string Discovery::start(const OwnNode& own, Instant now) {
  impl_->own_addresses.insert(own.addresses.begin(), own.addresses.end());
  impl_->own_beacon.node_id = impl_->keyring.node_id();
  impl_->own_birth_wall_ms = own.birth_wall_ms;
  if (!own.addresses.empty()) {
    const auto address = parse_address(own.addresses[0]);
    if (!address) return "'" + own.addresses[0] + "' is no address to be found at";
    impl_->own_beacon.port = address->port();
    if (own.addresses.size() == 1 && !address->is_ipv6()) {
      impl_->own_beacon.address = reinterpret_cast<const sockaddr_in&>(address->storage).sin_addr;
    }
  }
  if (std::string error = impl_->add_sources(); !error.empty()) return error;
  if (std::string error = impl_->open_directories(own); !error.empty()) {
    impl_->running = true;  // so that what was written goes
    impl_->stop();
    return error;
  }
  impl_->open_beacon_socket();
  impl_->note_useless_names();
  impl_->schedule(now);
  return "";
}

int Discovery::poll_fd() const { return impl_->epoll.get(); }

Instant Discovery::next_deadline() const {
  return std::min({impl_->peers_at, impl_->host.look_at, impl_->rendezvous.look_at,
                   impl_->beacon_at, impl_->names_at});
}

void Discovery::poll(Instant now, WallTime wall, std::vector<Candidate>& out) {
  if (!impl_->running) return;
  impl_->poll_peers(now, out);
  impl_->poll_directories(now, out);
  impl_->poll_names(now, out);
  impl_->receive_beacons(wall, out);
  impl_->send_beacons(now, wall);
}

void Discovery::stop() { impl_->stop(); }

const DiscoveryStats& Discovery::stats() const { return impl_->stats; }

const std::vector<std::string>& Discovery::notes() const { return impl_->notes; }

}  // namespace dagz::mesh
