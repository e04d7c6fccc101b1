#include "mesh/hostlist.hpp"

#include <cstdint>

namespace dagz::mesh {
namespace {

using Names = std::vector<std::string>;

// Nine digits fit 32 bits and are more than any cluster numbers its nodes with.
constexpr std::size_t kDigitsMax = 9;

std::optional<uint32_t> parse_number(std::string_view digits) {
  if (digits.empty() || digits.size() > kDigitsMax) return std::nullopt;
  uint32_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<uint32_t>(c - '0');
  }
  return value;
}

std::string padded(uint32_t value, std::size_t width) {
  std::string digits = std::to_string(value);
  if (digits.size() < width) digits.insert(0, width - digits.size(), '0');
  return digits;
}

// "7", "07" or "7-12"
bool append_range(std::string_view range, Names& out) {
  const std::size_t dash = range.find('-');
  const std::string_view low_text = range.substr(0, dash);
  const auto low = parse_number(low_text);
  const auto high =
      dash == std::string_view::npos ? low : parse_number(range.substr(dash + 1, range.size()));
  if (!low || !high || *high < *low || *high - *low >= kHostlistMax) return false;
  if (out.size() + (*high - *low) >= kHostlistMax) return false;
  for (uint32_t n = *low; n <= *high; ++n) out.push_back(padded(n, low_text.size()));
  return true;
}

// What stands between two brackets: "1-3,07-09"
bool parse_bracket(std::string_view inside, Names& out) {
  while (true) {
    const std::size_t comma = inside.find(',');
    if (!append_range(inside.substr(0, comma), out)) return false;
    if (comma == std::string_view::npos) return true;
    inside.remove_prefix(comma + 1);
  }
}

// Appends every ending to every name.
bool multiply(Names& names, const Names& endings) {
  if (names.size() * endings.size() > kHostlistMax) return false;
  Names product;
  product.reserve(names.size() * endings.size());
  for (const std::string& name : names) {
    for (const std::string& ending : endings) product.push_back(name + ending);
  }
  names = std::move(product);
  return true;
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

// One element of the list, such as "r[1-2]n[1-2]".
bool expand_element(std::string_view element, Names& out) {
  if (element.empty()) return false;
  Names names{""};
  std::size_t at = 0;
  while (at < element.size()) {
    if (element[at] == '[') {
      const std::size_t close = element.find(']', at);
      if (close == std::string_view::npos) return false;
      Names endings;
      if (!parse_bracket(element.substr(at + 1, close - at - 1), endings)) return false;
      if (!multiply(names, endings)) return false;
      at = close + 1;
    } else {
      if (!is_name_character(element[at])) return false;
      for (std::string& name : names) name.push_back(element[at]);
      ++at;
    }
  }
  if (out.size() + names.size() > kHostlistMax) return false;
  out.insert(out.end(), names.begin(), names.end());
  return true;
}

}  // namespace

std::optional<std::vector<std::string>> expand_hostlist(std::string_view text) {
  Names hosts;
  if (text.empty()) return hosts;
  std::size_t begin = 0;
  bool inside = false;
  for (std::size_t at = 0; at <= text.size(); ++at) {
    if (at < text.size() && text[at] == '[') inside = true;
    if (at < text.size() && text[at] == ']') inside = false;
    if (at < text.size() && (text[at] != ',' || inside)) continue;
    if (!expand_element(text.substr(begin, at - begin), hosts)) return std::nullopt;
    begin = at + 1;
  }
  return hosts;
}

}  // namespace dagz::mesh
