#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "report/dashboard_pages.hpp"
#include "report/html.hpp"
#include "report/progress.hpp"
#include "report/text.hpp"

// The page of one job.

namespace dagz::report {
namespace {

constexpr std::size_t kSlowestShown = 100;
constexpr std::size_t kCollectionErrorsOpen = 3;
constexpr std::size_t kCollectionErrorsShown = 200;

using Tests = std::vector<const TestSummary*>;

template <class Predicate>
Tests tests_of(const JobSummary& summary, Predicate shown) {
  Tests tests;
  for (const TestSummary& test : summary.tests) {
    if (shown(test)) tests.push_back(&test);
  }
  return tests;
}

bool is_error(const TestSummary& test) {
  return is_failure(test.verdict) || test.verdict == Verdict::kRetry;
}

bool passes(TestFilter filter, Verdict verdict) {
  const Bucket bucket = bucket_of(verdict);
  switch (filter) {
    case TestFilter::kAll:
      return true;
    case TestFilter::kPassed:
      return bucket == Bucket::kPassed;
    case TestFilter::kFailed:
      return is_failure(verdict);
    case TestFilter::kFlaky:
      return bucket == Bucket::kFlaky;
    case TestFilter::kSkipped:
      return bucket == Bucket::kSkipped || bucket == Bucket::kRedundant;
    case TestFilter::kUnfinished:
      return bucket == Bucket::kUnfinished;
  }
  return true;
}

// ---- above the tabs ---------------------------------------------------------------------------

std::string tile(std::string_view name, const std::string& value) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", name, value);
}

std::string tiles(const JobSummary& job) {
  const bool running = job.status == JobStatus::kRunning;
  std::string text = "<dl class=\"tiles\">";
  text += tile("Duration", format_duration(job.duration));
  text += tile("Tests", grouped(job.counts.total));
  text += tile("Plan", job.plan.ns > 0 ? format_duration(job.plan) : "unknown");
  if (!running) {
    text += tile("Efficiency",
                 fmt::format("{}.{}%", job.efficiency_permille / 10, job.efficiency_permille % 10));
    text += tile("Saved", format_duration(job.saved));
  }
  text += tile("Nodes", job.lost_nodes > 0 ? fmt::format("{} <small>{} lost</small>",
                                                         job.nodes.size(), job.lost_nodes)
                                           : std::to_string(job.nodes.size()));
  text += tile("Workers", std::to_string(job.workers));
  text += tile("Steals", std::to_string(job.steals));
  return text + "</dl>\n";
}

std::string head(const JobPage& page) {
  const JobSummary& job = page.summary;
  const bool running = job.status == JobStatus::kRunning;
  std::string text = fmt::format(
      "<p class=\"crumbs\"><a href=\"/jobs\">Jobs</a> /</p>\n<div class=\"head\" id=\"head\" "
      "data-refresh>\n<h1>{} {}</h1>\n<p class=\"lead\">Started {} UTC",
      html(job.short_id), status_badge(job.status), time_element(job.started, page.now));
  if (!job.ci_url.empty()) text += " · " + ci_link(job.ci_url, "CI run");
  text += fmt::format(" · <a href=\"/api{}\">JSON</a></p>\n", html(job_path(page.route.job)));
  text += result_bar(job.counts, running) + "\n<p>" + result_chips(job.counts, running) + "</p>\n";
  text += tiles(job);
  if (!job.notes.empty()) {
    text += "<ul class=\"notes\">";
    for (const std::string& note : job.notes) text += "<li>" + html(note) + "</li>";
    text += "</ul>\n";
  }
  return text + "</div>\n";
}

std::string tab_links(const JobPage& page) {
  const JobSummary& job = page.summary;
  const auto label = [&](JobTab tab) -> std::string {
    switch (tab) {
      case JobTab::kErrors:
        return fmt::format("Errors <b>{}</b>",
                           grouped(job.counts.failed + job.counts.errors + job.counts.retrying));
      case JobTab::kFlaky:
        return fmt::format("Flaky <b>{}</b>", grouped(job.counts.flaky));
      case JobTab::kSlowest:
        return "Slowest";
      case JobTab::kTests:
        return fmt::format("All tests <b>{}</b>", grouped(job.counts.total));
      case JobTab::kNodes:
        return fmt::format("Nodes <b>{}</b>", job.nodes.size());
      case JobTab::kReport:
        break;
    }
    return "Report";
  };
  std::string text = "<nav class=\"tabs\" id=\"tabs\" aria-label=\"Job\" data-refresh>";
  for (int i = 0; i < kJobTabs; ++i) {
    const auto tab = static_cast<JobTab>(i);
    text += fmt::format("<a href=\"{}?tab={}\"{}>{}</a>", html(job_path(page.route.job)),
                        to_string(tab), tab == page.route.tab ? " aria-current=\"page\"" : "",
                        label(tab));
  }
  return text + "</nav>\n";
}

// ---- the tabs ---------------------------------------------------------------------------------

std::string rows_of(const JobPage& page, const Tests& tests, std::size_t from, std::size_t to) {
  std::vector<TestRow> rows;
  for (std::size_t i = from; i < to; ++i) {
    const bool context = is_error(*tests[i]) || tests[i]->verdict == Verdict::kOkFlaky;
    rows.push_back({page.route.job, *tests[i], context});
  }
  return test_table(rows);
}

std::string page_link(const JobPage& page, std::size_t number, std::string_view label) {
  DashboardRoute route = page.route;
  route.number = static_cast<uint32_t>(number);
  return fmt::format("<a class=\"button\" href=\"{}\">{}</a>",
                     html(job_path(page.route.job, route)), label);
}

// One page of a list that may be long, with links to those beside it.
std::string paged(const JobPage& page, const Tests& tests) {
  const std::size_t pages =
      std::max<std::size_t>(1, (tests.size() + kTestsPerPage - 1) / kTestsPerPage);
  const std::size_t number = std::min<std::size_t>(page.route.number, pages);
  const std::size_t from = (number - 1) * kTestsPerPage;
  const std::size_t to = std::min(tests.size(), from + kTestsPerPage);
  std::string text = rows_of(page, tests, from, to);
  if (pages == 1) return text;
  text += "<nav class=\"pager\" aria-label=\"Pages\">";
  if (number > 1) text += page_link(page, number - 1, "← Previous");
  text += fmt::format("<span>{} to {} of {}</span>", grouped(from + 1), grouped(to),
                      grouped(tests.size()));
  if (number < pages) text += page_link(page, number + 1, "Next →");
  return text + "</nav>\n";
}

std::string collection_errors(const JobSummary& job) {
  std::string text;
  const auto& errors = job.collection_errors;
  for (std::size_t i = 0; i < errors.size() && i < kCollectionErrorsShown; ++i) {
    text += fmt::format(
        "<details class=\"collection\"{}><summary>{} <span class=\"test\">{}</span> could not be "
        "collected</summary><pre>{}</pre></details>\n",
        errors.size() <= kCollectionErrorsOpen ? " open" : "", verdict_badge(Verdict::kError),
        html(errors[i].path), html_lines(errors[i].text));
  }
  if (errors.size() > kCollectionErrorsShown) {
    text += fmt::format("<p>… and {}</p>\n",
                        counted(errors.size() - kCollectionErrorsShown, "more file"));
  }
  return text;
}

std::string errors_tab(const JobPage& page) {
  const Tests tests = tests_of(page.summary, is_error);
  std::string text = collection_errors(page.summary);
  if (!tests.empty()) return text + paged(page, tests);
  if (!text.empty()) return text;
  const uint64_t known = page.summary.counts.failed + page.summary.counts.errors;
  if (known > 0) return "<p>The failures of this job are not listed: it is too large.</p>\n";
  switch (page.summary.status) {
    case JobStatus::kRunning:
      return "<p>Nothing has failed so far.</p>\n";
    case JobStatus::kFailed:
      return "<p>No test failed for good: what fails the job stands above.</p>\n";
    default:
      return "<p>Nothing failed.</p>\n";
  }
}

std::string flaky_tab(const JobPage& page) {
  const Tests tests = tests_of(
      page.summary, [](const TestSummary& test) { return test.verdict == Verdict::kOkFlaky; });
  if (tests.empty()) return "<p>No test failed and then passed.</p>\n";
  return paged(page, tests);
}

std::string slowest_tab(const JobPage& page) {
  std::vector<std::pair<int64_t, const TestSummary*>> ran;
  for (const TestSummary& test : page.summary.tests) {
    if (const AttemptSummary* shown = shown_attempt(test))
      ran.emplace_back(-shown->duration.ns, &test);
  }
  if (ran.empty()) return "<p>No test has run.</p>\n";
  const std::size_t count = std::min(ran.size(), kSlowestShown);
  // Those that took as long as each other are in order of their ids, as the job's tests are.
  std::partial_sort(ran.begin(), ran.begin() + static_cast<std::ptrdiff_t>(count), ran.end());
  Tests tests;
  for (std::size_t i = 0; i < count; ++i) tests.push_back(ran[i].second);
  return rows_of(page, tests, 0, count);
}

std::string filter_form(const JobPage& page) {
  std::string text = fmt::format(
      "<form class=\"filter\" action=\"{}\" method=\"get\" role=\"search\">"
      "<input type=\"hidden\" name=\"tab\" value=\"tests\">"
      "<label>Id has <input type=\"search\" name=\"q\" value=\"{}\" maxlength=\"1000\"></label> "
      "<label>Status <select name=\"status\">",
      html(job_path(page.route.job)), html(page.route.text));
  for (int i = 0; i < kTestFilters; ++i) {
    const auto filter = static_cast<TestFilter>(i);
    text += fmt::format("<option{}>{}</option>", filter == page.route.filter ? " selected" : "",
                        to_string(filter));
  }
  return text + "</select></label> <button type=\"submit\">Filter</button></form>\n";
}

std::string tests_tab(const JobPage& page) {
  const Tests tests = tests_of(page.summary, [&](const TestSummary& test) {
    return passes(page.route.filter, test.verdict) &&
           test.id.find(page.route.text) != std::string::npos;
  });
  const bool filtered = page.route.filter != TestFilter::kAll || !page.route.text.empty();
  std::string text = "<div id=\"list\" data-refresh>\n";
  if (filtered) {
    text += fmt::format("<p>{} of {}.</p>\n", grouped(tests.size()),
                        counted(page.summary.tests.size(), "test"));
  }
  text += tests.empty() ? (filtered ? "" : "<p>No tests yet.</p>\n") : paged(page, tests);
  return filter_form(page) + text + "</div>\n";
}

// What ran somewhere: on a node, in a worker.
struct Work {
  uint64_t attempts = 0;
  uint64_t failures = 0;
  Duration busy;
  std::string node;

  void add(const AttemptSummary& attempt) {
    ++attempts;
    if (is_failure(attempt.outcome)) ++failures;
    busy += attempt.duration;
    node = attempt.node;
  }
};

std::string work_cells(const Work& work, Duration length, uint32_t workers) {
  const int64_t whole = (length * std::max<int64_t>(1, workers)).ns;
  const int64_t percent = whole > 0 ? work.busy.ns / std::max<int64_t>(1, whole / 100) : 0;
  return fmt::format(
      "<td class=\"number\" data-label=\"ran\">{}</td>"
      "<td class=\"number\" data-label=\"failed\">{}</td>"
      "<td class=\"number\" data-label=\"in tests\">{}</td>"
      "<td class=\"number\" data-label=\"busy\">{}%</td>",
      grouped(work.attempts), grouped(work.failures), format_duration(work.busy),
      std::min<int64_t>(percent, 100));
}

constexpr const char* kWorkHeads =
    "<th scope=\"col\" class=\"number\">Ran</th><th scope=\"col\" class=\"number\">Failed</th>"
    "<th scope=\"col\" class=\"number\">In tests</th><th scope=\"col\" class=\"number\">Busy</th>";

std::string nodes_tab(const JobPage& page) {
  const JobSummary& job = page.summary;
  std::map<std::string, Work> nodes;
  std::map<uint32_t, Work> workers;
  for (const TestSummary& test : job.tests) {
    for (const AttemptSummary& attempt : test.attempts) {
      nodes[attempt.node].add(attempt);
      workers[attempt.worker].add(attempt);
    }
  }
  std::string text =
      "<table class=\"nodes\"><thead><tr><th scope=\"col\">Node</th><th scope=\"col\">Host</th>"
      "<th scope=\"col\" class=\"number\">Workers</th>" +
      std::string(kWorkHeads) + "<th scope=\"col\">From</th></tr></thead>\n<tbody>\n";
  for (const NodeSummary& node : job.nodes) {
    text += fmt::format(
        "<tr><th scope=\"row\">{}{}</th><td>{}</td><td "
        "class=\"number\">{}</td>{}<td>{}</td></tr>\n",
        html(node.name), node.lost ? " <span class=\"badge bad\">lost</span>" : "", html(node.host),
        node.workers, work_cells(nodes[node.name], job.duration, node.workers),
        node.ci_url.empty() ? "" : ci_link(node.ci_url, "CI run"));
  }
  text +=
      "</tbody></table>\n<table class=\"nodes\"><thead><tr><th scope=\"col\">Worker</th>"
      "<th scope=\"col\">Node</th>" +
      std::string(kWorkHeads) + "</tr></thead>\n<tbody>\n";
  for (const auto& [number, work] : workers) {
    text += fmt::format("<tr><th scope=\"row\">#{}</th><td>{}</td>{}</tr>\n", number,
                        html(work.node), work_cells(work, job.duration, 1));
  }
  return text + "</tbody></table>\n";
}

std::string tab_content(const JobPage& page) {
  switch (*page.route.tab) {
    case JobTab::kErrors:
      return errors_tab(page);
    case JobTab::kFlaky:
      return flaky_tab(page);
    case JobTab::kSlowest:
      return slowest_tab(page);
    case JobTab::kTests:
      return tests_tab(page);
    case JobTab::kNodes:
      return nodes_tab(page);
    case JobTab::kReport:
      break;
  }
  return "<pre class=\"report\">" + html_lines(page.report) + "</pre>\n";
}

}  // namespace

JobTab tab_of(const JobPage& page) {
  if (page.route.tab) return *page.route.tab;
  const Counts& counts = page.summary.counts;
  return counts.failed + counts.errors > 0 ? JobTab::kErrors : JobTab::kTests;
}

std::string job_page(const JobPage& asked) {
  JobPage job = asked;
  job.route.tab = tab_of(asked);
  const bool running = job.summary.status == JobStatus::kRunning;
  // A list with a form in it is not replaced as a whole: somebody may be typing.
  const bool whole = *job.route.tab != JobTab::kTests;
  std::string text = head(job) + tab_links(job);
  text += fmt::format("<section id=\"tab\"{}>\n", whole ? " data-refresh" : "");
  text += tab_content(job) + "</section>\n";
  return page(
      {job.summary.short_id + " · dagz", job.problem, running ? kRefreshRunning : 0, running},
      text);
}

}  // namespace dagz::report
