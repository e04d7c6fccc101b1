#pragma once

#include <string>
#include <vector>

#include "mesh/time.hpp"
#include "report/rerun_command.hpp"
#include "report/summary.hpp"

// What `dagz jobs` prints: a row per job.

namespace dagz::report {

struct JobRow {
  std::string full_id;
  std::string short_id;
  JobStatus status = JobStatus::kRunning;
  WallTime started;
  Duration duration;
  Duration saved;
  Counts counts;
  std::string ci_url;
  RerunCommand again;
};

JobRow row_of(const JobSummary& summary);

// A heading and a line per row, in the order given, columns aligned. "failed" includes errors,
// "skipped" redundant tests. Without rows: a sentence that says so.
std::string format_job_table(const std::vector<JobRow>& rows, bool color);

}  // namespace dagz::report
