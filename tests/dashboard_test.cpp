#include "report/dashboard.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "report/calendar.hpp"
#include "report/html.hpp"
#include "tests/support/members.hpp"
#include "tests/support/summaries.hpp"

using namespace dagz;
using namespace dagz::report;
using namespace dagz::test;

namespace {

const WallTime kNow{1'779'012'672'345 + 3 * 3'600'000};
// Ends an element, an attribute, a line, a script and a comment, and is no UTF-8.
const std::string kHostile = "t/x.py::\"><script>alert('1')</script><!--&\n\x1b[2J\xff";

struct FakeSource : DashboardSource {
  std::vector<std::shared_ptr<const JobSummary>> kept;  // newest first
  std::shared_ptr<const JobSummary> running;
  std::string problem;

  std::vector<JobRow> jobs() override {
    std::vector<JobRow> rows;
    for (const auto& job : kept) rows.push_back(row_of(*job));
    return rows;
  }
  std::vector<std::shared_ptr<const JobSummary>> live() override {
    return running ? std::vector{running} : std::vector<std::shared_ptr<const JobSummary>>{};
  }
  std::shared_ptr<const JobSummary> load(const std::string& job) override {
    for (const auto& one : kept) {
      if (job == "last" || job == one->short_id || job == one->full_id) return one;
    }
    return nullptr;
  }
  std::vector<TestRecord> records(const std::string& id) override {
    std::vector<TestRecord> found;
    for (const auto& job : kept) {
      for (const TestSummary& test : job->tests) {
        if (test.id == id) found.push_back(record_of(*job, test));
      }
    }
    return found;
  }
  std::string take_problem() override { return std::exchange(problem, {}); }
};

struct Fixture {
  Fixture() {
    DashboardConfig config;
    config.hosts = {"localhost", "127.0.0.1"};
    config.url = "http://127.0.0.1:8640";
    config.hash = [this](Bytes bytes) { return crypto.hash(bytes); };
    config.span_hash = [](std::string_view text) { return "span" + std::to_string(text.size()); };
    dashboard = std::make_unique<Dashboard>(config, source);
  }

  HttpResponse get(const std::string& target, const std::string& method = "GET",
                   const std::string& host = "localhost:8640") {
    return dashboard->answer({method, target, host}, kNow);
  }
  void keep(JobSummary summary) {
    source.kept.insert(source.kept.begin(), std::make_shared<const JobSummary>(std::move(summary)));
  }

  Actor actor{1};
  const Crypto& crypto = actor.crypto;
  FakeSource source;
  std::unique_ptr<Dashboard> dashboard;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

std::string header(const HttpResponse& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return {};
}

JobSummary running_job() {
  JobSummary job = mixed_job();
  job.full_id = "job-live";
  job.short_id = "j0517.51";
  job.status = JobStatus::kRunning;
  job.counts.retrying = 2;
  job.counts.unfinished = 5;
  return job;
}

}  // namespace

TEST_CASE("dashboard: the list shows every job and how it went", "[report]") {
  Fixture fix;
  fix.keep(mixed_job());
  const HttpResponse page = fix.get("/jobs");
  CHECK(page.status == 200);
  CHECK(has(page.body, "<a href=\"/jobs/j0517.50\">j0517.50</a>"));
  CHECK(has(page.body, "<span class=\"badge bad\">FAILED</span>"));
  CHECK(has(page.body, "<span class=\"chip bad\"><b>5</b> failed</span>"));
  CHECK(has(page.body, "<span class=\"chip ok\"><b>2</b> passed</span>"));
  CHECK(has(page.body, "<span class=\"chip flaky\"><b>1</b> flaky</span>"));
  CHECK(has(page.body, "title=\"3 hours ago\">2026-05-17 10:11:12</time>"));
  CHECK(has(page.body, "12m04s"));
  CHECK(fix.get("/").status == 302);
  CHECK(header(fix.get("/"), "Location") == "/jobs");
}

TEST_CASE("dashboard: without jobs it says how to make one", "[report]") {
  Fixture fix;
  CHECK(has(fix.get("/jobs").body, "dagz run -- pytest"));
  CHECK(fix.get("/jobs/last").status == 404);
}

TEST_CASE("dashboard: a running job is on top, in blue and yellow", "[report]") {
  Fixture fix;
  fix.keep(mixed_job());
  fix.source.running = std::make_shared<const JobSummary>(running_job());
  const std::string list = fix.get("/jobs").body;
  CHECK(list.find("j0517.51") < list.find("j0517.50"));
  CHECK(has(list, "<span class=\"chip left\"><b>3</b> unfinished</span>"));
  CHECK(has(list, "<span class=\"chip retry\"><b>2</b> to be retried</span>"));
  CHECK(has(list, "data-refresh-s=\"2\""));
  const std::string job = fix.get("/jobs/last").body;
  CHECK((has(job, "j0517.51") && has(job, "RUNNING") && has(job, "http-equiv=\"refresh\"")));
}

TEST_CASE("dashboard: a job that was recorded meanwhile is shown as recorded, once", "[report]") {
  Fixture fix;
  JobSummary job = mixed_job();
  fix.keep(job);
  job.status = JobStatus::kRunning;
  fix.source.running = std::make_shared<const JobSummary>(job);
  CHECK(count(fix.get("/jobs").body, "<th scope=\"row\">") == 1);
  CHECK(has(fix.get("/jobs/j0517.50").body, "FAILED"));
}

TEST_CASE("dashboard: two jobs of one short id are told apart", "[report]") {
  Fixture fix;
  JobSummary old = mixed_job();
  old.full_id = "another/job";
  fix.keep(old);
  fix.keep(mixed_job());
  const std::string list = fix.get("/jobs").body;
  CHECK(count(list, "<a href=\"/jobs/j0517.50\">") == 1);
  CHECK(has(list, "<a href=\"/jobs/another%2Fjob\">j0517.50</a>"));
  CHECK(fix.get("/jobs/another%2Fjob").status == 200);
}

TEST_CASE("dashboard: a failed job opens with its errors", "[report]") {
  Fixture fix;
  fix.keep(mixed_job());
  for (const char* target : {"/jobs/j0517.50", "/jobs/j0517.50?spanTypes=failures",
                             "/jobs/last?tab=errors", "/jobs/job-1"}) {
    INFO(target);
    const std::string page = fix.get(target).body;
    CHECK(has(page, "tab=errors\" aria-current=\"page\">Errors <b>5</b>"));
    for (const char* id : {"test_crash", "test_error", "test_fail", "test_timeout"}) {
      CHECK(has(page, std::string("t/a.py::") + id + "</a>"));
    }
    CHECK_FALSE(has(page, "t/a.py::test_ok</a>"));
    CHECK(has(page, "t/broken.py"));
    CHECK(has(page, "ImportError: no module"));
    CHECK(has(page, "AssertionError: 1 != 2"));
    CHECK(count(page, "✨") == 4);
  }
}

TEST_CASE("dashboard: a passed job opens with all its tests", "[report]") {
  Fixture fix;
  fix.keep(job({test::test("t/a.py::test_ok", {attempt(Outcome::kPassed)})}));
  const std::string page = fix.get("/jobs/last").body;
  CHECK(has(page, "tab=tests\" aria-current=\"page\""));
  CHECK(has(page, "t/a.py::test_ok</a>"));
  CHECK(has(fix.get("/jobs/last?spanTypes=failures").body, "Nothing failed."));
}

TEST_CASE("dashboard: a job that fails for its flaky tests says so, also where none failed",
          "[report]") {
  Fixture fix;
  JobSummary summary = job(
      {test::test("t/a.py::test_flaky", {attempt(Outcome::kFailed), attempt(Outcome::kPassed)})});
  summary.flaky_fails = true;
  summary.notes = {"--flaky fail: 1 flaky test fails the job"};
  recount(summary);
  fix.keep(summary);
  const std::string page = fix.get("/jobs/last?spanTypes=failures").body;
  CHECK(has(page, "--flaky fail: 1 flaky test fails the job"));
  CHECK((has(page, ">FAILED<") && !has(page, "Nothing failed")));
  CHECK(has(page, "No test failed for good"));
  CHECK(has(fix.get("/jobs").body, "FAILED"));
  CHECK(nlohmann::json::parse(fix.get("/api/jobs/last").body)["status"] == "FAILED");
}

TEST_CASE("dashboard: each tab has what it says", "[report]") {
  Fixture fix;
  JobSummary summary = mixed_job();
  summary.ci_url = "https://ci/7?a=1&b=2";
  summary.notes = {"3 of 4 expected nodes took part"};
  fix.keep(summary);
  const std::string flaky = fix.get("/jobs/last?tab=flaky").body;
  CHECK((has(flaky, "test_flaky</a>") && !has(flaky, "test_fail</a>")));
  const std::string slowest = fix.get("/jobs/last?tab=slowest").body;
  CHECK(slowest.find("test_timeout</a>") < slowest.find("test_fail</a>"));
  CHECK_FALSE(has(slowest, "test_pending</a>"));
  const std::string nodes = fix.get("/jobs/last?tab=nodes").body;
  CHECK((has(nodes, "host-b") && has(nodes, "lost</span>") && has(nodes, "href=\"https://ci/2\"")));
  CHECK(has(
      nodes,
      "<th scope=\"row\">#3</th><td>node-2</td><td class=\"number\" data-label=\"ran\">11</td>"));
  const std::string report = fix.get("/jobs/last?tab=report").body;
  CHECK(has(report, "═══ DAGZ job report"));
  CHECK((has(report, "href=\"https://ci/7?a=1&amp;b=2\"") && has(report, "3 of 4 expected nodes")));
}

TEST_CASE("dashboard: tests are filtered by text and status", "[report]") {
  Fixture fix;
  fix.keep(mixed_job());
  const auto shown = [&](const std::string& query) {
    return count(fix.get("/jobs/last?tab=tests" + query).body, " data-panel>");
  };
  CHECK(shown("") == 10);
  CHECK(shown("&q=test_x") == 2);
  CHECK(shown("&status=failed") == 4);
  CHECK(shown("&status=passed") == 2);
  CHECK(shown("&status=skipped") == 2);
  CHECK(shown("&status=unfinished") == 1);
  CHECK(shown("&status=flaky") == 1);
  CHECK(shown("&status=failed&q=crash") == 1);
  CHECK(has(fix.get("/jobs/last?tab=tests&q=nothing").body, "0 of 10 tests."));
}

TEST_CASE("dashboard: long lists come in pages", "[report]") {
  Fixture fix;
  std::vector<TestSummary> tests;
  for (int i = 0; i < 450; ++i) {
    tests.push_back(
        test::test("t/a.py::t" + std::to_string(1000 + i), {attempt(Outcome::kFailed)}));
  }
  fix.keep(job(std::move(tests)));
  const std::string first = fix.get("/jobs/last").body;
  CHECK((has(first, "t1199</a>") && !has(first, "t1200</a>") && has(first, "1 to 200 of 450")));
  CHECK((has(first, "tab=errors&amp;page=2") && !has(first, "Previous")));
  const std::string last = fix.get("/jobs/last?tab=errors&page=3").body;
  CHECK((has(last, "t1449</a>") && has(last, "401 to 450 of 450") && !has(last, "Next")));
  CHECK(has(fix.get("/jobs/last?tab=tests&page=999").body, "t1449</a>"));
}

TEST_CASE("dashboard: a test has its attempts, their output, and its history", "[report]") {
  Fixture fix;
  JobSummary old = mixed_job();
  old.full_id = "job-0";
  old.short_id = "j0516.1";
  old.started.ms -= kDayMs;
  fix.keep(old);
  fix.keep(mixed_job());
  const std::string page = fix.get("/jobs/last/tests?id=t%2Fa.py%3A%3Atest_fail").body;
  CHECK((has(page, "attempt 1 of 2") && has(page, "attempt 2 of 2")));
  CHECK((has(page, "first trace\n") && has(page, "E  assert 1 == 2\n")));
  CHECK(has(page, "1 earlier job: 1 failed, 0 flaky."));
  CHECK(
      has(page, "<a href=\"/jobs/job-0/tests?id=t%2Fa.py%3A%3Atest_fail\" data-panel>j0516.1</a>"));
  CHECK(has(page, "dagz run -n 1 --retries 0 -- pytest &#39;t/a.py::test_fail&#39;"));
  // What came later is no history of the older job.
  CHECK(has(fix.get("/jobs/job-0/tests?id=t%2Fa.py%3A%3Atest_fail").body, "0 earlier jobs"));
  CHECK(fix.get("/jobs/last/tests?id=nobody").status == 404);
  CHECK(fix.get("/jobs/nothing/tests?id=t%2Fa.py%3A%3Atest_fail").status == 404);
}

TEST_CASE("dashboard: the agent context is one file that holds everything", "[report]") {
  Fixture fix;
  fix.keep(mixed_job());
  const HttpResponse file = fix.get("/jobs/last/context?id=t%2Fa.py%3A%3Atest_fail");
  CHECK(file.type == "text/markdown; charset=utf-8");
  CHECK(header(file, "Content-Disposition") == "attachment; filename=\"dagz-context.md\"");
  CHECK((has(file.body, "# FAILED in j0517.50") && has(file.body, "E  assert 1 == 2")));
  CHECK((has(file.body, "\"verdict\":\"FAILED\"") && !has(file.body, "output-attempt")));
  JobSummary named = mixed_job();
  named.full_id = "job-2";
  named.nodes[1].id = "abcd";
  fix.keep(named);
  const HttpResponse other = fix.get("/jobs/last/context?id=t%2Fa.py%3A%3Atest_fail");
  CHECK(has(header(other, "Content-Disposition"), "filename=\"dagz-context-span"));
}

TEST_CASE("dashboard: nothing that a test chose leaves its place", "[report]") {
  Fixture fix;
  JobSummary summary =
      job({test::test(kHostile, {attempt(Outcome::kFailed, 5, kHostile, kHostile)})});
  summary.collection_errors = {{kHostile, kHostile}};
  summary.notes = {kHostile};
  summary.ci_url = "javascript:alert(1)";
  summary.nodes[0].host = kHostile;
  summary.nodes[0].ci_url = kHostile;
  summary.nodes[1].name = kHostile;
  summary.short_id = kHostile;
  recount(summary);
  fix.keep(summary);
  const std::string id = percent_encode(kHostile);
  for (const std::string& target :
       {std::string("/jobs"), std::string("/jobs/last"),
        std::string("/jobs/last?tab=tests&q=%22%3E"), std::string("/jobs/last?tab=slowest"),
        std::string("/jobs/last?tab=nodes"), std::string("/jobs/last?tab=report"),
        "/jobs/last/tests?id=" + id, "/jobs/" + id, "/jobs/nothing" + id,
        "/jobs/last?tab=tests&q=" + id}) {
    INFO(target);
    const std::string page = fix.get(target).body;
    CHECK(count(page, "<script") == 1);
    CHECK_FALSE(has(page, "<!--"));
    CHECK_FALSE(has(page, "\x1b"));
    CHECK_FALSE(has(page, "\xff"));
    CHECK_FALSE(has(page, "href=\"javascript"));
    CHECK(count(page, "\"><script>") == 0);
  }
  const HttpResponse file = fix.get("/jobs/last/context?id=" + id);
  CHECK(file.status == 200);
  for (const auto& [name, value] : file.headers) {
    CHECK(value.find_first_of("\r\n") == std::string::npos);
  }
}

TEST_CASE("dashboard: the same as JSON", "[report]") {
  Fixture fix;
  fix.keep(mixed_job());
  fix.source.running = std::make_shared<const JobSummary>(running_job());
  const auto list = nlohmann::json::parse(fix.get("/api/jobs").body);
  REQUIRE(list["jobs"].size() == 2);
  CHECK(list["jobs"][0]["status"] == "RUNNING");
  CHECK(list["jobs"][0]["counts"]["retrying"] == 2);
  CHECK(list["jobs"][1]["counts"]["failed"] == 3);
  const HttpResponse one = fix.get("/api/jobs/j0517.50");
  CHECK(one.type == "application/json");
  CHECK(nlohmann::json::parse(one.body)["tests"].size() == 10);
  CHECK(fix.get("/api/jobs/none").status == 404);
  CHECK(fix.get("/healthz").body == "ok\n");
}

TEST_CASE("dashboard: it only reads", "[report]") {
  Fixture fix;
  CHECK(fix.get("/jobs", "HEAD").status == 200);
  const HttpResponse refused = fix.get("/jobs", "POST");
  CHECK(refused.status == 405);
  CHECK(header(refused, "Allow") == "GET, HEAD");
  CHECK(fix.get("/nothing").status == 404);
}

TEST_CASE("dashboard: a browser that was led here under another name hears nothing", "[report]") {
  Fixture fix;
  fix.keep(mixed_job());
  for (const char* host : {"evil.example", "", "localhost.evil.example:8640", "127.0.0.1.nip.io"}) {
    INFO(host);
    for (const char* target : {"/jobs", "/api/jobs", "/jobs/last", "/healthz"}) {
      const HttpResponse response = fix.get(target, "GET", host);
      CHECK(response.status == 403);
      CHECK_FALSE(has(response.body, "j0517"));
      CHECK(has(response.body, "http://127.0.0.1:8640"));
    }
  }
  CHECK(fix.get("/jobs", "GET", "127.0.0.1:1").status == 200);
}

TEST_CASE("dashboard: every answer says what browsers may do with it", "[report]") {
  Fixture fix;
  fix.keep(mixed_job());
  for (const char* target : {"/", "/jobs", "/jobs/last", "/api/jobs", "/style.css", "/app.js",
                             "/icon.svg", "/healthz", "/nothing"}) {
    INFO(target);
    const HttpResponse response = fix.get(target);
    CHECK(has(header(response, "Content-Security-Policy"), "default-src 'none'"));
    CHECK_FALSE(has(header(response, "Content-Security-Policy"), "unsafe"));
    CHECK(header(response, "X-Content-Type-Options") == "nosniff");
    CHECK(header(response, "Referrer-Policy") == "no-referrer");
    CHECK_FALSE(response.type.empty());
    // The policy would block it.
    CHECK_FALSE(has(response.body, " style=\""));
    CHECK_FALSE(has(response.body, " onclick="));
  }
}

TEST_CASE("dashboard: what went wrong stands above the page", "[report]") {
  Fixture fix;
  fix.source.problem = "cannot open the history <x>: no";
  CHECK(has(fix.get("/jobs").body, "role=\"alert\">cannot open the history &lt;x&gt;: no</p>"));
  CHECK_FALSE(has(fix.get("/jobs").body, "role=\"alert\""));
}
