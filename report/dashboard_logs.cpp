#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "report/dashboard_pages.hpp"
#include "report/html.hpp"
#include "report/progress.hpp"
#include "report/rerun_command.hpp"
#include "report/text.hpp"

// The page of one test in one job; scripts take the article out of it and show it in a panel.

namespace dagz::report {
namespace {

constexpr std::size_t kMessageShown = 300;
constexpr std::size_t kTrendJobs = 40;
constexpr int64_t kTrendHeight = 40;
constexpr int64_t kTrendStep = 8;

std::string_view tone_of(Outcome outcome) {
  if (is_failure(outcome)) return "bad";
  const bool undecided =
      outcome == Outcome::kSkipped || outcome == Outcome::kXfailed || outcome == Outcome::kStopped;
  return undecided ? "skip" : "ok";
}

// The attempt that matters is open, the others a click away.
std::string attempt_section(const TestLogs& logs, std::size_t i) {
  const std::vector<AttemptSummary>& attempts = logs.shown.test.attempts;
  const AttemptSummary& attempt = attempts[i];
  const bool open = &attempt == shown_attempt(logs.shown.test);
  const TryNumber tried = try_number(logs.shown.test, i);
  std::string text = fmt::format(
      "<details{}><summary><span class=\"badge {}\">{}</span> attempt {} of {} · {} · worker #{} "
      "on {} · began at {} · {}% CPU</summary>\n",
      open ? " open" : "", tone_of(attempt.outcome), to_string(attempt.outcome), tried.number,
      tried.count, format_seconds(attempt.duration, 3), attempt.worker, html(attempt.node),
      format_clock(attempt.started_after), attempt.cpu_percent);
  if (!attempt.message.empty()) {
    text += "<p class=\"message\">" + html_lines(attempt.message) + "</p>\n";
  }
  text += attempt.output.empty() ? std::string("<p>It left no output.</p>\n")
                                 : "<pre tabindex=\"0\">" + html_lines(attempt.output) + "</pre>\n";
  if (i < logs.spans.size() && !logs.spans[i].empty()) {
    text += fmt::format("<p class=\"span\">span {}</p>\n", html(logs.spans[i]));
  }
  return text + "</details>\n";
}

Duration duration_of(const TestRecord& record) {
  const AttemptSummary* shown = shown_attempt(record.test);
  return shown == nullptr ? Duration{} : shown->duration;
}

// How long it took in the last jobs, oldest first.
std::string trend(const std::vector<const TestRecord*>& newest_first) {
  const std::size_t count = std::min(newest_first.size(), kTrendJobs);
  Duration longest{1};
  for (std::size_t i = 0; i < count; ++i) {
    longest = std::max(longest, duration_of(*newest_first[i]));
  }
  std::string text = fmt::format(
      "<svg class=\"trend\" viewBox=\"0 0 {} {}\" width=\"{}\" height=\"{}\" role=\"img\" "
      "aria-label=\"Durations in the last jobs\">",
      static_cast<int64_t>(count) * kTrendStep, kTrendHeight,
      static_cast<int64_t>(count) * kTrendStep, kTrendHeight);
  for (std::size_t i = 0; i < count; ++i) {
    const TestRecord& record = *newest_first[count - 1 - i];
    const int64_t share = duration_of(record).ns / std::max<int64_t>(1, longest.ns / 1000);
    const int64_t height = std::clamp<int64_t>(kTrendHeight * share / 1000, 2, kTrendHeight);
    text += fmt::format(
        "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{} {} {}</title>"
        "</rect>",
        report::tone_of(record.test.verdict), static_cast<int64_t>(i) * kTrendStep,
        kTrendHeight - height, kTrendStep - 2, height, html(record.job.short_id),
        to_string(record.test.verdict), format_seconds(duration_of(record), 3));
  }
  return text + "</svg>\n";
}

std::string history_of(const TestPage& page) {
  std::vector<const TestRecord*> all = {&page.logs.shown};
  std::size_t failed = 0;
  std::size_t flaky = 0;
  for (const TestRecord& record : page.logs.earlier) {
    all.push_back(&record);
    if (is_failure(record.test.verdict)) ++failed;
    if (record.test.verdict == Verdict::kOkFlaky) ++flaky;
  }
  std::string text = fmt::format("<h3>History</h3>\n<p>{}: {} failed, {} flaky.</p>\n",
                                 counted(page.logs.earlier.size(), "earlier job"), failed, flaky);
  if (page.logs.earlier.empty()) return text;
  text += trend(all);
  text +=
      "<table><thead><tr><th scope=\"col\">Job</th><th scope=\"col\">Verdict</th>"
      "<th scope=\"col\" class=\"number\">Time</th><th scope=\"col\" class=\"number\">Attempts</th>"
      "<th scope=\"col\">Started (UTC)</th><th scope=\"col\">Message</th></tr></thead>\n<tbody>\n";
  for (const TestRecord& record : page.logs.earlier) {
    const AttemptSummary* shown = shown_attempt(record.test);
    text += fmt::format(
        "<tr><th scope=\"row\"><a href=\"{}\" data-panel>{}</a></th><td>{}</td>"
        "<td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"when\">{}</td>"
        "<td class=\"message\">{}</td></tr>\n",
        html(test_path(record.job.full_id, record.test.id)), html(record.job.short_id),
        verdict_badge(record.test.verdict), format_seconds(duration_of(record), 3),
        shown == nullptr ? 0 : try_number(record.test, 0).count,
        time_element(record.job.started, page.now),
        shown == nullptr ? "" : html(cut(first_line(shown->message), kMessageShown)));
  }
  return text + "</tbody></table>\n";
}

}  // namespace

std::string test_page(const TestPage& asked) {
  const TestSummary& test = asked.logs.shown.test;
  const JobRow& job = asked.logs.shown.job;
  std::string text = fmt::format(
      "<p class=\"crumbs\"><a href=\"/jobs\">Jobs</a> / <a href=\"{}\">{}</a> /</p>\n"
      "<article id=\"test\">\n<h2>{} <span class=\"test\">{}</span></h2>\n"
      "<p class=\"actions\"><a class=\"button\" href=\"{}\" download>✨ Agent context</a>",
      html(job_path(asked.job)), html(job.short_id), verdict_badge(test.verdict), html(test.id),
      html(context_path(asked.job, test.id)));
  if (!job.ci_url.empty()) text += " " + ci_link(job.ci_url, "CI run");
  text +=
      fmt::format("</p>\n<p>Again: <code>{}</code></p>\n", html(rerun_line(job.again, test.id)));
  if (test.attempts.empty()) text += "<p>No attempt was made.</p>\n";
  for (std::size_t i = 0; i < test.attempts.size(); ++i) text += attempt_section(asked.logs, i);
  text += history_of(asked) + "</article>\n";
  const bool running = job.status == JobStatus::kRunning && !is_failure(test.verdict);
  return page({cut(visible(test.id), 200) + " · dagz", asked.problem, 0, running}, text);
}

}  // namespace dagz::report
