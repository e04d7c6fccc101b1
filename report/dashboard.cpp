#include "report/dashboard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "report/dashboard_assets.hpp"
#include "report/dashboard_pages.hpp"
#include "report/html.hpp"
#include "report/json_report.hpp"

namespace dagz::report {
namespace {

constexpr const char* kHtml = "text/html; charset=utf-8";
constexpr const char* kJsonType = "application/json";
constexpr const char* kPolicy =
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

HttpResponse error(int status, std::string_view title, std::string_view sentence) {
  return {status, kHtml, error_page(title, sentence), {}};
}

HttpResponse no_such_job(const DashboardRoute& route) {
  if (route.page == DashboardPage::kApiJob) {
    return {404, kJsonType, "{\"error\":\"no such job\"}\n", {}};
  }
  return error(404, "No such job",
               route.job == "last" ? "No job is live, and none is remembered here."
                                   : "No job " + route.job + " is live or remembered here.");
}

HttpResponse redirect(const std::string& path) {
  return {
      302, kHtml, error_page("Elsewhere", "This page is at " + path + "."), {{"Location", path}}};
}

// The newest span of the test names the file.
std::string context_name(const TestLogs& logs) {
  const auto newest = std::find_if(logs.spans.rbegin(), logs.spans.rend(),
                                   [](const std::string& span) { return !span.empty(); });
  return newest == logs.spans.rend() ? "dagz-context.md" : "dagz-context-" + *newest + ".md";
}

}  // namespace

HttpResponse Dashboard::answer(const HttpRequest& request, WallTime now) {
  HttpResponse response;
  const auto route = parse_route(request.target);
  if (!is_known(request.host)) {
    response = error(403, "Another name", "This dashboard is at " + config_.url + ".");
  } else if (request.method != "GET" && request.method != "HEAD") {
    response = error(405, "Only to read", "This dashboard answers to GET and HEAD.");
    response.headers.emplace_back("Allow", "GET, HEAD");
  } else if (!route) {
    response = error(404, "No such page", "There is nothing at this address.");
  } else {
    response = answer(*route, now);
  }
  response.headers.emplace_back("Content-Security-Policy", kPolicy);
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
  response.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

HttpResponse Dashboard::answer(const DashboardRoute& route, WallTime now) {
  switch (route.page) {
    case DashboardPage::kHome:
      return redirect("/jobs");
    case DashboardPage::kJobs:
      return jobs(now);
    case DashboardPage::kApiJobs:
      return api_jobs();
    case DashboardPage::kJob:
    case DashboardPage::kApiJob:
      return job(route, now);
    case DashboardPage::kTest:
    case DashboardPage::kContext:
      return test(route, now);
    case DashboardPage::kHealth:
      return {200, "text/plain", "ok\n", {}};
    case DashboardPage::kStyle:
      return {200, "text/css", std::string(kDashboardStyle), {}};
    case DashboardPage::kScript:
      return {200, "text/javascript", std::string(kDashboardScript), {}};
    case DashboardPage::kIcon:
      break;
  }
  return {200, "image/svg+xml", std::string(kDashboardIcon), {}};
}

bool Dashboard::is_known(const std::string& host) const {
  if (config_.hosts.empty()) return true;
  const std::string name = host_name_of(host);
  return std::find(config_.hosts.begin(), config_.hosts.end(), name) != config_.hosts.end();
}

// A live job may have been recorded by one of its nodes while others still linger.
std::vector<JobRow> Dashboard::rows() {
  const std::vector<JobRow> over = source_.jobs();
  std::vector<JobRow> rows;
  for (const auto& live : source_.live()) {
    const bool recorded = std::any_of(
        over.begin(), over.end(), [&](const JobRow& row) { return row.full_id == live->full_id; });
    if (!recorded) rows.push_back(row_of(*live));
  }
  rows.insert(rows.end(), over.begin(), over.end());
  return rows;
}

std::shared_ptr<const JobSummary> Dashboard::find(const std::string& job) {
  for (const auto& live : source_.live()) {
    if (job != "last" && job != live->full_id && job != live->short_id) continue;
    auto over = source_.load(live->full_id);
    return over ? over : live;
  }
  return source_.load(job);
}

HttpResponse Dashboard::jobs(WallTime now) {
  JobsPage page;
  page.rows = rows();
  page.problem = source_.take_problem();
  page.now = now;
  return {200, kHtml, jobs_page(page), {}};
}

HttpResponse Dashboard::api_jobs() { return {200, kJsonType, format_json_rows(rows()), {}}; }

HttpResponse Dashboard::job(const DashboardRoute& route, WallTime now) {
  const auto summary = find(route.job);
  const std::string problem = source_.take_problem();
  if (!summary) {
    if (problem.empty()) return no_such_job(route);
    return error(404, "No such job", problem);
  }
  if (route.page == DashboardPage::kApiJob) return {200, kJsonType, format_json(*summary), {}};
  JobPage page{*summary, route, "", problem, now};
  if (tab_of(page) == JobTab::kReport) {
    page.report = to_text(format_job_report(*summary, config_.hash), false);
  }
  return {200, kHtml, job_page(page), {}};
}

HttpResponse Dashboard::test(const DashboardRoute& route, WallTime now) {
  const auto summary = find(route.job);
  if (!summary) return no_such_job(route);
  // The tests of a running job come in any order of ids.
  const auto test = std::find_if(summary->tests.begin(), summary->tests.end(),
                                 [&](const TestSummary& one) { return one.id == route.test; });
  if (test == summary->tests.end()) {
    return error(404, "No such test", "Job " + summary->short_id + " knows no test of this id.");
  }
  TestLogs logs;
  logs.shown = record_of(*summary, *test);
  logs.spans = span_ids(summary->nodes, *test, config_.span_hash);
  for (TestRecord& record : source_.records(route.test)) {
    const bool before = record.job.started <= summary->started;
    if (before && record.job.full_id != summary->full_id) logs.earlier.push_back(std::move(record));
  }
  if (route.page == DashboardPage::kContext) {
    const std::string disposition = "attachment; filename=\"" + context_name(logs) + "\"";
    return {200,
            "text/markdown; charset=utf-8",
            format_context(logs),
            {{"Content-Disposition", disposition}}};
  }
  return {200, kHtml, test_page({logs, route.job, source_.take_problem(), now}), {}};
}

}  // namespace dagz::report
