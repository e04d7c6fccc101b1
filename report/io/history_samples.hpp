#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mesh/time.hpp"
#include "report/summary.hpp"

// The last few durations of a test, packed: pairs of (start of the job, duration), newest first.

namespace dagz::report {

inline constexpr std::size_t kSamplesMax = 5;

struct Sample {
  int64_t started_ms = 0;
  int64_t duration_us = 0;
};

// Damaged bytes yield what could be read.
std::vector<Sample> unpack_samples(std::string_view packed);
// Adds one, whatever the order in which jobs are recorded, and keeps the newest.
std::string add_sample(std::string_view packed, Sample sample);
// Without those of the jobs that started then.
std::string without_sample(std::string_view packed, int64_t started_ms);
// Nothing when there are none.
std::optional<Duration> median_sample(std::string_view packed);
// The last attempt that did not fail, without the set-up that other tests share.
std::optional<Duration> duration_sample(const TestSummary& test);
// The most that one of these tests took to set up what its group shares: so much it costs to begin
// the group once more. Nothing if none of them ran.
std::optional<Duration> setup_sample(const std::vector<const TestSummary*>& tests);

}  // namespace dagz::report
