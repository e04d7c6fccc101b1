#include "report/junit.hpp"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "report/calendar.hpp"
#include "report/progress.hpp"
#include "report/text.hpp"

namespace dagz::report {
namespace {

bool allowed_in_xml(char32_t code) {
  if (code < 0x20) return code == U'\t' || code == U'\n' || code == U'\r';
  return code != 0x7f && code != 0xfffe && code != 0xffff;
}

std::string attribute(std::string_view name, std::string_view value) {
  return fmt::format(" {}=\"{}\"", name, escape_xml(value, true));
}

std::string seconds(Duration duration) {
  std::string text = format_seconds(duration.ns < 0 ? Duration{} : duration, 3);
  text.pop_back();
  return text;
}

std::string message_of(const AttemptSummary& attempt) {
  return attempt.message.empty() ? std::string(to_string(attempt.outcome)) : attempt.message;
}

// <failure> or <error>, with a prefix: rerunFailure, flakyError, …
std::string failure_element(const AttemptSummary& attempt, std::string_view prefix) {
  const bool error = attempt.outcome == Outcome::kError;
  const bool plain = prefix.empty();
  const std::string tag = fmt::format("{}{}", prefix,
                                      plain   ? (error ? "error" : "failure")
                                      : error ? "Error"
                                              : "Failure");
  const std::string text = escape_xml(attempt.output, false);
  return fmt::format("<{0}{1}{2}>{3}</{0}>", tag, attribute("message", message_of(attempt)),
                     attribute("type", to_string(attempt.outcome)),
                     plain ? text : fmt::format("<stackTrace>{}</stackTrace>", text));
}

std::string skipped_element(std::string_view type, std::string_view message) {
  return fmt::format("<skipped{}{}/>", attribute("type", type), attribute("message", message));
}

// Where each attempt ran; and the output of those whose failure is not an element that viewers
// show.
std::string system_out(const TestSummary& test, const AttemptSummary* shown) {
  std::string text;
  for (std::size_t i = 0; i < test.attempts.size(); ++i) {
    const AttemptSummary& attempt = test.attempts[i];
    const TryNumber tried = try_number(test, i);
    text += fmt::format("attempt {} of {}: {} after {} on worker #{} of {}\n", tried.number,
                        tried.count, to_string(attempt.outcome),
                        format_seconds(attempt.duration, 3), attempt.worker, attempt.node);
    if (&attempt != shown && !attempt.output.empty()) text += attempt.output + "\n";
  }
  return fmt::format("<system-out>{}</system-out>", escape_xml(text, false));
}

std::string failed_children(const TestSummary& test) {
  const bool flaky = test.verdict == Verdict::kOkFlaky;
  const AttemptSummary* shown = flaky ? nullptr : shown_attempt(test);
  std::string text;
  if (shown != nullptr) {
    text += failure_element(*shown, "");
  } else if (!flaky) {
    text += fmt::format("<failure{}{}/>", attribute("message", to_string(test.verdict)),
                        attribute("type", "failed"));
  }
  for (const AttemptSummary& attempt : test.attempts) {
    if (&attempt == shown || !is_failure(attempt.outcome)) continue;
    text += failure_element(attempt, flaky ? "flaky" : "rerun");
  }
  return text + system_out(test, shown);
}

std::string children(const TestSummary& test) {
  if (is_failure(test.verdict) || test.verdict == Verdict::kOkFlaky) return failed_children(test);
  const AttemptSummary* attempt = shown_attempt(test);
  const std::string_view message = attempt == nullptr ? std::string_view() : attempt->message;
  switch (test.verdict) {
    case Verdict::kSkipped:
      return skipped_element("pytest.skip", message);
    case Verdict::kXfail:
      return skipped_element("pytest.xfail", message);
    case Verdict::kRedundant:
      return skipped_element("dagz.redundant", "passed in an earlier attempt of this job");
    case Verdict::kPending:
    case Verdict::kRetry:
      return skipped_element("dagz.not_run", was_stopped(test)
                                                 ? "no verdict: the job was stopped while it ran"
                                                 : "no verdict: the job ended before");
    default:
      return {};
  }
}

std::string property(std::string_view name, std::string_view value) {
  return "<property" + attribute("name", name) + attribute("value", value) + "/>";
}

// As pytest writes what was recorded: of several attempts, what the last that recorded anything
// did.
std::string recorded(const TestSummary& test) {
  std::string last;
  for (const AttemptSummary& attempt : test.attempts) {
    std::string text;
    for (const Property& one : attempt.properties) {
      if (!one.of_suite) text += property(one.name, one.value);
    }
    if (!text.empty()) last = std::move(text);
  }
  return last.empty() ? std::string() : "<properties>" + last + "</properties>";
}

// What fixtures recorded of the suite: each worker that set one up did so, hence once each.
std::string recorded_of_suite(const JobSummary& summary) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  std::string text;
  for (const TestSummary& test : summary.tests) {
    for (const AttemptSummary& attempt : test.attempts) {
      for (const Property& one : attempt.properties) {
        if (!one.of_suite || !seen.emplace(one.name, one.value).second) continue;
        text += property(one.name, one.value) + "\n";
      }
    }
  }
  return text;
}

std::string testcase(const TestSummary& test) {
  const JunitAddress address = junit_address(test.id);
  const AttemptSummary* attempt = shown_attempt(test);
  std::string text =
      "<testcase" + attribute("classname", address.class_name) + attribute("name", address.name) +
      attribute("time", seconds(attempt == nullptr ? Duration{} : attempt->duration));
  if (!test.file.empty()) text += attribute("file", test.file);
  const std::string inside = recorded(test) + children(test);
  return text + (inside.empty() ? "/>\n" : fmt::format(">{}</testcase>\n", inside));
}

std::string collection_case(const CollectionErrorSummary& error) {
  const JunitAddress address = junit_address(error.path);
  return fmt::format("<testcase{}{} time=\"0.000\"{}><error{}{}>{}</error></testcase>\n",
                     attribute("classname", address.class_name), attribute("name", address.name),
                     attribute("file", error.path), attribute("message", "collection failure"),
                     attribute("type", "collection"), escape_xml(error.text, false));
}

std::string properties(const JobSummary& summary) {
  // Before our own, which count if a suite has taken one of these names.
  std::string text = "<properties>\n" + recorded_of_suite(summary);
  const auto add = [&text](std::string_view name, std::string_view value) {
    if (!value.empty()) text += property(name, value) + "\n";
  };
  add("dagz.job", summary.full_id);
  add("dagz.short_id", summary.short_id);
  add("dagz.status", to_string(summary.status));
  add("dagz.nodes", std::to_string(summary.nodes.size()));
  add("dagz.workers", std::to_string(summary.workers));
  add("dagz.ci_url", summary.ci_url);
  add("dagz.dashboard_url", summary.dashboard_url);
  return text + "</properties>\n";
}

}  // namespace

std::string escape_xml(std::string_view text, bool attribute_value) {
  std::string out;
  out.reserve(text.size() + text.size() / 16);
  for (std::size_t at = 0; at < text.size();) {
    char32_t code = 0;
    const std::size_t length = decode_utf8(text, at, code);
    const std::string_view bytes = text.substr(at, length == 0 ? 1 : length);
    at += bytes.size();
    if (length == 0) {
      out += fmt::format("#x{:02X}", static_cast<uint8_t>(bytes[0]));
    } else if (!allowed_in_xml(code)) {
      const auto number = static_cast<uint32_t>(code);
      out += code <= 0xff ? fmt::format("#x{:02X}", number) : fmt::format("#x{:04X}", number);
    } else if (code == U'&') {
      out += "&amp;";
    } else if (code == U'<') {
      out += "&lt;";
    } else if (code == U'>') {
      out += "&gt;";
    } else if (code == U'\r' || (attribute_value && (code == U'\n' || code == U'\t'))) {
      out += fmt::format("&#{};", static_cast<uint32_t>(code));
    } else if (attribute_value && code == U'"') {
      out += "&quot;";
    } else {
      out += bytes;
    }
  }
  return out;
}

JunitAddress junit_address(std::string_view id) {
  const std::size_t bracket = id.find('[');
  const std::string_view path = id.substr(0, bracket);
  const std::string_view parameters = bracket == std::string_view::npos ? "" : id.substr(bracket);

  const std::size_t file_end = path.find("::");
  std::string dotted(path.substr(0, file_end));
  for (char& c : dotted) c = c == '/' ? '.' : c;
  if (dotted.ends_with(".py")) dotted.resize(dotted.size() - 3);
  if (file_end == std::string_view::npos) {
    // pytest names a module "a.b" with an empty class, and so do the viewers group it.
    return {"", dotted + std::string(parameters)};
  }
  std::string_view rest = path.substr(file_end + 2);
  for (std::size_t end = rest.find("::"); end != std::string_view::npos; end = rest.find("::")) {
    dotted += "." + std::string(rest.substr(0, end));
    rest.remove_prefix(end + 2);
  }
  return {dotted, std::string(rest) + std::string(parameters)};
}

std::string format_junit(const JobSummary& summary) {
  const Counts& counts = summary.counts;
  const std::string totals =
      attribute("tests", std::to_string(summary.tests.size() + summary.collection_errors.size())) +
      attribute("failures", std::to_string(counts.failed)) +
      attribute("errors", std::to_string(counts.errors)) +
      attribute("time", seconds(summary.duration));
  std::string text = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";
  text +=
      "<testsuites name=\"dagz\"" + totals + ">\n<testsuite name=\"pytest\"" + totals +
      attribute("skipped", std::to_string(counts.skipped + counts.redundant + counts.unfinished)) +
      attribute("timestamp", format_timestamp(summary.started));
  if (!summary.nodes.empty()) text += attribute("hostname", summary.nodes.front().host);
  text += ">\n" + properties(summary);
  for (const CollectionErrorSummary& error : summary.collection_errors) {
    text += collection_case(error);
  }
  for (const TestSummary& test : summary.tests) text += testcase(test);
  return text + "</testsuite>\n</testsuites>\n";
}

}  // namespace dagz::report
