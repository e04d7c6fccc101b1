#include "report/progress.hpp"

#include <catch2/catch.hpp>

#include "mesh/rng.hpp"

// The line of a finished test, byte for byte.

namespace {

using dagz::Duration;
using namespace dagz::report;

ProgressEvent event() {
  ProgressEvent result;
  result.elapsed = Duration::milliseconds(4'190);
  result.counts.passed = 30;
  result.counts.flaky = 6;
  result.counts.unfinished = 98;
  result.counts.skipped = 30;
  result.counts.redundant = 2;
  result.counts.failed = 1;
  result.counts.total = 167;
  result.verdict = Verdict::kFailed;
  result.duration = Duration::milliseconds(500);
  result.lag = Duration::milliseconds(635);
  result.id = "tests/test_a.py::test_x";
  result.cpu_percent = 3;
  result.worker = 3;
  return result;
}

}  // namespace

TEST_CASE("progress: a line without colour", "[report]") {
  CHECK(format_progress(event(), false) ==
        "00:00:04.190 █████████ [36+98+32+1=167] FAILED 0.5s lag=+0.635s tests/test_a.py::test_x "
        "%cpu=3% worker #3");
}

TEST_CASE("progress: colour paints the cells and the verdict and nothing else", "[report]") {
  CHECK(format_progress(event(), true) ==
        "00:00:04.190 \x1b[32m███\x1b[0m\x1b[31m█\x1b[0m\x1b[34m█████\x1b[0m [36+98+32+1=167] "
        "\x1b[31mFAILED\x1b[0m 0.5s lag=+0.635s tests/test_a.py::test_x %cpu=3% worker #3");
}

TEST_CASE("progress: a worker ahead of its plan has a negative lag", "[report]") {
  ProgressEvent ahead = event();
  ahead.lag = Duration::milliseconds(-1'250);
  CHECK(format_progress(ahead, false).find(" lag=-1.250s ") != std::string::npos);
  ahead.lag = Duration::microseconds(-400);
  CHECK(format_progress(ahead, false).find(" lag=+0.000s ") != std::string::npos);
}

TEST_CASE("progress: an id cannot end the line or move the cursor", "[report]") {
  ProgressEvent hostile = event();
  hostile.id = "t.py::test[\x1b[2J\n\xff\xe2\x80\xaeok é]";
  const std::string line = format_progress(hostile, false);
  CHECK(line.find("t.py::test[\\x1b[2J\\x0a\\xff\\xe2\\x80\\xaeok é]") != std::string::npos);
}

TEST_CASE("progress: the counts always sum, collection errors included", "[report]") {
  Counts counts;
  counts.passed = 5;
  counts.flaky = 1;
  counts.errors = 3;
  counts.failed = 2;
  counts.skipped = 4;
  counts.redundant = 6;
  counts.unfinished = 7;
  counts.total = 26;
  CHECK(format_counts(counts) == "6+7+10+5=28");
}

TEST_CASE("progress: the bar has nine cells and one at least for what occurs", "[report]") {
  dagz::Rng rng(9);
  for (int round = 0; round < 5'000; ++round) {
    Counts counts;
    const uint64_t size = uint64_t{1} << rng.below(30);
    counts.passed = rng.below(size);
    counts.failed = rng.chance(1, 2) ? 0 : rng.below(size);
    counts.errors = rng.chance(1, 2) ? 0 : 1;
    counts.unfinished = rng.chance(1, 4) ? 0 : rng.below(size);
    counts.retrying = rng.below(counts.unfinished + 1);
    const BarCells bar = bar_cells(counts);
    CHECK(bar.green + bar.red + bar.yellow + bar.blue == kBarCells);
    if (counts.passed + counts.failed + counts.errors + counts.unfinished == 0) continue;
    CHECK((bar.red > 0) == (counts.failed + counts.errors > 0));
    CHECK((bar.green > 0) == (counts.passed > 0));
    CHECK((bar.yellow > 0) == (counts.retrying > 0));
    CHECK((bar.blue > 0) == (counts.unfinished > counts.retrying));
  }
}

TEST_CASE("progress: before any test is known the bar is blue", "[report]") {
  CHECK(bar_cells(Counts{}).blue == kBarCells);
}

TEST_CASE("progress: durations are short for people", "[report]") {
  struct Row {
    int64_t ms;
    const char* text;
  };
  const Row rows[] = {
      {0, "0.0s"},          {40, "0.0s"},         {50, "0.1s"},           {500, "0.5s"},
      {12'300, "12.3s"},    {59'949, "59.9s"},    {59'950, "1m00.0s"},    {252'300, "4m12.3s"},
      {599'949, "9m59.9s"}, {599'950, "10m00s"},  {724'000, "12m04s"},    {3'599'499, "59m59s"},
      {3'599'500, "1h00m"}, {3'720'000, "1h02m"}, {90'000'000, "25h00m"}, {-500, "-0.5s"},
  };
  for (const Row& row : rows) CHECK(format_duration(Duration::milliseconds(row.ms)) == row.text);
}

TEST_CASE("progress: clocks and seconds", "[report]") {
  CHECK(format_clock(Duration::milliseconds(90'668)) == "00:01:30.668");
  CHECK(format_clock(Duration::seconds(360'000)) == "100:00:00.000");
  CHECK(format_clock(Duration::milliseconds(-5)) == "00:00:00.000");
  CHECK(format_seconds(Duration::milliseconds(248'000), 1) == "248.0s");
  CHECK(format_seconds(Duration::milliseconds(-520), 2) == "-0.52s");
  CHECK(format_seconds(Duration::milliseconds(1'499), 0) == "1s");
  CHECK(format_seconds(Duration{INT64_MIN}, 3, true) == "-9223372036.855s");
}
