#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mesh/io/keyring.hpp"
#include "mesh/time.hpp"

namespace dagz::mesh {

// Names (not addresses) that are kept and asked for.
inline constexpr std::size_t kNamesMax = 4096;
// Candidates that one source gives at a time.
inline constexpr std::size_t kCandidatesMax = 64;

enum class CandidateSource : uint8_t {
  kPeers,
  kRendezvous,
  kHostDirectory,
  kDns,
  kSlurm,
  kBeacon,
};

// Where a node may listen with its control lane. Nothing vouches that it does.
struct Candidate {
  std::string address;  // numeric "host:port", fit for Transport::dial
  CandidateSource source = CandidateSource::kPeers;
  NodeId node_id;  // zero where the source does not say; else a holder of the root wrote it
};

struct DiscoveryConfig {
  std::vector<std::string> peers;  // HOST:PORT, names or numbers
  std::string rendezvous_dir;      // empty: none
  bool use_host_directory = true;
  std::string host_directory;  // empty: default_host_directory()
  bool beacon = true;
  std::string beacon_interface;  // empty: all; ignored with loopback_only
  uint16_t beacon_port = 0;      // 0: the run's
  // HOST or HOST:PORT, such as a headless service. Without a port they are sent beacons, which then
  // make them dial us.
  std::vector<std::string> dns_names;
  std::string slurm_nodes;  // Slurm's notation
  // Nothing leaves this host, and nothing from elsewhere is believed.
  bool loopback_only = true;
  // For those who take no part: listens and reads, but writes no entry and sends nothing.
  bool look_only = false;
  // Left in the directories beside the addresses, for archivists; empty: nothing is said.
  std::string sealed_identity;
};

struct OwnNode {
  int64_t birth_wall_ms = 0;
  // Of the control lane, as others can reach it; empty only with look_only.
  std::vector<std::string> addresses;
};

struct DiscoveryStats {
  uint64_t beacons_sent = 0;
  uint64_t beacons_received = 0;  // valid, of others
  uint64_t beacons_rejected = 0;  // another run, another secret, noise
  uint64_t beacons_foreign = 0;   // of these, those that say they are of this run
  uint64_t entries_seen = 0;      // files with valid entries of others, at the last look
  uint64_t entries_foreign = 0;   // of this run but under another secret, at the last look
  // Of these, those that say they were here before this node: of nodes that live, and of those of
  // which that is not known (yet).
  uint64_t entries_foreign_elder = 0;
  uint64_t entries_foreign_unsure = 0;
  uint64_t entries_stale = 0;     // of dead processes, removed
  uint64_t names_unresolved = 0;  // at the last look
};

// Asks all sources for addresses, again and again, from start() to stop(): explicit peers at once,
// then after 50 ms, doubling to 1.6 s; directories at once, every 250 ms for three seconds, then
// every second; beacons after 50, 150 and 400 ms, then every second; names every second.
//
// The same candidate comes again each time: whom to dial, and how often, is decided above. Own
// addresses do not come. For one thread; name servers and the rendezvous directory, which may be on
// a network, are asked from helper threads, so nothing here blocks the loop except start() and
// stop(), which write and remove the own entries.
class Discovery {
 public:
  // `keyring` must outlive it.
  Discovery(const Keyring& keyring, DiscoveryConfig config);
  ~Discovery();  // stops
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  // Nothing on success. A sentence when what the user asked for cannot be: a malformed peer or node
  // list, a rendezvous directory that cannot be written. Sources that nobody asked for by name and
  // that do not work here are left out, see notes().
  std::string start(const OwnNode& own, Instant now);

  // Readable when poll() has something to do before next_deadline().
  int poll_fd() const;
  Instant next_deadline() const;
  void poll(Instant now, WallTime wall, std::vector<Candidate>& out);

  // Removes the own entries and goes silent. May be called twice.
  void stop();

  const DiscoveryStats& stats() const;
  // One sentence for each source that is not used although it might be wanted, for the log.
  const std::vector<std::string>& notes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dagz::mesh
