#include "mesh/io/beacon.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace dagz::mesh {
namespace {

constexpr std::array<uint8_t, 6> kMagic{'d', 'a', 'g', 'z', 2, 0};
constexpr std::size_t kPortAt = 6;
constexpr std::size_t kRunAt = 8;
constexpr std::size_t kNodeAt = 24;
constexpr std::size_t kSlotAt = 40;
constexpr std::size_t kAddressAt = 44;
constexpr std::size_t kMacAt = 48;

constexpr uint16_t kPortFirst = 20000;
constexpr uint16_t kPortCount = 12000;

uint32_t slot_of(WallTime wall) { return static_cast<uint32_t>(wall.ms / kBeaconSlotMs); }

void put(uint8_t* at, uint32_t value, int size) {
  for (int i = size - 1; i >= 0; --i, value >>= 8) at[i] = static_cast<uint8_t>(value);
}

uint32_t get(const uint8_t* at, int size) {
  uint32_t value = 0;
  for (int i = 0; i < size; ++i) value = (value << 8) | at[i];
  return value;
}

bool set_flag(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

sockaddr_in socket_address(in_addr address, uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  result.sin_addr = address;
  return result;
}

bool bind_to(int fd, in_addr address, uint16_t port) {
  const sockaddr_in local = socket_address(address, port);
  return bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) == 0;
}

Descriptor make_socket() {
  Descriptor fd(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.valid()) set_flag(fd.get(), SOL_SOCKET, SO_BROADCAST, 1);
  return fd;
}

bool transmit(int fd, const BeaconBytes& beacon, in_addr address, uint16_t port) {
  const sockaddr_in to = socket_address(address, port);
  return sendto(fd, beacon.data(), beacon.size(), MSG_DONTWAIT,
                reinterpret_cast<const sockaddr*>(&to),
                sizeof to) == static_cast<ssize_t>(beacon.size());
}

ip_mreqn membership(in_addr group, const Interface& interface) {
  ip_mreqn request{};
  request.imr_multiaddr = group;
  request.imr_address = interface.address;
  request.imr_ifindex = static_cast<int>(interface.index);
  return request;
}

bool has_mac_of(const Keyring& keyring, Bytes bytes) {
  Mac mac;
  std::copy_n(&bytes[kMacAt], mac.size(), mac.begin());
  return keyring.verify_mac(bytes.first(kMacAt), mac);
}

}  // namespace

BeaconBytes seal_beacon(const Keyring& keyring, const Beacon& beacon, WallTime wall) {
  BeaconBytes bytes{};
  std::copy(kMagic.begin(), kMagic.end(), bytes.begin());
  put(&bytes[kPortAt], beacon.port, 2);
  std::copy_n(keyring.run_tag().bytes.begin(), RunTag::kSize, &bytes[kRunAt]);
  std::copy_n(beacon.node_id.bytes.begin(), 16, &bytes[kNodeAt]);
  put(&bytes[kSlotAt], slot_of(wall), 4);
  std::memcpy(&bytes[kAddressAt], &beacon.address, 4);
  const Mac mac = keyring.mac(Bytes(bytes).first(kMacAt));
  std::copy(mac.begin(), mac.end(), &bytes[kMacAt]);
  return bytes;
}

std::optional<Beacon> open_beacon(const Keyring& keyring, Bytes bytes, WallTime wall) {
  if (bytes.size() != kBeaconSize || !has_mac_of(keyring, bytes)) return std::nullopt;
  if (!std::equal(kMagic.begin(), kMagic.end(), bytes.begin())) return std::nullopt;
  const int64_t lag = static_cast<int64_t>(slot_of(wall)) - get(&bytes[kSlotAt], 4);
  if (lag > kBeaconSlotsMax || lag < -kBeaconSlotsMax) return std::nullopt;
  Beacon beacon;
  beacon.port = static_cast<uint16_t>(get(&bytes[kPortAt], 2));
  std::copy_n(&bytes[kNodeAt], 16, beacon.node_id.bytes.begin());
  std::memcpy(&beacon.address, &bytes[kAddressAt], 4);
  if (beacon.port == 0) return std::nullopt;
  return beacon;
}

bool is_foreign_beacon(const Keyring& keyring, Bytes bytes) {
  if (bytes.size() != kBeaconSize) return false;
  const RunTag& run = keyring.run_tag();
  return std::equal(kMagic.begin(), kMagic.end(), bytes.begin()) &&
         std::equal(run.bytes.begin(), run.bytes.end(), &bytes[kRunAt]) &&
         !has_mac_of(keyring, bytes);
}

uint16_t beacon_port(const RunTag& run) {
  return static_cast<uint16_t>(kPortFirst + get(run.bytes.data(), 2) % kPortCount);
}

in_addr beacon_group(const RunTag& run) {
  in_addr group{};
  const uint32_t host = get(run.bytes.data() + 2, 3) & 0x3ffff;
  group.s_addr = htonl((uint32_t{239} << 24) | (uint32_t{192} << 16) | host);
  return group;
}

std::string BeaconSocket::open(const RunTag& run, bool loopback_only,
                               const std::string& interface_name, uint16_t port) {
  loopback_only_ = loopback_only;
  port_ = port == 0 ? beacon_port(run) : port;
  group_ = beacon_group(run);
  const auto failed = [this] {
    receiving_.reset();
    return "no beacon: UDP port " + std::to_string(port_) + ": " + std::strerror(errno);
  };
  receiving_ = make_socket();
  if (!receiving_.valid()) return failed();
  // Several processes share the port; each gets a copy of what is sent to all.
  if (!set_flag(receiving_.get(), SOL_SOCKET, SO_REUSEADDR, 1)) return failed();
  in_addr local{};
  local.s_addr = htonl(loopback_only ? 0x7fffffff : INADDR_ANY);
  if (!bind_to(receiving_.get(), local, port_)) return failed();
  if (loopback_only) {
    // A socket bound to the broadcast address of lo cannot hear another interface; nor can it send.
    sending_ = make_socket();
    local.s_addr = htonl(INADDR_LOOPBACK);
    return sending_.valid() && bind_to(sending_.get(), local, 0) ? "" : failed();
  }
  set_flag(receiving_.get(), IPPROTO_IP, IP_MULTICAST_ALL, 0);
  set_flag(receiving_.get(), IPPROTO_IP, IP_MULTICAST_TTL, 1);
  for (const Interface& interface : list_interfaces()) {
    if (interface_name.empty() ? interface.is_loopback : interface.name != interface_name) continue;
    const ip_mreqn request = membership(group_, interface);
    setsockopt(receiving_.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request);
    interfaces_.push_back(interface);
  }
  if (interfaces_.empty() && !interface_name.empty()) {
    receiving_.reset();
    return "no beacon: there is no interface '" + interface_name + "' with an IPv4 address";
  }
  return "";
}

std::size_t BeaconSocket::send(const BeaconBytes& beacon) {
  if (!is_open()) return 0;
  if (loopback_only_) {
    in_addr everybody{};
    everybody.s_addr = htonl(0x7fffffff);
    return transmit(sending_.get(), beacon, everybody, port_) ? 1 : 0;
  }
  std::size_t sent = 0;
  for (const Interface& interface : interfaces_) {
    const ip_mreqn request = membership({}, interface);
    if (setsockopt(receiving_.get(), IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request) == 0) {
      if (transmit(receiving_.get(), beacon, group_, port_)) ++sent;
    }
    if (!interface.has_broadcast) continue;
    if (transmit(receiving_.get(), beacon, interface.broadcast, port_)) ++sent;
  }
  return sent;
}

bool BeaconSocket::send_to(const BeaconBytes& beacon, in_addr address) {
  return is_open() && !loopback_only_ && transmit(receiving_.get(), beacon, address, port_);
}

std::optional<Datagram> BeaconSocket::receive() {
  if (!is_open()) return std::nullopt;
  std::array<uint8_t, kBeaconSize + 1> buffer;
  sockaddr_in from{};
  socklen_t from_size = sizeof from;
  const ssize_t size = recvfrom(receiving_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                reinterpret_cast<sockaddr*>(&from), &from_size);
  if (size < 0) return std::nullopt;
  Datagram datagram;
  datagram.bytes.assign(buffer.begin(), buffer.begin() + size);
  datagram.from = from.sin_addr;
  return datagram;
}

}  // namespace dagz::mesh
