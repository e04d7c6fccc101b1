#pragma once

#include <string>
#include <vector>

#include "mesh/time.hpp"
#include "report/dashboard_layout.hpp"
#include "report/dashboard_route.hpp"
#include "report/job_table.hpp"
#include "report/summary.hpp"
#include "report/test_logs.hpp"

// The dashboard's pages, whole, from what is to be shown.

namespace dagz::report {

inline constexpr std::size_t kTestsPerPage = 200;
inline constexpr uint32_t kRefreshRunning = 2;  // seconds
inline constexpr uint32_t kRefreshJobs = 10;    // where a new job may begin

struct JobsPage {
  std::vector<JobRow> rows;  // newest first, the running job before them
  std::string problem;       // as in PageFrame
  WallTime now;
};
std::string jobs_page(const JobsPage& page);

struct JobPage {
  const JobSummary& summary;
  DashboardRoute route;  // with the job as it was asked for
  std::string report;    // the job report as text
  std::string problem;
  WallTime now;
};
// The tab that suits the job: its errors when it has some, else all tests.
JobTab tab_of(const JobPage& page);
std::string job_page(const JobPage& page);

struct TestPage {
  const TestLogs& logs;
  std::string job;  // as it was asked for
  std::string problem;
  WallTime now;
};
std::string test_page(const TestPage& page);

}  // namespace dagz::report
