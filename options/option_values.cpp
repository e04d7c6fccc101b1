#include "options/option_values.hpp"

#include <algorithm>
#include <charconv>

namespace dagz {
namespace {

constexpr int64_t kMaxWhole = 1'000'000'000'000;

// The digits at the front of `text`, which are taken off it.
std::optional<int64_t> take_whole(std::string_view& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || text.front() == '-' || value > kMaxWhole) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool is_host(std::string_view text) {
  constexpr std::size_t kMaxHost = 253;
  if (text.empty() || text.size() > kMaxHost) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    const char l = lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  });
}

bool is_ipv6(std::string_view text) {
  constexpr std::size_t kMaxAddress = 64;  // with a scope, as in fe80::1%eth0
  if (text.size() > kMaxAddress || std::count(text.begin(), text.end(), ':') < 2) return false;
  const std::string_view address = text.substr(0, text.find('%'));
  return address.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
}

// Optimal string alignment: insertions, deletions, replacements, neighbours swapped.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      const std::size_t replaced = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::optional<uint32_t> parse_number(std::string_view text, uint32_t low, uint32_t high) {
  if (text.empty()) return std::nullopt;
  const auto value = take_whole(text);
  if (!value || !text.empty() || *value < low || *value > high) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

std::optional<Duration> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto whole = take_whole(text);
  if (!whole) return std::nullopt;
  int64_t billionths = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    int64_t place = 100'000'000;
    if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
    for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1)) {
      billionths += (text.front() - '0') * place;
      place /= 10;
    }
  }
  int64_t unit_ms = 0;
  if (text.empty() || text == "s") unit_ms = 1'000;
  if (text == "ms") unit_ms = 1;
  if (text == "m") unit_ms = 60'000;
  if (text == "h") unit_ms = 3'600'000;
  if (unit_ms == 0 || *whole > kMaxDuration.ms() / unit_ms) return std::nullopt;
  const Duration value =
      Duration::milliseconds(*whole * unit_ms) + Duration::nanoseconds(billionths * unit_ms / 1000);
  if (value > kMaxDuration) return std::nullopt;
  return value;
}

std::optional<uint64_t> parse_size(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto whole = take_whole(text);
  if (!whole || *whole == 0) return std::nullopt;
  std::string unit = lowered(text);
  if (unit.ends_with("ib")) {
    unit.resize(unit.size() - 2);
  } else if (unit.ends_with('b')) {
    unit.pop_back();
  }
  int shift = -1;
  if (unit.empty()) shift = 0;
  if (unit == "k") shift = 10;
  if (unit == "m") shift = 20;
  if (unit == "g") shift = 30;
  if (unit == "t") shift = 40;
  if (shift < 0 || *whole > (INT64_MAX >> shift)) return std::nullopt;
  return static_cast<uint64_t>(*whole) << shift;
}

std::optional<bool> parse_bool(std::string_view text) {
  const std::string word = lowered(text);
  if (word == "1" || word == "true" || word == "yes" || word == "on") return true;
  if (word == "0" || word == "false" || word == "no" || word == "off") return false;
  return std::nullopt;
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_number(text.substr(colon + 1), 1, 65535);
  std::string_view host = text.substr(0, colon);
  if (!port) return std::nullopt;
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (!is_ipv6(host)) return std::nullopt;
  } else if (!is_host(host)) {
    return std::nullopt;
  }
  return Endpoint{std::string(host), static_cast<uint16_t>(*port)};
}

std::optional<std::vector<Endpoint>> parse_endpoints(std::string_view text) {
  std::vector<Endpoint> endpoints;
  for (const std::string& part : split_list(text, ',')) {
    const auto endpoint = parse_endpoint(part);
    if (!endpoint) return std::nullopt;
    endpoints.push_back(*endpoint);
  }
  return endpoints;
}

std::optional<Endpoint> parse_listen(std::string_view text) {
  if (is_ipv6(text)) return Endpoint{std::string(text), 0};
  if (text.starts_with('[') && text.ends_with(']')) {
    const std::string_view inner = text.substr(1, text.size() - 2);
    if (!is_ipv6(inner)) return std::nullopt;
    return Endpoint{std::string(inner), 0};
  }
  if (text.find(':') != std::string_view::npos) return parse_endpoint(text);
  if (!is_host(text)) return std::nullopt;
  return Endpoint{std::string(text), 0};
}

std::optional<std::string> parse_web_address(std::string_view text) {
  while (text.ends_with('/')) text.remove_suffix(1);
  const std::size_t scheme = text.starts_with("https://") ? 8 : 7;
  if (!text.starts_with("https://") && !text.starts_with("http://")) return std::nullopt;
  if (text.size() <= scheme || text.size() > kWebAddressMax || text[scheme] == '/') {
    return std::nullopt;
  }
  for (const char c : text) {
    const bool plain = c > 0x20 && c < 0x7f;
    if (!plain || std::string_view("\"'<>\\^`{|}?#").find(c) != std::string_view::npos) {
      return std::nullopt;
    }
  }
  return std::string(text);
}

std::optional<std::size_t> parse_choice(std::string_view text, std::string_view choices) {
  const std::vector<std::string> words = split_list(choices, '|');
  const auto found = std::find(words.begin(), words.end(), text);
  if (found == words.end()) return std::nullopt;
  return static_cast<std::size_t>(found - words.begin());
}

std::vector<std::string> split_list(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string nearest(std::string_view text, const std::vector<std::string>& candidates) {
  constexpr std::size_t kMaxLength = 64;
  if (text.size() > kMaxLength) return "";
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, text.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(text, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace dagz
