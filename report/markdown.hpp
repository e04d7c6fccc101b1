#pragma once

#include <cstddef>
#include <string>

#include "report/summary.hpp"

// The job as Markdown, for the summary page of a CI step. Ids, messages and output cannot break out
// of their place: everything that Markdown or HTML could read is an entity.

namespace dagz::report {

// GitHub refuses a step summary above 1 MiB; this stays well below whatever the tests print.
inline constexpr std::size_t kMarkdownTestsMax = 50;    // rows per table
inline constexpr std::size_t kMarkdownOutputsMax = 10;  // failing outputs
inline constexpr std::size_t kMarkdownOutputMax = 4 * 1024;
inline constexpr std::size_t kMarkdownTextMax = 240;  // one id, message, path or note

std::string format_markdown(const JobSummary& summary);

}  // namespace dagz::report
