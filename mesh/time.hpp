#pragma once

#include <compare>
#include <cstdint>

// Time as the cores see it: a value that is passed in, never read. Nanoseconds in 64 bits last for
// 292 years; what others say may be absurd, so arithmetic ends at the limits. `Instant` is
// monotonic and local to a process; wall-clock times are `WallTime`.

namespace dagz {

namespace saturating {

constexpr int64_t add(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return a < 0 ? INT64_MIN : INT64_MAX;
  return sum;
}

constexpr int64_t subtract(int64_t a, int64_t b) {
  int64_t difference = 0;
  if (__builtin_sub_overflow(a, b, &difference)) return a < 0 ? INT64_MIN : INT64_MAX;
  return difference;
}

constexpr int64_t multiply(int64_t a, int64_t b) {
  int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
  return product;
}

}  // namespace saturating

struct Duration {
  int64_t ns = 0;

  static constexpr Duration nanoseconds(int64_t n) { return {n}; }
  static constexpr Duration microseconds(int64_t n) { return nanoseconds(1'000) * n; }
  static constexpr Duration milliseconds(int64_t n) { return nanoseconds(1'000'000) * n; }
  static constexpr Duration seconds(int64_t n) { return nanoseconds(1'000'000'000) * n; }

  constexpr int64_t us() const { return ns / 1'000; }
  constexpr int64_t ms() const { return ns / 1'000'000; }
  // For display only: no decision may rest on a floating-point value.
  constexpr double to_seconds() const { return static_cast<double>(ns) / 1e9; }

  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration other) const { return {saturating::add(ns, other.ns)}; }
  constexpr Duration operator-(Duration other) const {
    return {saturating::subtract(ns, other.ns)};
  }
  constexpr Duration operator*(int64_t factor) const { return {saturating::multiply(ns, factor)}; }
  constexpr Duration operator/(int64_t divisor) const { return {ns / divisor}; }
  constexpr Duration& operator+=(Duration other) { return *this = *this + other; }
  constexpr Duration& operator-=(Duration other) { return *this = *this - other; }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(ns);
  }
};

struct Instant {
  int64_t ns = 0;

  static constexpr Instant never() { return {INT64_MAX}; }

  constexpr auto operator<=>(const Instant&) const = default;
  constexpr Instant operator+(Duration d) const { return {saturating::add(ns, d.ns)}; }
  constexpr Instant operator-(Duration d) const { return {saturating::subtract(ns, d.ns)}; }
  constexpr Duration operator-(Instant other) const { return {saturating::subtract(ns, other.ns)}; }
};

// Milliseconds since 1970-01-01 UTC, as this node's clock shows them.
struct WallTime {
  int64_t ms = 0;

  constexpr auto operator<=>(const WallTime&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(ms);
  }
};

}  // namespace dagz
