#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mesh/time.hpp"

// The texts that options, environment variables and dagz.toml give, turned into values. nullopt
// means "not such a value"; who asks knows what to say then.

namespace dagz {

// Where a peer listens. A host is a name, an IPv4 address or an IPv6 address (without brackets).
struct Endpoint {
  std::string host;
  uint16_t port = 0;

  auto operator<=>(const Endpoint&) const = default;
};

inline constexpr Duration kMaxDuration = Duration::seconds(366 * 24 * 3600);

inline constexpr std::size_t kWebAddressMax = 1024;
inline constexpr std::size_t kLabelMax = 256;  // bytes

// A whole decimal number within the bounds, both included.
std::optional<uint32_t> parse_number(std::string_view text, uint32_t low, uint32_t high);
// 10 (seconds), 0.5, 10s, 500ms, 2m, 1h; at most kMaxDuration.
std::optional<Duration> parse_duration(std::string_view text);
// 1024, 512K, 512M, 2G, 1T, with B or iB if one likes; powers of 1024; more than nothing.
std::optional<uint64_t> parse_size(std::string_view text);
// 1 true yes on, 0 false no off, in any case.
std::optional<bool> parse_bool(std::string_view text);
// host:port or [v6]:port, the port from 1 to 65535.
std::optional<Endpoint> parse_endpoint(std::string_view text);
// A list of the above, split by commas, without spaces around them; not empty.
std::optional<std::vector<Endpoint>> parse_endpoints(std::string_view text);
// address or address:port; port 0 where none is given. A bare IPv6 address has no port.
std::optional<Endpoint> parse_listen(std::string_view text);
// http or https, a host, perhaps a port and a path; without a query. A slash at the end is dropped.
std::optional<std::string> parse_web_address(std::string_view text);
// The place of `text` in "first|second|third".
std::optional<std::size_t> parse_choice(std::string_view text, std::string_view choices);

std::vector<std::string> split_list(std::string_view text, char separator);

// The candidate that was probably meant, or "" when none is near.
std::string nearest(std::string_view text, const std::vector<std::string>& candidates);

}  // namespace dagz
