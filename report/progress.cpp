#include "report/progress.hpp"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <string_view>

#include "report/text.hpp"

namespace dagz::report {
namespace {

Color color_of(Verdict verdict) {
  if (is_failure(verdict)) return Color::kRed;
  switch (verdict) {
    case Verdict::kOk:
    case Verdict::kXpass:
      return Color::kGreen;
    case Verdict::kSkipped:
    case Verdict::kXfail:
    case Verdict::kRedundant:
      return Color::kPlain;
    default:
      return Color::kYellow;
  }
}

// Through a buffer: a string would grow, and be filled with zeros, for each part.
template <class Format, class... Values>
std::string join(const Format& format, const Values&... values) {
  fmt::memory_buffer text;
  fmt::format_to(fmt::appender(text), format, values...);
  return fmt::to_string(text);
}

// A value below `scale`, a power of ten, with all its zeros: a 1 stands before them.
class Padded {
 public:
  Padded(uint64_t value, uint64_t scale) : text_(scale + value) {}
  std::string_view digits() const { return {text_.data() + 1, text_.size() - 1}; }

 private:
  fmt::format_int text_;
};

std::string_view cells(uint32_t count) {
  static constexpr std::string_view kAll = "█████████";
  return kAll.substr(0, kAll.size() / kBarCells * count);
}

std::string format_bar(const Counts& counts, bool color) {
  if (!color) return std::string(cells(kBarCells));
  const BarCells bar = bar_cells(counts);
  return paint(Color::kGreen, cells(bar.green), true) + paint(Color::kRed, cells(bar.red), true) +
         paint(Color::kYellow, cells(bar.yellow), true) +
         paint(Color::kBlue, cells(bar.blue), true);
}

uint64_t magnitude(Duration duration) {
  return duration.ns < 0 ? 0 - static_cast<uint64_t>(duration.ns)
                         : static_cast<uint64_t>(duration.ns);
}

// |duration| in units of `unit` nanoseconds, rounded half up.
uint64_t rounded(Duration duration, uint64_t unit) {
  return (magnitude(duration) + unit / 2) / unit;
}

}  // namespace

BarCells bar_cells(const Counts& counts) {
  const uint64_t retrying =
      counts.retrying < counts.unfinished ? counts.retrying : counts.unfinished;
  const std::array<uint64_t, 4> parts = {
      counts.passed + counts.flaky + counts.skipped + counts.redundant,
      counts.failed + counts.errors, retrying, counts.unfinished - retrying};
  const uint64_t total = parts[0] + parts[1] + parts[2] + parts[3];
  if (total == 0) return {0, 0, 0, kBarCells};

  std::array<uint32_t, 4> share{};
  std::array<uint64_t, 4> rest{};
  uint32_t given = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    share[i] = static_cast<uint32_t>(parts[i] * kBarCells / total);
    rest[i] = parts[i] * kBarCells % total;
    if (share[i] == 0 && parts[i] > 0) {
      share[i] = 1;
      rest[i] = 0;
    }
    given += share[i];
  }
  const auto largest = [](const auto& values) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < values.size(); ++i) best = values[i] > values[best] ? i : best;
    return best;
  };
  for (; given > kBarCells; --given) --share[largest(share)];
  for (; given < kBarCells; ++given) {
    const std::size_t next = largest(rest);
    ++share[next];
    rest[next] = 0;
  }
  return {share[0], share[1], share[2], share[3]};
}

std::string format_counts(const Counts& counts) {
  const uint64_t passed = counts.passed + counts.flaky;
  const uint64_t skipped = counts.skipped + counts.redundant;
  const uint64_t failed = counts.failed + counts.errors;
  return join(FMT_COMPILE("{}+{}+{}+{}={}"), passed, counts.unfinished, skipped, failed,
              passed + counts.unfinished + skipped + failed);
}

std::string format_progress(const ProgressEvent& event, bool color) {
  return join(FMT_COMPILE("{} {} [{}] {} {} lag={} {} %cpu={}% worker #{}"),
              format_clock(event.elapsed), format_bar(event.counts, color),
              format_counts(event.counts),
              paint(color_of(event.verdict), to_string(event.verdict), color),
              format_seconds(event.duration, 1), format_seconds(event.lag, 3, true),
              visible(event.id), event.cpu_percent, event.worker);
}

std::string format_clock(Duration elapsed) {
  const auto ms = static_cast<uint64_t>(elapsed.ns < 0 ? 0 : elapsed.ms());
  const uint64_t hours = ms / 3'600'000;
  return join(FMT_COMPILE("{}{}:{}:{}.{}"), hours < 10 ? "0" : "", hours,
              Padded(ms / 60'000 % 60, 100).digits(), Padded(ms / 1'000 % 60, 100).digits(),
              Padded(ms % 1'000, 1'000).digits());
}

std::string format_duration(Duration duration) {
  const uint64_t tenths = rounded(duration, 100'000'000);
  const uint64_t seconds = rounded(duration, 1'000'000'000);
  const char* sign = duration.ns < 0 && tenths > 0 ? "-" : "";
  if (tenths < 600) return fmt::format("{}{}.{}s", sign, tenths / 10, tenths % 10);
  if (tenths < 6'000) {
    return fmt::format("{}{}m{:02}.{}s", sign, tenths / 600, tenths / 10 % 60, tenths % 10);
  }
  if (seconds < 3'600) return fmt::format("{}{}m{:02}s", sign, seconds / 60, seconds % 60);
  const uint64_t minutes = rounded(duration, 60'000'000'000);
  return fmt::format("{}{}h{:02}m", sign, minutes / 60, minutes % 60);
}

std::string format_seconds(Duration duration, int decimals, bool sign) {
  uint64_t scale = 1;
  for (int i = 0; i < decimals; ++i) scale *= 10;
  const uint64_t units = rounded(duration, 1'000'000'000 / scale);
  const char* prefix = duration.ns < 0 && units > 0 ? "-" : sign ? "+" : "";
  if (decimals == 0) return join(FMT_COMPILE("{}{}s"), prefix, units);
  return join(FMT_COMPILE("{}{}.{}s"), prefix, units / scale,
              Padded(units % scale, scale).digits());
}

}  // namespace dagz::report
