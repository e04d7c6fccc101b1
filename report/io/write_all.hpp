#pragma once

#include <string_view>

namespace dagz::report {

// Who takes nothing for this long loses what was to be written.
inline constexpr int kStallMaxMs = 10'000;

// Writes all to a descriptor, waiting for its reader, and without the signal of a pipe that nobody
// reads. Returns 0, or the errno of what went wrong (ETIMEDOUT after kStallMaxMs). `lost`: how many
// bytes were not written.
int write_all(int descriptor, std::string_view bytes, std::size_t& lost);

}  // namespace dagz::report
