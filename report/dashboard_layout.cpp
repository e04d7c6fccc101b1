#include "report/dashboard_layout.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "report/calendar.hpp"
#include "report/html.hpp"
#include "report/progress.hpp"
#include "report/text.hpp"

namespace dagz::report {
namespace {

constexpr std::size_t kMessageShown = 300;
constexpr uint64_t kBarWidth = 1000;

struct Share {
  std::string_view tone;
  std::string_view name;
  uint64_t count = 0;
};

std::vector<Share> shares(const Counts& counts, bool running) {
  const uint64_t retrying = running ? counts.retrying : 0;
  return {{"bad", "failed", counts.failed + counts.errors},
          {"retry", "to be retried", retrying},
          {"flaky", "flaky", counts.flaky},
          {"ok", "passed", counts.passed},
          {"skip", "skipped", counts.skipped},
          {"skip", "redundant", counts.redundant},
          {running ? "left" : "none", running ? "unfinished" : "not run",
           counts.unfinished - std::min(retrying, counts.unfinished)}};
}

std::string_view tone_of(JobStatus status) {
  switch (status) {
    case JobStatus::kPassed:
      return "ok";
    case JobStatus::kFailed:
      return "bad";
    case JobStatus::kRunning:
      return "left";
    default:
      return "retry";
  }
}

std::string badge(std::string_view tone, std::string_view word) {
  return fmt::format("<span class=\"badge {}\">{}</span>", tone, word);
}

std::string test_row(const TestRow& row) {
  const TestSummary& test = row.test;
  const AttemptSummary* shown = shown_attempt(test);
  std::string text =
      fmt::format("<tr><td>{}</td><td class=\"test\"><a href=\"{}\" data-panel>{}</a>",
                  verdict_badge(test.verdict), html(test_path(row.job, test.id)), html(test.id));
  if (shown != nullptr && !shown->message.empty()) {
    text +=
        "<div class=\"message\">" + html(cut(first_line(shown->message), kMessageShown)) + "</div>";
  }
  if (shown == nullptr) return text + "</td><td></td><td></td><td></td></tr>\n";
  text += fmt::format("</td><td class=\"number\">{}</td><td class=\"where\">#{} on {}{}</td><td>",
                      format_seconds(shown->duration, 2), shown->worker, html(shown->node),
                      test.attempts.size() > 1 ? fmt::format(", {} attempts", test.attempts.size())
                                               : std::string());
  if (row.context) {
    text += fmt::format(
        "<a class=\"button\" href=\"{}\" download title=\"Agent context: what a coding agent needs "
        "to look into this failure\" aria-label=\"Download the agent context of {}\">✨</a>",
        html(context_path(row.job, test.id)), html(test.id));
  }
  return text + "</td></tr>\n";
}

}  // namespace

std::string page(const PageFrame& frame, std::string_view content) {
  std::string text = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n"
      "<link rel=\"stylesheet\" href=\"/style.css\">\n"
      "<link rel=\"icon\" href=\"/icon.svg\" type=\"image/svg+xml\">\n"
      "<script src=\"/app.js\" defer></script>\n",
      html(frame.title));
  if (frame.running) text += "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n";
  text += fmt::format(
      "</head>\n<body{}>\n<a class=\"to-content\" href=\"#main\">To the content</a>\n"
      "<header class=\"top\"><a class=\"brand\" href=\"/jobs\">dagz</a>"
      "<nav aria-label=\"Site\"><a href=\"/jobs\">Jobs</a></nav></header>\n"
      "<main id=\"main\">\n",
      frame.refresh_s > 0 ? fmt::format(" data-refresh-s=\"{}\"", frame.refresh_s) : "");
  if (!frame.problem.empty()) {
    text += "<p class=\"problem\" role=\"alert\">" + html(frame.problem) + "</p>\n";
  }
  text += content;
  return text + "</main>\n</body>\n</html>\n";
}

std::string error_page(std::string_view title, std::string_view sentence) {
  return page({std::string(title), "", 0, false},
              fmt::format("<h1>{}</h1>\n<p>{}</p>\n<p><a href=\"/jobs\">All jobs</a></p>\n",
                          html(title), html(sentence)));
}

std::string grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t i = digits.size(); i > 3;) {
    i -= 3;
    digits.insert(i, ",");
  }
  return digits;
}

std::string time_ago(WallTime time, WallTime now) {
  static constexpr std::array<std::pair<int64_t, std::string_view>, 4> kUnits = {
      {{86'400, "day"}, {3'600, "hour"}, {60, "minute"}, {1, "second"}}};
  const int64_t seconds = (now.ms - time.ms) / 1000;
  for (const auto& [length, name] : kUnits) {
    if (seconds < length) continue;
    return counted(static_cast<uint64_t>(seconds / length), name) + " ago";
  }
  return "just now";
}

std::string time_element(WallTime time, WallTime now) {
  std::string stamp = format_timestamp(time);
  std::string shown = stamp;
  if (const auto at = shown.find('T'); at != std::string::npos) shown[at] = ' ';
  return fmt::format("<time datetime=\"{}Z\" title=\"{}\">{}</time>", stamp, time_ago(time, now),
                     shown);
}

std::string status_badge(JobStatus status) { return badge(tone_of(status), to_string(status)); }

std::string verdict_badge(Verdict verdict) { return badge(tone_of(verdict), to_string(verdict)); }

std::string_view tone_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kRetry:
      return "retry";
    case Verdict::kPending:
      return "left";
    default:
      break;
  }
  switch (bucket_of(verdict)) {
    case Bucket::kFailed:
    case Bucket::kErrors:
      return "bad";
    case Bucket::kFlaky:
      return "flaky";
    case Bucket::kPassed:
      return "ok";
    default:
      return "skip";
  }
}

std::string result_chips(const Counts& counts, bool running) {
  std::string text = "<span class=\"chips\">";
  for (const Share& share : shares(counts, running)) {
    if (share.count == 0) continue;
    text += fmt::format("<span class=\"chip {}\"><b>{}</b> {}</span>", share.tone,
                        grouped(share.count), share.name);
  }
  return text + "</span>";
}

std::string result_bar(const Counts& counts, bool running) {
  const std::vector<Share> all = shares(counts, running);
  uint64_t sum = 0;
  for (const Share& share : all) sum += share.count;
  std::string text =
      "<svg class=\"bar\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" "
      "aria-hidden=\"true\">";
  uint64_t done = 0;
  for (const Share& share : all) {
    if (share.count == 0) continue;
    const uint64_t from = kBarWidth * done / sum;
    done += share.count;
    // A single failure among many must be seen.
    const uint64_t width = std::max<uint64_t>(4, kBarWidth * done / sum - from);
    text += fmt::format("<rect class=\"{}\" x=\"{}\" width=\"{}\" height=\"10\"/>", share.tone,
                        from, width);
  }
  return text + "</svg>";
}

std::string ci_link(const std::string& url, std::string_view label) {
  const auto link = web_link(url);
  if (!link) return html(url);
  return fmt::format("<a href=\"{}\" rel=\"noreferrer\">{}</a>", html(*link), html(label));
}

std::string test_table(const std::vector<TestRow>& rows) {
  std::string text =
      "<table class=\"tests\"><thead><tr><th scope=\"col\">Verdict</th><th scope=\"col\">Test</th>"
      "<th scope=\"col\" class=\"number\">Time</th><th scope=\"col\">Worker</th>"
      "<th scope=\"col\"><span class=\"hidden\">Agent context</span></th></tr></thead>\n<tbody>\n";
  for (const TestRow& row : rows) text += test_row(row);
  return text + "</tbody></table>\n";
}

}  // namespace dagz::report
