#pragma once

#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mesh/io/address.hpp"
#include "mesh/io/descriptor.hpp"
#include "mesh/io/keyring.hpp"
#include "mesh/time.hpp"

namespace dagz::mesh {

// "I am here", 64 bytes, fixed layout, integers big-endian:
//   0 "dagz"  4 version  5 zero  6 port  8 run tag  16 zero  24 node id  40 time slot  44 IPv4
//   48 MAC
// The MAC covers all before it and is checked before anything is believed. A replay costs one dial
// that the handshake then ends.
inline constexpr std::size_t kBeaconSize = 64;
// Slots of five seconds; this many either way are accepted, for clocks that disagree by a minute.
inline constexpr int64_t kBeaconSlotMs = 5000;
inline constexpr int64_t kBeaconSlotsMax = 12;

using BeaconBytes = std::array<uint8_t, kBeaconSize>;

struct Beacon {
  NodeId node_id;
  in_addr address{};  // zero: where the datagram came from
  uint16_t port = 0;  // of the control lane
};

BeaconBytes seal_beacon(const Keyring& keyring, const Beacon& beacon, WallTime wall);
// Nothing if it is not from this run, or not from this minute.
std::optional<Beacon> open_beacon(const Keyring& keyring, Bytes bytes, WallTime wall);

// Says that it is of this run, but was sealed under another secret: anybody can say so.
bool is_foreign_beacon(const Keyring& keyring, Bytes bytes);

// Where beacons of a run go, whatever the secret: below the ports that systems hand out themselves,
// so it is usually free, and different for nearly every run.
uint16_t beacon_port(const RunTag& run);
// 239.192.0.0/14: private to the organisation.
in_addr beacon_group(const RunTag& run);

struct Datagram {
  std::vector<uint8_t> bytes;
  in_addr from{};
};

// Sends to the run's multicast group and to each interface's broadcast address, or with
// `loopback_only` to 127.255.255.255 alone, which reaches every process on the host.
class BeaconSocket {
 public:
  // `port` 0: the run's. `interface_name` empty: all that are up. Nothing on success, or a
  // sentence.
  std::string open(const RunTag& run, bool loopback_only, const std::string& interface_name,
                   uint16_t port);

  bool is_open() const { return receiving_.valid(); }
  int poll_fd() const { return receiving_.get(); }
  // Counts of datagrams that the kernel took.
  std::size_t send(const BeaconBytes& beacon);
  bool send_to(const BeaconBytes& beacon, in_addr address);
  // The next one that waits; its content is anybody's.
  std::optional<Datagram> receive();

 private:
  Descriptor receiving_;
  Descriptor sending_;  // invalid: `receiving_` does both
  bool loopback_only_ = true;
  uint16_t port_ = 0;
  in_addr group_{};
  std::vector<Interface> interfaces_;
};

}  // namespace dagz::mesh
