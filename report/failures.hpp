#pragma once

#include <cstddef>
#include <string>

#include "report/flakiness.hpp"
#include "report/summary.hpp"

// What the failing tests printed, above the job report, as pytest shows it. Not part of the digest.

namespace dagz::report {

// Output is kept head and tail; after this many failing tests a line says how many more there are.
inline constexpr std::size_t kFailureOutputMax = 64 * 1024;
inline constexpr std::size_t kFailuresShownMax = 200;

// Collection errors first (under "ERRORS"), then the failing tests by id (under "FAILURES"), each
// with the attempt that came to the verdict, and with what this node's history knows of its
// flakiness. Empty when nothing failed.
std::string format_failures(const JobSummary& summary, const KnownFlaky& flaky = {});

}  // namespace dagz::report
