#include "report/calendar.hpp"

#include <fmt/format.h>

#include <charconv>

namespace dagz::report {
namespace {

int64_t floor_divide(int64_t value, int64_t divisor) {
  return value / divisor - (value % divisor < 0 ? 1 : 0);
}

}  // namespace

// Howard Hinnant's days-to-civil: years begin in March, so that the leap day comes last.
CivilDate civil_date(WallTime time) {
  const int64_t days = floor_divide(time.ms, kDayMs) + 719'468;
  const int64_t era = floor_divide(days, 146'097);
  const int64_t day_of_era = days - era * 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  CivilDate date;
  date.year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  date.month = static_cast<uint32_t>(month);
  date.day = static_cast<uint32_t>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  return date;
}

WallTime start_of_day(WallTime time) { return {floor_divide(time.ms, kDayMs) * kDayMs}; }

std::string format_timestamp(WallTime time) {
  const CivilDate date = civil_date(time);
  const int64_t seconds = (time.ms - start_of_day(time).ms) / 1'000;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", date.year, date.month, date.day,
                     seconds / 3'600, seconds / 60 % 60, seconds % 60);
}

std::string format_short_id(WallTime started, uint32_t number) {
  const CivilDate date = civil_date(started);
  return fmt::format("j{:02}{:02}.{}", date.month, date.day, number);
}

uint32_t number_of_short_id(const std::string& short_id) {
  const std::size_t dot = short_id.find('.');
  if (dot != 5 || short_id[0] != 'j') return 0;
  uint32_t number = 0;
  const char* end = short_id.data() + short_id.size();
  const auto [stop, error] = std::from_chars(short_id.data() + dot + 1, end, number);
  return error == std::errc() && stop == end ? number : 0;
}

}  // namespace dagz::report
