#include "mesh/io/discovery.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>

#include "mesh/io/beacon.hpp"
#include "mesh/io/node_directory.hpp"
#include "mesh/io/system_clock.hpp"
#include "tests/support/temporary_directory.hpp"

// The sources of addresses, on loopback and in directories of the test's own.

namespace {

using namespace dagz;
using namespace dagz::mesh;
namespace fs = std::filesystem;
using test::TemporaryDirectory;

Secret root_of(uint8_t fill) {
  Secret root(32);
  std::fill_n(root.data(), root.size(), fill);
  return root;
}

// All sources off; each test turns on its own.
DiscoveryConfig quiet() {
  DiscoveryConfig config;
  config.use_host_directory = false;
  config.beacon = false;
  return config;
}

struct Node {
  Node(const DiscoveryConfig& config, uint16_t port, uint8_t secret = 1,
       const std::string& identity = "run")
      : keyring(root_of(secret), identity), discovery(keyring, config) {
    own.birth_wall_ms = port;
    own.addresses = {"127.0.0.1:" + std::to_string(port)};
  }
  std::string start() { return discovery.start(own, monotonic_now()); }
  bool found(const std::string& address, CandidateSource source) const {
    return std::any_of(candidates.begin(), candidates.end(), [&](const Candidate& candidate) {
      return candidate.address == address && candidate.source == source;
    });
  }

  Keyring keyring;
  Discovery discovery;
  OwnNode own;
  std::vector<Candidate> candidates;
};

bool run(const std::vector<Node*>& nodes, const std::function<bool()>& done,
         Duration patience = Duration::seconds(10)) {
  const Instant deadline = monotonic_now() + patience;
  while (monotonic_now() < deadline) {
    Instant next = deadline;
    std::vector<pollfd> items;
    for (Node* node : nodes) {
      node->discovery.poll(monotonic_now(), wall_now(), node->candidates);
      next = std::min(next, node->discovery.next_deadline());
      items.push_back({node->discovery.poll_fd(), POLLIN, 0});
    }
    if (done()) return true;
    const Duration wait = next - monotonic_now();
    poll(items.data(), items.size(), static_cast<int>(std::max<int64_t>(wait.ms() + 1, 0)));
  }
  return false;
}

std::size_t files_in(const std::string& directory) {
  const auto files = fs::directory_iterator(directory);
  return static_cast<std::size_t>(std::distance(fs::begin(files), fs::end(files)));
}

void age(const fs::path& file) {
  fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::minutes(11));
}

// The number of a process that has ended.
pid_t dead_process() {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) _exit(0);
  REQUIRE(waitpid(child, nullptr, 0) == child);
  return child;
}

}  // namespace

TEST_CASE("beacon: what was sealed opens under the same keys, near its time", "[mesh]") {
  const Keyring keys(root_of(1), "run");
  const Keyring peer(root_of(1), "run");
  const Keyring stranger(root_of(2), "run");
  Beacon beacon;
  beacon.node_id = keys.node_id();
  beacon.port = 4242;
  REQUIRE(inet_pton(AF_INET, "10.1.2.3", &beacon.address) == 1);
  const WallTime now{1'700'000'000'000};
  const BeaconBytes bytes = seal_beacon(keys, beacon, now);

  const auto opened = open_beacon(peer, bytes, now);
  REQUIRE(opened.has_value());
  CHECK(opened->node_id == keys.node_id());
  CHECK(opened->port == 4242);
  CHECK(opened->address.s_addr == beacon.address.s_addr);
  CHECK_FALSE(open_beacon(stranger, bytes, now).has_value());
  CHECK(is_foreign_beacon(stranger, bytes));
  CHECK_FALSE(is_foreign_beacon(peer, bytes));
  CHECK_FALSE(is_foreign_beacon(Keyring(root_of(2), "another run"), bytes));
  CHECK_FALSE(is_foreign_beacon(stranger, Bytes(bytes).first(63)));
  CHECK(open_beacon(peer, bytes, {now.ms + 60'000}).has_value());
  CHECK(open_beacon(peer, bytes, {now.ms - 60'000}).has_value());
  CHECK_FALSE(open_beacon(peer, bytes, {now.ms + 70'000}).has_value());
  CHECK_FALSE(open_beacon(peer, bytes, {now.ms - 70'000}).has_value());
  CHECK_FALSE(open_beacon(peer, Bytes(bytes).first(63), now).has_value());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    BeaconBytes changed = bytes;
    changed[i] ^= 0x40;
    CHECK_FALSE(open_beacon(peer, changed, now).has_value());
  }
}

TEST_CASE("beacon: port and group belong to the run", "[mesh]") {
  const Keyring keys(root_of(1), "run");
  const Keyring peer(root_of(1), "run");
  CHECK(beacon_port(keys.run_tag()) == beacon_port(peer.run_tag()));
  CHECK(beacon_port(keys.run_tag()) >= 20000);
  CHECK(beacon_port(keys.run_tag()) < 32000);
  const uint32_t group = ntohl(beacon_group(keys.run_tag()).s_addr);
  CHECK((group >> 18) == ((uint32_t{239} << 24 | uint32_t{192} << 16) >> 18));
}

TEST_CASE("directory: an entry survives its file, another key's does not open", "[mesh]") {
  const Keyring keys(root_of(1), "run");
  const Keyring stranger(root_of(2), "run");
  DirectoryEntry entry;
  entry.node_id = keys.node_id();
  entry.birth_wall_ms = 1'700'000'000'000;
  entry.host_id = this_host();
  entry.pid = getpid();
  entry.addresses = {"10.0.0.1:4242", "10.0.1.1:4242"};
  Buffer file = seal_entry(keys, entry);
  const auto opened = open_entry(keys, file);
  REQUIRE(opened.has_value());
  CHECK(opened->node_id == entry.node_id);
  CHECK(opened->birth_wall_ms == entry.birth_wall_ms);
  CHECK(opened->addresses == entry.addresses);
  CHECK_FALSE(is_dead(*opened, this_host()));
  CHECK_FALSE(open_entry(stranger, file).has_value());
  CHECK_FALSE(open_entry(keys, Bytes(file).first(15)).has_value());
  file.back() ^= 1;
  CHECK_FALSE(open_entry(keys, file).has_value());
}

TEST_CASE("discovery: peers are given at once and again, the own address never", "[mesh][io]") {
  DiscoveryConfig config = quiet();
  config.peers = {"127.0.0.1:4001", "127.0.0.1:4000", "192.0.2.1:4001"};
  Node node(config, 4000);
  REQUIRE(node.start().empty());
  REQUIRE(run({&node}, [&] { return node.candidates.size() >= 3; }));
  for (const Candidate& candidate : node.candidates) {
    CHECK(candidate.address == "127.0.0.1:4001");  // what is not on this host is not believed
    CHECK(candidate.source == CandidateSource::kPeers);
  }
}

TEST_CASE("discovery: a malformed peer is named", "[mesh][io]") {
  const auto peer = GENERATE(as<std::string>{}, "host", "host:", ":1", "host:0", "host:99999",
                             "[::1", "", "host:1x");
  CAPTURE(peer);
  DiscoveryConfig config = quiet();
  config.peers = {peer};
  Node node(config, 4000);
  CHECK_THAT(node.start(), Catch::Contains("'" + peer + "'"));
}

TEST_CASE("discovery: names are resolved beside the loop", "[mesh][io]") {
  DiscoveryConfig config = quiet();
  config.peers = {"localhost:4001"};
  config.dns_names = {"localhost:4002"};
  Node node(config, 4000);
  REQUIRE(node.start().empty());
  CHECK(run({&node}, [&] { return node.found("127.0.0.1:4001", CandidateSource::kPeers); }));
  CHECK(run({&node}, [&] { return node.found("127.0.0.1:4002", CandidateSource::kDns); }));
}

TEST_CASE("discovery: processes on one host find each other in their directory", "[mesh][io]") {
  const TemporaryDirectory directory;
  DiscoveryConfig config = quiet();
  config.use_host_directory = true;
  config.host_directory = directory.path + "/dagz";
  Node a(config, 4001);
  Node b(config, 4002);
  Node other_run(config, 4003, 1, "another run");
  REQUIRE(a.start().empty());
  REQUIRE(b.start().empty());
  REQUIRE(other_run.start().empty());
  CHECK((fs::status(config.host_directory).permissions() & fs::perms::mask) ==
        fs::perms::owner_all);
  REQUIRE(run({&a, &b, &other_run}, [&] {
    return a.found("127.0.0.1:4002", CandidateSource::kHostDirectory) &&
           b.found("127.0.0.1:4001", CandidateSource::kHostDirectory);
  }));
  CHECK(a.candidates[0].node_id == b.keyring.node_id());
  CHECK(a.discovery.stats().entries_seen == 1);
  CHECK(a.discovery.stats().entries_foreign == 0);
  CHECK(other_run.candidates.empty());

  b.discovery.stop();
  CHECK(files_in(config.host_directory) == 2);
  CHECK(b.discovery.next_deadline() == Instant::never());
}

TEST_CASE("discovery: a host directory that is not ours is left alone", "[mesh][io]") {
  const TemporaryDirectory directory;
  DiscoveryConfig config = quiet();
  config.use_host_directory = true;
  config.host_directory = directory.path + "/dagz";
  fs::create_directory(directory.path + "/elsewhere");
  fs::create_directory_symlink(directory.path + "/elsewhere", config.host_directory);
  Node node(config, 4001);
  CHECK(node.start().empty());
  REQUIRE(node.discovery.notes().size() == 1);
  CHECK(files_in(directory.path + "/elsewhere") == 0);
}

TEST_CASE("discovery: a rendezvous directory is read and cleaned", "[mesh][io]") {
  const TemporaryDirectory directory;
  DiscoveryConfig config = quiet();
  config.rendezvous_dir = directory.path;
  Node a(config, 4001);
  Node b(config, 4002);
  Node other_secret(config, 4003, 2);

  // Left by a process of this host that died, by one that is older than any run, and by people.
  const Keyring dead(root_of(1), "run");
  DirectoryEntry entry;
  entry.node_id = dead.node_id();
  entry.host_id = this_host();
  entry.pid = dead_process();
  entry.addresses = {"127.0.0.1:4009"};
  const std::string dead_name = entry_name(dead.run_tag(), dead.node_id());
  REQUIRE(write_entry(directory.path, dead_name, seal_entry(dead, entry)) == 0);
  const Keyring old(root_of(1), "an old run");
  const std::string old_name = entry_name(old.run_tag(), old.node_id());
  REQUIRE(write_entry(directory.path, old_name, seal_entry(old, entry)) == 0);
  age(directory.path + "/" + old_name);
  std::ofstream(directory.path + "/addon.node") << "somebody's";
  age(directory.path + "/addon.node");

  REQUIRE(a.start().empty());
  REQUIRE(b.start().empty());
  REQUIRE(other_secret.start().empty());
  REQUIRE(run({&a, &b, &other_secret}, [&] {
    return a.found("127.0.0.1:4002", CandidateSource::kRendezvous) &&
           b.found("127.0.0.1:4001", CandidateSource::kRendezvous) &&
           !fs::exists(directory.path + "/" + dead_name) &&
           !fs::exists(directory.path + "/" + old_name);
  }));
  CHECK_FALSE(a.found("127.0.0.1:4009", CandidateSource::kRendezvous));
  CHECK(a.discovery.stats().entries_foreign == 1);  // so that it can be said
  CHECK(a.discovery.stats().entries_stale + b.discovery.stats().entries_stale >= 1);
  CHECK(fs::exists(directory.path + "/addon.node"));

  SECTION("an entry that somebody removed is written again") {
    const std::string own = entry_name(a.keyring.run_tag(), a.keyring.node_id());
    fs::remove(directory.path + "/" + own);
    CHECK(run({&a}, [&] { return fs::exists(directory.path + "/" + own); }));
  }
}

TEST_CASE("discovery: an elder with another secret counts once it is known to live", "[mesh][io]") {
  const TemporaryDirectory directory;
  DiscoveryConfig config = quiet();
  config.rendezvous_dir = directory.path;
  const Keyring stranger(root_of(2), "run");
  DirectoryEntry entry;
  entry.node_id = stranger.node_id();
  entry.birth_wall_ms = 1;
  entry.addresses = {"127.0.0.1:4009"};
  // Of another host; or, as it says, of this one, where another process has its number by now.
  const bool here = GENERATE(false, true);
  if (here) {
    entry.host_id = this_host();
    entry.pid = getpid();
  }
  const std::string name = entry_name(stranger.run_tag(), stranger.node_id());
  REQUIRE(write_entry(directory.path, name, seal_entry(stranger, entry)) == 0);

  Node node(config, 4001);
  REQUIRE(node.start().empty());
  const DiscoveryStats& stats = node.discovery.stats();
  REQUIRE(run({&node}, [&] { return stats.entries_foreign > 0; }));
  CHECK((stats.entries_foreign_elder == 0 && stats.entries_foreign_unsure == 1));
  const std::string path = directory.path + "/" + name;
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(1));
  CHECK(run({&node}, [&] { return stats.entries_foreign_elder == 1; }));
  CHECK(stats.entries_foreign_unsure == 0);
}

TEST_CASE("discovery: an elder with another secret on this host is seen at once", "[mesh][io]") {
  const TemporaryDirectory directory;
  DiscoveryConfig config = quiet();
  config.rendezvous_dir = directory.path;
  const Keyring stranger(root_of(2), "run");
  DirectoryEntry entry;
  entry.node_id = stranger.node_id();
  entry.birth_wall_ms = wall_now().ms;
  entry.host_id = this_host();
  entry.pid = getpid();
  const std::string name = entry_name(stranger.run_tag(), stranger.node_id());
  REQUIRE(write_entry(directory.path, name, seal_entry(stranger, entry)) == 0);
  Node node(config, 4001);
  node.own.birth_wall_ms = wall_now().ms + 1;
  REQUIRE(node.start().empty());
  REQUIRE(run({&node}, [&] { return node.discovery.stats().entries_foreign > 0; }));
  CHECK(node.discovery.stats().entries_foreign_elder == 1);
}

TEST_CASE("discovery: a rendezvous directory that cannot be used is an error", "[mesh][io]") {
  const TemporaryDirectory directory;
  DiscoveryConfig config = quiet();
  config.rendezvous_dir = directory.path + "/absent/dagz";
  Node node(config, 4001);
  CHECK_THAT(node.start(), Catch::Contains("/absent/dagz"));
}

TEST_CASE("discovery: beacons on loopback reach every process of the run", "[mesh][io]") {
  DiscoveryConfig config = quiet();
  config.beacon = true;
  // A run of its own, so that tests that run side by side do not hear each other.
  const std::string identity = "run " + std::to_string(getpid());
  Node a(config, 4001, 1, identity);
  Node b(config, 4002, 1, identity);
  Node c(config, 4003, 1, identity);
  Node other_secret(config, 4004, 2, identity);
  const std::vector<Node*> all{&a, &b, &c, &other_secret};
  for (Node* node : all) REQUIRE(node->start().empty());
  for (Node* node : all) REQUIRE(node->discovery.notes().empty());
  const Instant start = monotonic_now();
  REQUIRE(run(all, [&] {
    return a.found("127.0.0.1:4002", CandidateSource::kBeacon) &&
           a.found("127.0.0.1:4003", CandidateSource::kBeacon) &&
           b.found("127.0.0.1:4001", CandidateSource::kBeacon) &&
           c.found("127.0.0.1:4001", CandidateSource::kBeacon) &&
           other_secret.discovery.stats().beacons_rejected > 0;
  }));
  CHECK(monotonic_now() - start >= Duration::milliseconds(40));
  CHECK(other_secret.candidates.empty());
  CHECK(other_secret.discovery.stats().beacons_foreign > 0);  // so that it can be said
  for (const Candidate& candidate : a.candidates) CHECK(candidate.address != "127.0.0.1:4001");
}

TEST_CASE("discovery: who only looks finds the others and leaves no trace", "[mesh][io]") {
  const TemporaryDirectory directory;
  DiscoveryConfig config = quiet();
  config.use_host_directory = true;
  config.host_directory = directory.path + "/host";
  config.rendezvous_dir = directory.path;
  config.beacon = true;
  const std::string identity = "look " + std::to_string(getpid());
  Node member(config, 4001, 1, identity);
  config.look_only = true;
  Node looker(config, 4002, 1, identity);
  looker.own.addresses.clear();
  REQUIRE(member.start().empty());
  REQUIRE(looker.start().empty());
  const std::size_t before = files_in(directory.path);
  REQUIRE(run({&member, &looker}, [&] {
    return looker.found("127.0.0.1:4001", CandidateSource::kHostDirectory) &&
           looker.found("127.0.0.1:4001", CandidateSource::kRendezvous) &&
           looker.found("127.0.0.1:4001", CandidateSource::kBeacon);
  }));
  CHECK(member.candidates.empty());
  CHECK(looker.discovery.stats().beacons_sent == 0);
  CHECK(files_in(config.host_directory) == 1);
  CHECK(files_in(directory.path) == before);
  looker.discovery.stop();
  CHECK(files_in(config.host_directory) == 1);
  CHECK(fs::exists(directory.path));

  config.rendezvous_dir = directory.path + "/absent/dagz";
  Node lost(config, 4003, 1, identity);
  CHECK_THAT(lost.start(), Catch::Contains("cannot read the rendezvous directory"));
}

TEST_CASE("discovery: names without a port are noted where no beacon can reach them",
          "[mesh][io]") {
  DiscoveryConfig config = quiet();
  config.slurm_nodes = "n[1-3]";
  config.dns_names = {"service:80"};
  Node node(config, 4001);
  REQUIRE(node.start().empty());
  REQUIRE(node.discovery.notes().size() == 1);
  CHECK_THAT(node.discovery.notes()[0], Catch::Contains("3 host names"));
}
