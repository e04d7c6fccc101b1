#include "report/job_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "report/calendar.hpp"
#include "report/progress.hpp"
#include "report/text.hpp"

namespace dagz::report {
namespace {

constexpr std::size_t kColumns = 10;
using Cells = std::array<std::string, kColumns>;
constexpr std::size_t kStatusColumn = 1;
constexpr std::size_t kFirstNumber = 3;  // these are aligned to the right
constexpr std::size_t kLastNumber = 8;

Cells cells_of(const JobRow& row) {
  return {visible(row.short_id),
          std::string(to_string(row.status)),
          format_timestamp(row.started) + "Z",
          format_duration(row.duration),
          std::to_string(row.counts.passed),
          std::to_string(row.counts.failed + row.counts.errors),
          std::to_string(row.counts.flaky),
          std::to_string(row.counts.skipped + row.counts.redundant),
          format_duration(row.saved),
          visible(row.ci_url)};
}

Color color_of(std::string_view status) {
  if (status == to_string(JobStatus::kPassed)) return Color::kGreen;
  return status == to_string(JobStatus::kFailed) ? Color::kRed : Color::kYellow;
}

}  // namespace

JobRow row_of(const JobSummary& summary) {
  return {summary.full_id, summary.short_id, summary.status, summary.started, summary.duration,
          summary.saved,   summary.counts,   summary.ci_url, summary.again};
}

std::string format_job_table(const std::vector<JobRow>& rows, bool color) {
  if (rows.empty()) return "no jobs yet\n";
  std::vector<Cells> lines = {{"JOB", "STATUS", "STARTED", "DURATION", "PASSED", "FAILED", "FLAKY",
                               "SKIPPED", "SAVED", "CI"}};
  for (const JobRow& row : rows) lines.push_back(cells_of(row));
  std::array<std::size_t, kColumns> widths{};
  for (const Cells& line : lines) {
    for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], line[i].size());
  }

  std::string text;
  for (const Cells& line : lines) {
    std::string out;
    for (std::size_t i = 0; i < kColumns; ++i) {
      const std::string gap(widths[i] - line[i].size(), ' ');
      const bool right = i >= kFirstNumber && i <= kLastNumber;
      const bool paints = i == kStatusColumn && &line != &lines.front();
      const std::string cell = paints ? paint(color_of(line[i]), line[i], color) : line[i];
      out += right ? gap + cell : cell + gap;
      out += "  ";
    }
    out.erase(out.find_last_not_of(' ') + 1);
    text += out + "\n";
  }
  return text;
}

}  // namespace dagz::report
