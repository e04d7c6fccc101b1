#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mesh/time.hpp"

// Dates in UTC from wall-clock times, without the system's time zones or locales.

namespace dagz::report {

struct CivilDate {
  int64_t year = 1970;
  uint32_t month = 1;  // 1 to 12
  uint32_t day = 1;    // 1 to 31
};

CivilDate civil_date(WallTime time);
// Midnight before `time`.
WallTime start_of_day(WallTime time);
inline constexpr int64_t kDayMs = 86'400'000;

// 2026-05-17T10:11:12
std::string format_timestamp(WallTime time);
// The same, with or without a fraction and a zone (Z, +02:00); without one it is UTC.
std::optional<WallTime> parse_timestamp(std::string_view text);
// j0517.50: the 50th job of 17 May.
std::string format_short_id(WallTime started, uint32_t number);
// 50 of j0517.50; 0 when it is no short id.
uint32_t number_of_short_id(const std::string& short_id);

}  // namespace dagz::report
