#include "report/test_logs.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "report/calendar.hpp"
#include "report/flakiness.hpp"
#include "report/json_values.hpp"
#include "report/progress.hpp"
#include "report/rerun_command.hpp"
#include "report/text.hpp"

namespace dagz::report {
namespace {

constexpr std::size_t kMessageShown = 300;
constexpr std::size_t kEarlierShown = 20;

std::string job_line(const JobRow& job) {
  return fmt::format("{} {}, {}Z, {}", visible(job.short_id), to_string(job.status),
                     format_timestamp(job.started), format_duration(job.duration));
}

std::string span_of(const TestLogs& logs, std::size_t attempt) {
  return attempt < logs.spans.size() ? logs.spans[attempt] : std::string();
}

std::string attempt_line(const TestLogs& logs, std::size_t i) {
  const std::vector<AttemptSummary>& attempts = logs.shown.test.attempts;
  const AttemptSummary& attempt = attempts[i];
  const TryNumber tried = try_number(logs.shown.test, i);
  std::string line = fmt::format(
      "attempt {} of {}   {}   {}   worker #{} on {}   began at {}   %cpu={}", tried.number,
      tried.count, to_string(attempt.outcome), format_seconds(attempt.duration, 3), attempt.worker,
      visible(attempt.node), format_clock(attempt.started_after), attempt.cpu_percent);
  const std::string span = span_of(logs, i);
  if (!span.empty()) line += "   span " + span;
  if (logs.asked == i) line += "   <- asked for";
  return line;
}

// One line on how the test did in a job.
std::string earlier_line(const TestRecord& record) {
  const TestSummary& test = record.test;
  const AttemptSummary* shown = shown_attempt(test);
  std::string line = fmt::format("{:<10} {}Z   {:<8}", visible(record.job.short_id),
                                 format_timestamp(record.job.started), to_string(test.verdict));
  if (shown == nullptr) return line;
  line += fmt::format("   {}   {}", format_seconds(shown->duration, 3),
                      counted(try_number(test, 0).count, "attempt"));
  if (!shown->message.empty()) {
    line += "   " + cut(visible(first_line(shown->message)), kMessageShown);
  }
  return line;
}

std::string with_line_end(std::string text) {
  if (!text.empty() && text.back() != '\n') text += '\n';
  return text;
}

std::string indented(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    out += line.empty() ? "\n" : fmt::format("    {}\n", line);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return out;
}

// "14 earlier jobs: 2 failed, 1 flaky"
std::string tally(const TestLogs& logs) {
  std::size_t failed = 0;
  std::size_t flaky = 0;
  for (const TestRecord& record : logs.earlier) {
    if (is_failure(record.test.verdict)) ++failed;
    if (record.test.verdict == Verdict::kOkFlaky) ++flaky;
  }
  return fmt::format("{}: {} failed, {} flaky", counted(logs.earlier.size(), "earlier job"), failed,
                     flaky);
}

Json record_json(const TestRecord& record) {
  Json attempts = Json::array();
  for (const AttemptSummary& attempt : record.test.attempts) {
    attempts.push_back({{"outcome", to_string(attempt.outcome)},
                        {"node", json_text(attempt.node)},
                        {"worker", attempt.worker},
                        {"started_after_s", json_seconds(attempt.started_after)},
                        {"duration_s", json_seconds(attempt.duration)},
                        {"cpu_percent", attempt.cpu_percent},
                        {"message", json_text(attempt.message)}});
  }
  return {{"job", json_text(record.job.full_id)},
          {"id", json_text(record.job.short_id)},
          {"status", to_string(record.job.status)},
          {"started", format_timestamp(record.job.started) + "Z"},
          {"started_ms", record.job.started.ms},
          {"ci_url", json_text(record.job.ci_url)},
          {"verdict", to_string(record.test.verdict)},
          {"attempts", std::move(attempts)}};
}

std::string output_name(std::size_t attempt) {
  return fmt::format("output-attempt-{}.txt", attempt + 1);
}

Json logs_json(const TestLogs& logs, bool output_as_files) {
  Json json = {{"schema", 1},
               {"tool", "dagz"},
               {"test", json_text(logs.shown.test.id)},
               {"file", json_text(logs.shown.test.file)}};
  json.update(record_json(logs.shown));
  json["rerun"] = json_text(rerun_line(logs.shown.job.again, logs.shown.test.id));
  for (std::size_t i = 0; i < logs.shown.test.attempts.size(); ++i) {
    Json& attempt = json["attempts"][i];
    const std::string& output = logs.shown.test.attempts[i].output;
    const auto node = std::find_if(
        logs.shown.nodes.begin(), logs.shown.nodes.end(),
        [&](const NodeSummary& one) { return one.name == logs.shown.test.attempts[i].node; });
    if (node != logs.shown.nodes.end()) attempt["host"] = json_text(node->host);
    attempt["span"] = span_of(logs, i);
    if (output.empty()) continue;
    attempt[output_as_files ? "output_file" : "output"] =
        output_as_files ? Json(output_name(i)) : json_text(output);
  }
  const Flakiness flaky = flakiness_of(logs);
  json["flakiness"] = {{"jobs", flaky.jobs}, {"flaky", flaky.flaky}, {"failed", flaky.failed}};
  json["earlier"] = Json::array();
  for (const TestRecord& record : logs.earlier) json["earlier"].push_back(record_json(record));
  return json;
}

// Longer than any run of backticks within.
std::string fenced(std::string_view text) {
  std::size_t longest = 2;
  std::size_t run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(longest + 1, '`');
  return fence + "text\n" + with_line_end(std::string(text)) + fence + "\n";
}

std::string context_of(const TestLogs& logs, bool output_as_files) {
  const TestSummary& test = logs.shown.test;
  const JobRow& job = logs.shown.job;
  std::string text = fmt::format("# {} in {}\n\n", to_string(test.verdict), visible(job.short_id));
  text += "The test:\n\n" + fenced(visible(test.id));
  text += fmt::format("\nIt is in the file `{}`. Run it again, alone:\n\n", visible(test.file));
  text += fenced(visible(rerun_line(job.again, test.id)));
  text += "\n## Job\n\n" + job_line(job) + "\n";
  text += fmt::format("{} failed, {} passed, {} flaky, {} errors, {} skipped of {}\n",
                      job.counts.failed, job.counts.passed, job.counts.flaky, job.counts.errors,
                      job.counts.skipped, counted(job.counts.total, "test"));
  if (!job.ci_url.empty()) text += "CI: " + visible(job.ci_url) + "\n";
  text += "\n## Attempts\n";
  for (std::size_t i = 0; i < test.attempts.size(); ++i) {
    const AttemptSummary& attempt = test.attempts[i];
    text += "\n### " + attempt_line(logs, i) + "\n\n";
    if (!attempt.message.empty()) text += fenced(visible_lines(attempt.message)) + "\n";
    if (attempt.output.empty()) {
      text += "It left no output.\n";
    } else {
      text += output_as_files ? "Output, also in `" + output_name(i) + "`:\n\n" : "Output:\n\n";
      text += fenced(visible_lines(attempt.output));
    }
  }
  if (test.attempts.empty()) text += "\nNo attempt was made.\n";
  text += "\n## Earlier jobs\n\n" + tally(logs) + "\n";
  if (const std::string flaky = format_flakiness(flakiness_of(logs)); !flaky.empty()) {
    text += flaky + "\n";
  }
  text += "\n";
  std::string lines;
  for (const TestRecord& record : logs.earlier) lines += earlier_line(record) + "\n";
  if (!lines.empty()) text += fenced(lines);
  return text;
}

}  // namespace

std::string format_test_logs(const TestLogs& logs) {
  const TestSummary& test = logs.shown.test;
  const JobRow& job = logs.shown.job;
  std::string text = fmt::format("{} {}\n", to_string(test.verdict), visible(test.id));
  text += "job: " + job_line(job) + "\n";
  if (!job.ci_url.empty()) text += "CI: " + visible(job.ci_url) + "\n";
  text += "again: " + visible(rerun_line(job.again, test.id)) + "\n";
  if (const std::string flaky = format_flakiness(flakiness_of(logs)); !flaky.empty()) {
    text += flaky + "\n";
  }
  if (test.attempts.empty()) text += "\nno attempt was made\n";
  for (std::size_t i = 0; i < test.attempts.size(); ++i) {
    const AttemptSummary& attempt = test.attempts[i];
    text += "\n" + attempt_line(logs, i) + "\n";
    if (!attempt.message.empty()) text += indented(visible_lines(attempt.message));
    if (!attempt.output.empty()) {
      text += "output:\n" + indented(with_line_end(visible_lines(attempt.output)));
    }
  }
  text += "\n" + tally(logs) + "\n";
  for (std::size_t i = 0; i < logs.earlier.size() && i < kEarlierShown; ++i) {
    text += earlier_line(logs.earlier[i]) + "\n";
  }
  if (logs.earlier.size() > kEarlierShown) {
    text += fmt::format("… and {} more\n", logs.earlier.size() - kEarlierShown);
  }
  return text;
}

std::string format_test_logs_json(const TestLogs& logs) {
  return json_line(logs_json(logs, false)) + "\n";
}

std::vector<BundleFile> format_bundle(const TestLogs& logs) {
  std::vector<BundleFile> files;
  files.push_back({"context.md", context_of(logs, true)});
  files.push_back({"context.json", json_line(logs_json(logs, true)) + "\n"});
  for (std::size_t i = 0; i < logs.shown.test.attempts.size(); ++i) {
    const std::string& output = logs.shown.test.attempts[i].output;
    if (!output.empty()) files.push_back({output_name(i), output});
  }
  return files;
}

std::string format_context(const TestLogs& logs) {
  return context_of(logs, false) + "\n## The same as JSON\n\n" +
         fenced(json_line(logs_json(logs, false)));
}

}  // namespace dagz::report
