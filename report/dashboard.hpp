#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mesh/time.hpp"
#include "report/dashboard_route.hpp"
#include "report/http.hpp"
#include "report/job_report.hpp"
#include "report/job_table.hpp"
#include "report/summary.hpp"
#include "report/test_logs.hpp"

// The dashboard: a request in, a response out. Where jobs come from is somebody else's affair.
//
// It only reads, and says nothing to a browser that was led here under another name (DNS
// rebinding). What it sends may load style and script from itself alone.

namespace dagz::report {

class DashboardSource {
 public:
  virtual ~DashboardSource() = default;

  // Newest first, without those that run.
  virtual std::vector<JobRow> jobs() = 0;
  // Those that run, as of about a second ago, newest first.
  virtual std::vector<std::shared_ptr<const JobSummary>> live() = 0;
  // A short id, a full id or "last", of those that are over; null when there is none.
  virtual std::shared_ptr<const JobSummary> load(const std::string& job) = 0;
  // The test in all jobs that are over, newest first.
  virtual std::vector<TestRecord> records(const std::string& test) = 0;
  // One sentence for the user about what went wrong since the last call; empty: nothing.
  virtual std::string take_problem() = 0;
};

struct DashboardConfig {
  std::vector<std::string> hosts;  // names that it answers to, in lower case; empty = all
  std::string url;                 // where browsers find it, for who asked under another name
  Hasher hash;
  SpanHasher span_hash;
};

class Dashboard {
 public:
  // The source outlives it.
  Dashboard(DashboardConfig config, DashboardSource& source)
      : config_(std::move(config)), source_(source) {}

  HttpResponse answer(const HttpRequest& request, WallTime now);

 private:
  HttpResponse answer(const DashboardRoute& route, WallTime now);
  HttpResponse jobs(WallTime now);
  HttpResponse api_jobs();
  HttpResponse job(const DashboardRoute& route, WallTime now);
  HttpResponse test(const DashboardRoute& route, WallTime now);
  std::vector<JobRow> rows();
  std::shared_ptr<const JobSummary> find(const std::string& job);
  bool is_known(const std::string& host) const;

  DashboardConfig config_;
  DashboardSource& source_;
};

}  // namespace dagz::report
