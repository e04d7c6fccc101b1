#include "report/calendar.hpp"

#include <fmt/format.h>

#include <charconv>

namespace dagz::report {
namespace {

int64_t floor_divide(int64_t value, int64_t divisor) {
  return value / divisor - (value % divisor < 0 ? 1 : 0);
}

// `count` digits at the front of `text`, which are taken off it.
std::optional<int64_t> take_digits(std::string_view& text, std::size_t count) {
  int64_t value = 0;
  if (text.size() < count) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + count, value);
  if (error != std::errc() || end != text.data() + count || text[0] == '-') return std::nullopt;
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

int64_t days_since_epoch(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = floor_divide(year, 400);
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
         719'468;
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

std::optional<WallTime> parse_timestamp(std::string_view text) {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || *month < 1 || *month > 12 || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day || *day < 1 || *day > 31 || !(take(text, 'T') || take(text, ' '))) return std::nullopt;
  const auto hour = take_digits(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || !take(text, ':')) return std::nullopt;
  const auto second = take_digits(text, 2);
  if (!second) return std::nullopt;
  int64_t ms = days_since_epoch(*year, *month, *day) * kDayMs +
               ((*hour * 60 + *minute) * 60 + *second) * 1'000;
  if (take(text, '.')) {
    for (int64_t place = 100; !text.empty() && text[0] >= '0' && text[0] <= '9'; place /= 10) {
      ms += (text[0] - '0') * place;
      text.remove_prefix(1);
    }
  }
  const int64_t sign = text.starts_with('+') ? 1 : text.starts_with('-') ? -1 : 0;
  if (sign == 0) {
    if (!text.empty() && text != "Z") return std::nullopt;
    return WallTime{ms};
  }
  text.remove_prefix(1);
  const auto zone_hours = take_digits(text, 2);
  take(text, ':');
  const auto zone_minutes = take_digits(text, 2);
  if (!zone_hours || !zone_minutes || !text.empty()) return std::nullopt;
  return WallTime{ms - sign * (*zone_hours * 60 + *zone_minutes) * 60'000};
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
