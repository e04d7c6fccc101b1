#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

// dagz.toml as a flat list of keys. What the keys mean is the option table's affair.

namespace dagz {

struct ConfigEntry {
  std::string key;
  std::string value;  // as an option's text; the items of a list joined by commas
  uint32_t line = 0;  // 1-based
};

// The entries in order of their lines, or one sentence that names the file and the line.
using ConfigResult = std::variant<std::vector<ConfigEntry>, std::string>;

ConfigResult read_config(const std::string& path, const std::string& text);

}  // namespace dagz
