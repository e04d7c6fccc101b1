#include "report/markdown.hpp"

#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "report/job_report.hpp"
#include "report/progress.hpp"
#include "report/text.hpp"

namespace dagz::report {
namespace {

std::string escape(std::string_view text, std::string_view special) {
  std::string out;
  for (const char c : text) {
    if (special.find(c) == std::string_view::npos) {
      out.push_back(c);
    } else {
      out += fmt::format("&#{};", static_cast<int>(c));
    }
  }
  return out;
}

// Text in a table cell, a heading or a paragraph.
std::string inline_text(std::string_view text) {
  return escape(cut(visible(text), kMarkdownTextMax), "&<>\"'|*_`[]~\\#!$@");
}

std::string code(std::string_view text) { return "<code>" + inline_text(text) + "</code>"; }

std::string preformatted(std::string_view text) {
  return "<pre>" + escape(visible_lines(head_and_tail(text, kMarkdownOutputMax)), "&<>") +
         "</pre>\n";
}

std::string_view mark(JobStatus status) {
  switch (status) {
    case JobStatus::kPassed:
      return "✅";
    case JobStatus::kFailed:
      return "❌";
    case JobStatus::kRunning:
      return "⏳";
    default:
      return "⚠️";
  }
}

std::string details(std::string_view title, std::string_view text) {
  return fmt::format("<details><summary>{}</summary>\n\n{}\n</details>\n\n", title,
                     preformatted(text));
}

std::string counts_table(const Counts& counts, bool running) {
  return fmt::format(
      "| passed | failed | flaky | errors | skipped | redundant | {} | total |\n"
      "|--:|--:|--:|--:|--:|--:|--:|--:|\n| {} | {} | {} | {} | {} | {} | {} | {} |\n\n",
      running ? "left" : "not run", counts.passed, counts.failed, counts.flaky, counts.errors,
      counts.skipped, counts.redundant, counts.unfinished, counts.total);
}

using Tests = std::vector<const TestSummary*>;

std::string tests_table(std::string_view title, const Tests& tests) {
  if (tests.empty()) return {};
  std::string text =
      fmt::format("### {}\n\n| | test | time | where | message |\n|-|-|--:|-|-|\n", title);
  for (std::size_t i = 0; i < tests.size() && i < kMarkdownTestsMax; ++i) {
    const TestSummary& test = *tests[i];
    const AttemptSummary none;
    const AttemptSummary* shown = shown_attempt(test);
    const AttemptSummary& attempt = shown == nullptr ? none : *shown;
    text += fmt::format("| {} | {} | {} | {} | {} |\n", inline_text(to_string(test.verdict)),
                        code(test.id), format_seconds(attempt.duration, 2),
                        inline_text(fmt::format("worker {} on {}", attempt.worker, attempt.node)),
                        inline_text(first_line(attempt.message)));
  }
  if (tests.size() > kMarkdownTestsMax) {
    text += fmt::format("\n… and {}\n", counted(tests.size() - kMarkdownTestsMax, "more test"));
  }
  return text + "\n";
}

std::string outputs(const Tests& failed) {
  std::string text;
  std::size_t shown = 0;
  for (const TestSummary* test : failed) {
    const AttemptSummary* attempt = shown_attempt(*test);
    if (attempt == nullptr || attempt->output.empty()) continue;
    if (++shown > kMarkdownOutputsMax) break;
    text += details(code(test->id), attempt->output);
  }
  return text;
}

std::string collection_errors(const JobSummary& summary) {
  if (summary.collection_errors.empty()) return {};
  std::string text = "### Collection errors\n\n";
  std::size_t shown = 0;
  for (const CollectionErrorSummary& error : summary.collection_errors) {
    if (++shown > kMarkdownOutputsMax) break;
    text += details(code(error.path), error.text);
  }
  if (summary.collection_errors.size() > kMarkdownOutputsMax) {
    text +=
        fmt::format("… and {} more\n\n", summary.collection_errors.size() - kMarkdownOutputsMax);
  }
  return text;
}

}  // namespace

std::string format_markdown(const JobSummary& summary) {
  Tests failed;
  Tests flaky;
  Tests stopped;
  for (const TestSummary& test : summary.tests) {
    if (is_failure(test.verdict)) failed.push_back(&test);
    if (test.verdict == Verdict::kOkFlaky) flaky.push_back(&test);
    if (was_stopped(test)) stopped.push_back(&test);
  }
  std::string text = fmt::format("## {} dagz job {}: {} in {}\n\n", mark(summary.status),
                                 inline_text(summary.short_id), to_string(summary.status),
                                 format_duration(summary.duration));
  text += counts_table(summary.counts, summary.status == JobStatus::kRunning);
  if (summary.status != JobStatus::kRunning) {
    text += fmt::format("efficiency {}.{}% · saved {} · ", summary.efficiency_permille / 10,
                        summary.efficiency_permille % 10, format_duration(summary.saved));
  }
  text += fmt::format("{} · {}\n\n", counted(summary.nodes.size(), "node"),
                      counted(summary.workers, "worker"));
  text += collection_errors(summary);
  text += tests_table("Failed", failed) + outputs(failed) + tests_table("Flaky", flaky) +
          tests_table("Running when the job was stopped", stopped);
  for (std::size_t i = 0; i < summary.notes.size() && i < kMarkdownTestsMax; ++i) {
    text += "- " + inline_text(summary.notes[i]) + "\n";
  }
  if (!summary.notes.empty()) text += "\n";
  if (!summary.ci_url.empty()) text += "CI: " + inline_text(summary.ci_url) + "\n";
  const std::string dashboard = dashboard_link(summary);
  if (!dashboard.empty()) text += "Dashboard: " + inline_text(dashboard) + "\n";
  return text;
}

}  // namespace dagz::report
