#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// The dashboard's addresses:
//
// /            /jobs            /jobs/JOB                       pages
// /jobs/JOB/tests?id=TEST       /jobs/JOB/context?id=TEST       one test; its agent context
// /api/jobs    /api/jobs/JOB                                    JSON
// /healthz     /style.css  /app.js  /icon.svg
//
// JOB is a short id, a full id or `last`. Of a job's page: tab=errors|flaky|slowest|tests|nodes|
// report (spanTypes=failures is tab=errors), page=N, and for tests q=TEXT and status=passed|failed|
// flaky|skipped|unfinished.

namespace dagz::report {

enum class DashboardPage : uint8_t {
  kHome,
  kJobs,
  kJob,
  kTest,
  kContext,
  kApiJobs,
  kApiJob,
  kHealth,
  kStyle,
  kScript,
  kIcon,
};

enum class JobTab : uint8_t { kErrors, kFlaky, kSlowest, kTests, kNodes, kReport };
inline constexpr int kJobTabs = 6;
// errors flaky slowest tests nodes report
std::string_view to_string(JobTab tab);

enum class TestFilter : uint8_t { kAll, kPassed, kFailed, kFlaky, kSkipped, kUnfinished };
inline constexpr int kTestFilters = 6;
// all passed failed flaky skipped unfinished
std::string_view to_string(TestFilter filter);

struct DashboardRoute {
  DashboardPage page = DashboardPage::kHome;
  std::string job;
  std::string test;
  std::optional<JobTab> tab;  // none: what suits the job
  std::string text;           // that ids must have
  TestFilter filter = TestFilter::kAll;
  uint32_t number = 1;  // of the page of a long list
};

inline constexpr std::size_t kTargetMax = 56 * 1024;  // room for the longest test id, all in %XX

// Nothing where there is no such page, or the target is malformed. Parameters that are unknown, or
// whose values are, are passed over.
std::optional<DashboardRoute> parse_route(std::string_view target);

std::string job_path(std::string_view job);
std::string test_path(std::string_view job, std::string_view test);
std::string context_path(std::string_view job, std::string_view test);
// The page of the job with everything that the route asks for.
std::string job_path(std::string_view job, const DashboardRoute& route);

// "localhost" of "LOCALHOST:8640", "::1" of "[::1]:8640".
std::string host_name_of(std::string_view host_header);

}  // namespace dagz::report
