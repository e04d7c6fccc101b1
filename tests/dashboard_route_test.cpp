#include "report/dashboard_route.hpp"

#include <catch2/catch.hpp>

using namespace dagz;
using namespace dagz::report;

namespace {

DashboardPage page_of(std::string_view target) {
  const auto route = parse_route(target);
  REQUIRE(route);
  return route->page;
}

}  // namespace

TEST_CASE("dashboard route: each page has its address", "[report]") {
  CHECK(page_of("/") == DashboardPage::kHome);
  CHECK(page_of("/jobs") == DashboardPage::kJobs);
  CHECK(page_of("/jobs?x=y") == DashboardPage::kJobs);
  CHECK(page_of("/jobs/j0517.50") == DashboardPage::kJob);
  CHECK(page_of("/jobs/last/tests?id=a") == DashboardPage::kTest);
  CHECK(page_of("/jobs/last/context?id=a") == DashboardPage::kContext);
  CHECK(page_of("/api/jobs") == DashboardPage::kApiJobs);
  CHECK(page_of("/api/jobs/last") == DashboardPage::kApiJob);
  CHECK(page_of("/healthz") == DashboardPage::kHealth);
  CHECK(page_of("/style.css") == DashboardPage::kStyle);
  CHECK(page_of("/app.js") == DashboardPage::kScript);
  CHECK(page_of("/icon.svg") == DashboardPage::kIcon);
}

TEST_CASE("dashboard route: anything else is no page", "[report]") {
  for (const char* target :
       {"", "jobs", "/job", "/jobs/", "/jobs//tests", "/jobs/a/b", "/jobs/a/tests/b", "/api",
        "/api/", "/api/jobs/", "/api/jobs/a/tests", "/api/healthz", "/../jobs", "/jobs/%",
        "/jobs/%zz", "/jobs?q=%1", "//jobs", "/healthz/x"}) {
    INFO(target);
    CHECK_FALSE(parse_route(target));
  }
  CHECK_FALSE(parse_route("/jobs/" + std::string(kTargetMax, 'a')));
}

TEST_CASE("dashboard route: ids of jobs and tests may hold any bytes", "[report]") {
  const std::string job = "a/b?c#d e";
  const std::string test = std::string("t.py::x[&=+%/\xff") + '\0' + "]";
  const auto shown = parse_route(test_path(job, test));
  REQUIRE(shown);
  CHECK((shown->page == DashboardPage::kTest && shown->job == job && shown->test == test));
  const auto context = parse_route(context_path(job, test));
  REQUIRE(context);
  CHECK((context->page == DashboardPage::kContext && context->job == job));
  const auto api = parse_route("/api" + job_path(job));
  REQUIRE(api);
  CHECK((api->page == DashboardPage::kApiJob && api->job == job));
}

TEST_CASE("dashboard route: a job's page keeps what was asked for", "[report]") {
  DashboardRoute route;
  route.tab = JobTab::kTests;
  route.text = "a&b=c d";
  route.filter = TestFilter::kFlaky;
  route.number = 7;
  const auto again = parse_route(job_path("j0517.50", route));
  REQUIRE(again);
  CHECK((again->tab == route.tab && again->text == route.text && again->filter == route.filter &&
         again->number == route.number && again->job == "j0517.50"));
}

TEST_CASE("dashboard route: the report's link to failures leads to the errors", "[report]") {
  CHECK(parse_route("/jobs/j1?spanTypes=failures")->tab == JobTab::kErrors);
  CHECK_FALSE(parse_route("/jobs/j1?spanTypes=other")->tab);
  CHECK(parse_route("/jobs/j1?tab=flaky&spanTypes=failures")->tab == JobTab::kFlaky);
}

TEST_CASE("dashboard route: odd parameters are passed over", "[report]") {
  const auto route = parse_route("/jobs/j1?tab=other&status=odd&page=x&more&&=");
  REQUIRE(route);
  CHECK((!route->tab && route->filter == TestFilter::kAll && route->number == 1));
  CHECK(parse_route("/jobs/j1?page=0")->number == 1);
  CHECK(parse_route("/jobs/j1?page=99999999999999999999")->number == 1'000'000);
  CHECK(parse_route("/jobs/j1?page=")->number == 1);
}

TEST_CASE("dashboard route: the name in a Host header, without its port", "[report]") {
  CHECK(host_name_of("LocalHost:8640") == "localhost");
  CHECK(host_name_of("127.0.0.1") == "127.0.0.1");
  CHECK(host_name_of("[::1]:8640") == "::1");
  CHECK(host_name_of("[::1]") == "::1");
  CHECK(host_name_of("").empty());
  CHECK(host_name_of("[").empty());
  CHECK(host_name_of("localhost.evil.example:8640") == "localhost.evil.example");
}
