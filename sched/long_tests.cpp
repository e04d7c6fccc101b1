#include "sched/long_tests.hpp"

#include <algorithm>
#include <utility>

namespace dagz::sched {

Duration long_test(Duration total, uint32_t workers) {
  return std::max(kLongAtLeast, total / std::max<uint32_t>(1, workers) / kLongPart);
}

Duration median(std::vector<Duration> list) {
  if (list.empty()) return {};
  const auto middle = list.begin() + static_cast<std::ptrdiff_t>((list.size() - 1) / 2);
  std::nth_element(list.begin(), middle, list.end());
  return *middle;
}

Duration setup_of(const std::vector<Duration>& expected) {
  if (expected.size() < 2) return {};
  if (expected.size() < 4) return expected.front();
  return std::max(Duration{}, expected.front() - median({expected.begin() + 1, expected.end()}));
}

LongFirst long_first(const std::vector<Duration>& expected, Duration long_test,
                     Duration known_setup, bool has_first, const std::vector<bool>& foretold) {
  const auto from = expected.begin() + (has_first && !expected.empty() ? 1 : 0);
  const auto [least, most] = std::minmax_element(from, expected.end());
  const bool alike = from == expected.end() || *most - *least <= *most / kAlikePart;
  Duration usual;
  const auto is_long = [&](std::size_t i) {
    if (i == 0 && has_first) return false;
    if (!foretold.empty() && foretold[i]) return true;
    if (expected[i] < long_test) return false;
    const bool very_long = expected[i] >= long_test * kVeryLong;
    if (very_long && !alike) return true;
    if (usual.ns == 0) usual = median(expected);
    return very_long ? expected[i] > usual : expected[i] >= usual * 2;
  };
  LongFirst result;
  std::vector<std::size_t> others;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    (is_long(i) ? result.alone : others).push_back(i);
  }
  const auto longer = [&](std::size_t a, std::size_t b) { return expected[a] > expected[b]; };
  std::stable_sort(result.alone.begin(), result.alone.end(), longer);
  if (result.alone.empty()) {
    result.rest = std::move(others);
    return result;
  }
  const Duration guessed = has_first ? setup_of(expected) : Duration{};
  const auto is_dear = [&](std::size_t i) {
    const bool is_foretold = !foretold.empty() && foretold[i];
    const bool very_long = is_foretold || expected[i] >= long_test * kVeryLong;
    const int64_t part = very_long ? kVeryLongSetupPart : kSetupPart;
    return std::max(known_setup * part, guessed * kGuessedSetupPart) > expected[i];
  };
  const auto dear = std::stable_partition(result.alone.begin(), result.alone.end(),
                                          [&](std::size_t i) { return !is_dear(i); });
  const auto begins = others.begin() + (has_first ? 1 : 0);
  result.rest.assign(others.begin(), begins);
  result.rest.insert(result.rest.end(), dear, result.alone.end());
  result.rest.insert(result.rest.end(), begins, others.end());
  result.alone.erase(dear, result.alone.end());
  return result;
}

}  // namespace dagz::sched
