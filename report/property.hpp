#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "mesh/archive.hpp"

// What a test says of itself for the JUnit file: pytest's `user_properties`, as record_property
// adds them.

namespace dagz::report {

inline constexpr std::size_t kPropertiesMax = 64;  // of one attempt
inline constexpr std::size_t kPropertyNameMax = 256;
inline constexpr std::size_t kPropertyValueMax = 4096;

struct Property {
  std::string name;
  std::string value;

  bool operator==(const Property&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(name, kPropertyNameMax), bounded(value, kPropertyValueMax));
  }
};

using Properties = std::vector<Property>;

}  // namespace dagz::report
