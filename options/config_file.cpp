#include "options/config_file.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <optional>

namespace dagz {
namespace {

// nullopt: a date, a table or another thing that no option can be.
std::optional<std::string> scalar_text(const toml::node& node) {
  if (const auto value = node.value_exact<std::string>()) return *value;
  if (const auto value = node.value_exact<int64_t>()) return fmt::format("{}", *value);
  if (const auto value = node.value_exact<double>()) return fmt::format("{}", *value);
  if (const auto value = node.value_exact<bool>()) return *value ? "true" : "false";
  return std::nullopt;
}

std::optional<std::string> node_text(const toml::node& node) {
  if (!node.is_array()) return scalar_text(node);
  std::string out;
  for (const toml::node& item : *node.as_array()) {
    const auto text = scalar_text(item);
    if (!text) return std::nullopt;
    if (!out.empty()) out += ',';
    out += *text;
  }
  return out;
}

}  // namespace

ConfigResult read_config(const std::string& path, const std::string& text) {
  std::vector<ConfigEntry> entries;
  try {
    const toml::table table = toml::parse(text, path);
    for (const auto& [key, node] : table) {
      const uint32_t line = key.source().begin.line;
      const auto value = node_text(node);
      if (!value) {
        return fmt::format(
            "{}:{}: '{}' must be a text, a number, true, false or a list of these; there are no "
            "sections",
            path, line, key.str());
      }
      entries.push_back({std::string(key.str()), *value, line});
    }
  } catch (const toml::parse_error& error) {
    return fmt::format("{}:{}: {}", path, error.source().begin.line, error.description());
  }
  std::sort(entries.begin(), entries.end(),
            [](const ConfigEntry& a, const ConfigEntry& b) { return a.line < b.line; });
  return entries;
}

}  // namespace dagz
