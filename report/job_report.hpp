#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mesh/crypto.hpp"
#include "mesh/ids.hpp"
#include "report/summary.hpp"

// The report that every process prints at the end of a job. It is a pure function of the summary,
// so nodes with the same logs print the same bytes, on any machine and in any locale.

namespace dagz::report {

// BLAKE2b-256.
using Hasher = std::function<Hash(Bytes)>;

struct JobReport {
  JobStatus status = JobStatus::kRunning;
  // Between the two rules, without line ends. Failures first: collection errors by path, then tests
  // by id, then flaky tests by id, then the notes and the summary.
  std::vector<std::string> lines;
  // First 8 hex digits of the hash of `lines`, each followed by a line feed.
  std::string digest;
};

// Messages are cut to this many bytes; ids never are.
inline constexpr std::size_t kReportMessageMax = 300;

JobReport format_job_report(const JobSummary& summary, const Hasher& hash);

// With the rules, each line ending in a line feed. In colour: green when the job passed, red when
// it failed, else yellow; line by line, as log viewers cut them.
std::string to_text(const JobReport& report, bool color);

// j0517.50 FAILED: 9 failed, … of 184503 tests in 4m12.3s
std::string format_summary_line(const JobSummary& summary);

// The dashboard's page of the job, its failures when it failed; empty when nobody serves one.
std::string dashboard_link(const JobSummary& summary);

}  // namespace dagz::report
