#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dagz::mesh {

// More hosts than this in one list are refused.
inline constexpr std::size_t kHostlistMax = 4096;

// Expands Slurm's notation: "n[1-3,07-09],m5" -> n1 n2 n3 n07 n08 n09 m5. Several brackets in one
// name multiply ("r[1-2]n[1-2]" has four hosts). A range keeps the width of its first number.
// Nothing when the text is malformed or stands for more than kHostlistMax hosts; an empty text is
// an empty list.
std::optional<std::vector<std::string>> expand_hostlist(std::string_view text);

}  // namespace dagz::mesh
