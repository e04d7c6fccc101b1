#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dagz::mesh {

// A numeric address with its port, IPv4 or IPv6. Written "10.0.0.7:4242" or "[fe80::1]:4242".
struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  uint16_t port() const;
  bool is_ipv6() const { return storage.ss_family == AF_INET6; }
  // 127.0.0.0/8 or ::1
  bool is_loopback() const;
  // 0.0.0.0 or ::
  bool is_wildcard() const;
  std::string host() const;
  std::string text() const;
};

// "localhost", or a number of this host's loopback. No other name is: a resolver may say anything.
bool is_loopback_host(std::string_view host);

// Nothing when the host is a name or anything is malformed. `host` may stand in brackets.
std::optional<Address> parse_address(std::string_view host_and_port);
std::optional<Address> make_address(std::string_view host, uint16_t port);

// "name:port" without resolving; the port is 0 where the text has none.
struct HostAndPort {
  std::string host;
  uint16_t port = 0;
};
std::optional<HostAndPort> split_host_and_port(std::string_view text);

struct Interface {
  std::string name;
  unsigned index = 0;
  in_addr address{};
  in_addr broadcast{};
  bool has_broadcast = false;
  bool is_loopback = false;
};

// The IPv4 interfaces that are up, in the kernel's order, at most kInterfacesMax.
inline constexpr std::size_t kInterfacesMax = 32;
std::vector<Interface> list_interfaces();

// The own address on the way to the first of `peers` ("10.0.0.7:4242"; names are passed over), else
// of the first interface that leads off this host, else loopback. Sends nothing.
std::string route_address(const std::vector<std::string>& peers);

}  // namespace dagz::mesh
