#include "mesh/io/address.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>

namespace dagz::mesh {
namespace {

const sockaddr_in& as_ipv4(const sockaddr_storage& storage) {
  return reinterpret_cast<const sockaddr_in&>(storage);
}

const sockaddr_in6& as_ipv6(const sockaddr_storage& storage) {
  return reinterpret_cast<const sockaddr_in6&>(storage);
}

std::optional<uint16_t> parse_port(std::string_view digits) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return port;
}

in_addr ipv4_of(const sockaddr* address) {
  return reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
}

}  // namespace

uint16_t Address::port() const {
  return ntohs(is_ipv6() ? as_ipv6(storage).sin6_port : as_ipv4(storage).sin_port);
}

bool Address::is_loopback() const {
  if (is_ipv6()) return IN6_IS_ADDR_LOOPBACK(&as_ipv6(storage).sin6_addr) != 0;
  return (ntohl(as_ipv4(storage).sin_addr.s_addr) >> 24) == 127;
}

bool is_loopback_host(std::string_view host) {
  // Short forms as well, such as 127.1.
  const bool v4 =
      host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
  if (v4 || host == "localhost") return true;
  const auto address = make_address(host, 0);
  return address && address->is_loopback();
}

bool Address::is_wildcard() const {
  if (is_ipv6()) return IN6_IS_ADDR_UNSPECIFIED(&as_ipv6(storage).sin6_addr) != 0;
  return as_ipv4(storage).sin_addr.s_addr == 0;
}

std::string Address::host() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* address = is_ipv6() ? static_cast<const void*>(&as_ipv6(storage).sin6_addr)
                                  : static_cast<const void*>(&as_ipv4(storage).sin_addr);
  inet_ntop(storage.ss_family, address, text.data(), text.size());
  return text.data();
}

std::string Address::text() const {
  const std::string name = is_ipv6() ? "[" + host() + "]" : host();
  return name + ":" + std::to_string(port());
}

std::optional<Address> make_address(std::string_view host, uint16_t port) {
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (host.size() >= INET6_ADDRSTRLEN) return std::nullopt;
  const std::string text(host);
  Address address;
  auto& ipv4 = reinterpret_cast<sockaddr_in&>(address.storage);
  auto& ipv6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (inet_pton(AF_INET, text.c_str(), &ipv4.sin_addr) == 1) {
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(port);
    address.size = sizeof(sockaddr_in);
    return address;
  }
  if (inet_pton(AF_INET6, text.c_str(), &ipv6.sin6_addr) == 1) {
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(port);
    address.size = sizeof(sockaddr_in6);
    return address;
  }
  return std::nullopt;
}

std::optional<Address> parse_address(std::string_view host_and_port) {
  const auto parts = split_host_and_port(host_and_port);
  if (!parts || parts->port == 0) return std::nullopt;
  return make_address(parts->host, parts->port);
}

std::optional<HostAndPort> split_host_and_port(std::string_view text) {
  std::size_t colon = text.rfind(':');
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    if (close + 1 == text.size()) return HostAndPort{std::string(text.substr(1, close - 1)), 0};
    if (text[close + 1] != ':') return std::nullopt;
    colon = close + 1;
  } else if (colon != std::string_view::npos && text.find(':') != colon) {
    return HostAndPort{std::string(text), 0};  // a bare IPv6 address
  }
  std::string_view host = text.substr(0, colon);
  if (!host.empty() && host.front() == '[') host = host.substr(1, host.size() - 2);
  if (host.empty() || host.size() > 255) return std::nullopt;
  if (colon == std::string_view::npos) return HostAndPort{std::string(host), 0};
  const auto port = parse_port(text.substr(colon + 1));
  if (!port || *port == 0) return std::nullopt;
  return HostAndPort{std::string(host), *port};
}

std::vector<Interface> list_interfaces() {
  std::vector<Interface> interfaces;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return interfaces;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET) continue;
    if ((entry->ifa_flags & IFF_UP) == 0 || interfaces.size() >= kInterfacesMax) continue;
    Interface interface;
    interface.name = entry->ifa_name;
    interface.index = if_nametoindex(entry->ifa_name);
    interface.address = ipv4_of(entry->ifa_addr);
    interface.is_loopback = (entry->ifa_flags & IFF_LOOPBACK) != 0;
    if ((entry->ifa_flags & IFF_BROADCAST) != 0 && entry->ifa_broadaddr != nullptr) {
      interface.broadcast = ipv4_of(entry->ifa_broadaddr);
      interface.has_broadcast = true;
    }
    interfaces.push_back(interface);
  }
  freeifaddrs(list);
  return interfaces;
}

std::string route_address(const std::vector<std::string>& peers) {
  for (const std::string& peer : peers) {
    const auto address = parse_address(peer);
    if (!address) continue;
    // Connecting a datagram socket only looks the route up.
    const int probe = socket(address->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0) continue;
    Address own;
    own.size = sizeof own.storage;
    const bool known =
        connect(probe, address->get(), address->size) == 0 &&
        getsockname(probe, reinterpret_cast<sockaddr*>(&own.storage), &own.size) == 0;
    close(probe);
    if (known && !own.is_wildcard()) return own.host();
  }
  for (const Interface& one : list_interfaces()) {
    if (one.is_loopback) continue;
    char text[INET_ADDRSTRLEN] = {};
    if (inet_ntop(AF_INET, &one.address, text, sizeof text) != nullptr) return text;
  }
  return "127.0.0.1";
}

}  // namespace dagz::mesh
