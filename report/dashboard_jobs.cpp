#include <fmt/format.h>

#include <algorithm>

#include "report/dashboard_pages.hpp"
#include "report/html.hpp"
#include "report/progress.hpp"
#include "report/text.hpp"

// The list of jobs.

namespace dagz::report {
namespace {

// The short id, as people say it; where a newer job has the same one, the full id.
std::string key_of(const std::vector<JobRow>& rows, std::size_t index) {
  const auto newer = rows.begin() + static_cast<std::ptrdiff_t>(index);
  const bool taken = std::any_of(
      rows.begin(), newer, [&](const JobRow& row) { return row.short_id == newer->short_id; });
  return taken ? newer->full_id : newer->short_id;
}

std::string row_of(const JobsPage& page, std::size_t index) {
  const JobRow& row = page.rows[index];
  const bool running = row.status == JobStatus::kRunning;
  return fmt::format(
      "<tr{}><th scope=\"row\"><a href=\"{}\">{}</a></th><td>{}</td><td class=\"results\">{}{}</td>"
      "<td class=\"number\">{}</td><td class=\"number\"{}>{}</td><td class=\"when\">{}</td>"
      "<td>{}</td></tr>\n",
      running ? " class=\"running\"" : "", html(job_path(key_of(page.rows, index))),
      html(row.short_id), status_badge(row.status), result_chips(row.counts, running),
      result_bar(row.counts, running), format_duration(row.duration),
      running ? "" : " data-label=\"saved\"", running ? "" : format_duration(row.saved),
      time_element(row.started, page.now), row.ci_url.empty() ? "" : ci_link(row.ci_url, "CI run"));
}

std::string totals(const std::vector<JobRow>& rows) {
  uint64_t passed = 0;
  uint64_t flaky = 0;
  Duration saved;
  for (const JobRow& row : rows) {
    if (row.status == JobStatus::kPassed) ++passed;
    if (row.counts.flaky > 0) ++flaky;
    saved += row.saved;
  }
  return fmt::format(
      "<p class=\"lead\">{} remembered here: {} passed, {} with flaky tests. Running in parallel "
      "saved {} of waiting.</p>\n",
      counted(rows.size(), "job"), grouped(passed), grouped(flaky), format_duration(saved));
}

}  // namespace

std::string jobs_page(const JobsPage& jobs) {
  const bool running = std::any_of(jobs.rows.begin(), jobs.rows.end(), [](const JobRow& row) {
    return row.status == JobStatus::kRunning;
  });
  std::string text = "<h1>Jobs</h1>\n<div id=\"jobs\" data-refresh>\n";
  if (jobs.rows.empty()) {
    text +=
        "<p>No jobs yet. <code>dagz run -- pytest</code> makes the first one; it shows here while "
        "it runs.</p>\n";
  } else {
    text += totals(jobs.rows);
    text +=
        "<table class=\"jobs\"><thead><tr><th scope=\"col\">Job</th><th scope=\"col\">Status</th>"
        "<th scope=\"col\">Results</th><th scope=\"col\" class=\"number\">Duration</th>"
        "<th scope=\"col\" class=\"number\">Saved</th><th scope=\"col\">Started (UTC)</th>"
        "<th scope=\"col\">From</th></tr></thead>\n<tbody>\n";
    for (std::size_t i = 0; i < jobs.rows.size(); ++i) text += row_of(jobs, i);
    text += "</tbody></table>\n";
  }
  return page({"Jobs · dagz", jobs.problem, running ? kRefreshRunning : kRefreshJobs, running},
              text + "</div>\n");
}

}  // namespace dagz::report
