#pragma once

#include <compare>
#include <cstdint>

// Time as the cores see it: a value that is passed in, never read. Nanoseconds in 64 bits last for
// 292 years. `Instant` is monotonic and local to a process; wall-clock times are `WallTime`.

namespace dagz {

struct Duration {
  int64_t ns = 0;

  static constexpr Duration nanoseconds(int64_t n) { return {n}; }
  static constexpr Duration microseconds(int64_t n) { return {n * 1'000}; }
  static constexpr Duration milliseconds(int64_t n) { return {n * 1'000'000}; }
  static constexpr Duration seconds(int64_t n) { return {n * 1'000'000'000}; }

  constexpr int64_t us() const { return ns / 1'000; }
  constexpr int64_t ms() const { return ns / 1'000'000; }
  // For display only: no decision may rest on a floating-point value.
  constexpr double to_seconds() const { return static_cast<double>(ns) / 1e9; }

  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration other) const { return {ns + other.ns}; }
  constexpr Duration operator-(Duration other) const { return {ns - other.ns}; }
  constexpr Duration operator*(int64_t factor) const { return {ns * factor}; }
  constexpr Duration operator/(int64_t divisor) const { return {ns / divisor}; }
  constexpr Duration& operator+=(Duration other) {
    ns += other.ns;
    return *this;
  }
  constexpr Duration& operator-=(Duration other) {
    ns -= other.ns;
    return *this;
  }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(ns);
  }
};

struct Instant {
  int64_t ns = 0;

  static constexpr Instant never() { return {INT64_MAX}; }

  constexpr auto operator<=>(const Instant&) const = default;
  constexpr Instant operator+(Duration d) const { return {ns + d.ns}; }
  constexpr Instant operator-(Duration d) const { return {ns - d.ns}; }
  constexpr Duration operator-(Instant other) const { return {ns - other.ns}; }
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
