#include "report/job_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>

#include "report/progress.hpp"
#include "report/text.hpp"

namespace dagz::report {
namespace {

constexpr std::size_t kRuleWidth = 79;
constexpr std::size_t kStoppedShown = 20;

// "═══ title ═══…", 79 columns; the title is ASCII.
std::string rule(std::string_view title) {
  std::string text = fmt::format("═══ {} ", title);
  for (std::size_t column = title.size() + 5; column < kRuleWidth; ++column) text += "═";
  return text;
}

std::string test_line(const TestSummary& test) {
  const std::string_view state = was_stopped(test) ? "STOPPED" : to_string(test.verdict);
  std::string line = fmt::format("{:<8} {}", state, visible(test.id));
  const AttemptSummary* attempt = shown_attempt(test);
  if (attempt == nullptr) return line;
  line += fmt::format("   {}  worker #{} on {}", format_seconds(attempt->duration, 2),
                      attempt->worker, visible(attempt->node));
  if (!attempt->message.empty()) {
    line += "   " + cut(visible(first_line(attempt->message)), kReportMessageMax);
  }
  return line;
}

template <class Predicate>
void append_tests(const JobSummary& summary, Predicate shown, std::vector<std::string>& lines,
                  std::size_t most = std::numeric_limits<std::size_t>::max()) {
  std::vector<const TestSummary*> tests;
  for (const TestSummary& test : summary.tests) {
    if (shown(test)) tests.push_back(&test);
  }
  std::stable_sort(tests.begin(), tests.end(),
                   [](const TestSummary* a, const TestSummary* b) { return a->id < b->id; });
  for (std::size_t i = 0; i < tests.size() && i < most; ++i) lines.push_back(test_line(*tests[i]));
  if (tests.size() > most) lines.push_back(fmt::format("… and {} more", tests.size() - most));
}

std::string plan_line(const JobSummary& summary) {
  std::string line =
      "plan " + (summary.plan.ns > 0 ? format_seconds(summary.plan, 1) : std::string("unknown"));
  // How well it went can only be said at the end.
  if (summary.status != JobStatus::kRunning) {
    line += fmt::format(" · ideal {} · efficiency {}.{}% · saved {}",
                        format_seconds(summary.ideal, 1), summary.efficiency_permille / 10,
                        summary.efficiency_permille % 10, format_duration(summary.saved));
  }
  return line + fmt::format(" · {} · {} · {} · {}", counted(summary.nodes.size(), "node"),
                            counted(summary.workers, "worker"), counted(summary.steals, "steal"),
                            counted(summary.lost_nodes, "lost node"));
}

Color color_of(JobStatus status) {
  switch (status) {
    case JobStatus::kPassed:
      return Color::kGreen;
    case JobStatus::kFailed:
      return Color::kRed;
    default:
      return Color::kYellow;
  }
}

std::string digest_of(const std::vector<std::string>& lines, const Hasher& hash) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  const Hash value = hash(Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  return to_hex(value).substr(0, 8);
}

}  // namespace

std::string format_summary_line(const JobSummary& summary) {
  const Counts& counts = summary.counts;
  std::string line =
      fmt::format("{} {}: {} failed, {} passed, {} flaky, {} errors, {} skipped, {} redundant",
                  visible(summary.short_id), to_string(summary.status), counts.failed,
                  counts.passed, counts.flaky, counts.errors, counts.skipped, counts.redundant);
  if (counts.unfinished > 0) {
    line += fmt::format(", {} {}", counts.unfinished,
                        summary.status == JobStatus::kRunning ? "left" : "not run");
  }
  return line + fmt::format(" of {} in {}", counted(counts.total, "test"),
                            format_duration(summary.duration));
}

std::string dashboard_link(const JobSummary& summary) {
  if (summary.dashboard_url.empty()) return {};
  std::string url = visible(summary.dashboard_url);
  if (summary.status == JobStatus::kFailed || summary.counts.failed + summary.counts.errors > 0) {
    url += url.find('?') == std::string::npos ? '?' : '&';
    url += "spanTypes=failures";
  }
  return url;
}

JobReport format_job_report(const JobSummary& summary, const Hasher& hash) {
  JobReport report;
  report.status = summary.status;
  std::vector<std::string>& lines = report.lines;
  for (const CollectionErrorSummary& error : summary.collection_errors) {
    lines.push_back(fmt::format("{:<8} {}   collection   {}", to_string(Verdict::kError),
                                visible(error.path),
                                cut(visible(headline(error.text)), kReportMessageMax)));
  }
  append_tests(
      summary, [](const TestSummary& test) { return is_failure(test.verdict); }, lines);
  append_tests(
      summary, [](const TestSummary& test) { return test.verdict == Verdict::kOkFlaky; }, lines);
  append_tests(summary, was_stopped, lines, kStoppedShown);
  for (const std::string& note : summary.notes) lines.push_back(visible(note));
  lines.push_back(format_summary_line(summary));
  lines.push_back(plan_line(summary));
  if (!summary.ci_url.empty()) lines.push_back("CI: " + visible(summary.ci_url));
  const std::string dashboard = dashboard_link(summary);
  if (!dashboard.empty()) lines.push_back("Dashboard: " + dashboard);
  report.digest = digest_of(lines, hash);
  return report;
}

std::string to_text(const JobReport& report, bool color) {
  const Color tone = color_of(report.status);
  std::string text = paint(tone, rule("DAGZ job report"), color) + "\n";
  for (const std::string& line : report.lines) text += paint(tone, line, color) + "\n";
  return text + paint(tone, rule("end of report " + report.digest), color) + "\n";
}

}  // namespace dagz::report
