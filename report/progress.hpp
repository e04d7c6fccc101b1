#pragma once

#include <cstdint>
#include <string>

#include "mesh/time.hpp"
#include "report/summary.hpp"
#include "report/verdict.hpp"

// The line printed for every test as it finishes.

namespace dagz::report {

struct ProgressEvent {
  Duration elapsed;  // since the job began
  Counts counts;     // of the whole job, this test included
  Verdict verdict = Verdict::kOk;
  Duration duration;
  Duration lag;  // how far its worker is behind its plan; negative: ahead
  std::string id;
  uint32_t cpu_percent = 0;
  uint32_t worker = 0;
};

// 00:00:04.190 █████████ [36+98+32+1=167] FAILED 0.5s lag=+0.635s id %cpu=3% worker #3
// without a line end. The id is printed as it is, but for control characters.
std::string format_progress(const ProgressEvent& event, bool color);

// The nine cells of the bar, shared out by counts. Every kind that occurs has at least one cell.
struct BarCells {
  uint32_t green = 0;   // done and not failed
  uint32_t red = 0;     // failed for good
  uint32_t yellow = 0;  // failed, a retry is pending
  uint32_t blue = 0;    // left
};
inline constexpr uint32_t kBarCells = 9;
BarCells bar_cells(const Counts& counts);

// passed+left+skipped+failed=total, which always sums: passed includes flaky, failed errors (those
// of collection too), skipped redundant.
std::string format_counts(const Counts& counts);

// HH:MM:SS.mmm
std::string format_clock(Duration elapsed);
// 0.5s, 12.3s, 4m12.3s, 12m04s, 1h02m
std::string format_duration(Duration duration);
// Seconds with 0 to 9 decimals, however many seconds: 248.0s. With `sign`, + or - is always there.
std::string format_seconds(Duration duration, int decimals, bool sign = false);

}  // namespace dagz::report
