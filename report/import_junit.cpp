#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>
#include <pugixml.hpp>

#include "report/calendar.hpp"
#include "report/exchange.hpp"
#include "report/text.hpp"

namespace dagz::report {
namespace {

constexpr std::size_t kDepthMax = 16;
constexpr const char* kNode = "imported";

// Absent is nought; nothing when it is no time.
std::optional<Duration> seconds_in(const pugi::xml_node& node) {
  const std::string_view text = node.attribute("time").value();
  if (text.empty()) return Duration{};
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!(value >= 0) || value > kImportedSecondsMax) return std::nullopt;
  return Duration::microseconds(std::llround(value * 1e6));
}

// a.b.test_c.TestX -> a/b/test_c.py::TestX: classes are those that begin with a capital.
std::string guessed_id(std::string_view class_name, std::string_view name) {
  std::string path;
  std::string classes;
  while (!class_name.empty()) {
    const std::size_t dot = class_name.find('.');
    const std::string_view part = class_name.substr(0, dot);
    const bool is_class = !classes.empty() || (!path.empty() && !part.empty() &&
                                               std::isupper(static_cast<unsigned char>(part[0])));
    if (is_class) {
      classes += "::" + std::string(part);
    } else {
      path += (path.empty() ? "" : "/") + std::string(part);
    }
    if (dot == std::string_view::npos) break;
    class_name.remove_prefix(dot + 1);
  }
  return path + ".py" + classes + "::" + std::string(name);
}

// What follows the module in the class's name: file a/b.py, class a.b.TestX -> ::TestX
std::string classes_after(std::string_view file, std::string_view class_name) {
  std::string module(file.substr(0, file.rfind('.')));
  std::replace(module.begin(), module.end(), '/', '.');
  if (class_name == module) return {};
  if (!class_name.starts_with(module + ".")) return {};
  std::string classes = "::" + std::string(class_name.substr(module.size() + 1));
  for (auto dot = classes.find('.'); dot != std::string::npos; dot = classes.find('.')) {
    classes.replace(dot, 1, "::");
  }
  return classes;
}

class JunitReader {
 public:
  JunitReader(std::string_view text, const ImportContext& context)
      : text_(text), context_(context) {}

  std::optional<ImportProblem> read() {
    pugi::xml_document document;
    const pugi::xml_parse_result parsed = document.load_buffer(text_.data(), text_.size());
    if (!parsed) {
      return ImportProblem{line_at(text_, static_cast<std::size_t>(parsed.offset)),
                           std::string("this is no well-formed XML: ") + parsed.description()};
    }
    const pugi::xml_node root = document.document_element();
    const std::string_view name = root.name();
    if (name != "testsuites" && name != "testsuite") {
      return ImportProblem{line_at(text_, static_cast<std::size_t>(root.offset_debug())),
                           "this XML is no JUnit report"};
    }
    job_.full_id = "junit-" + context_.digest;
    job_.started = context_.now;
    job_.workers = 1;
    job_.nodes = {{kNode, "", "", 1, false, ""}};
    visit(root, 0);
    if (problem_) return problem_;
    finish();
    return std::nullopt;
  }

 private:
  void visit(const pugi::xml_node& node, std::size_t depth) {
    if (depth > kDepthMax || problem_) return;
    const std::string_view name = node.name();
    if (name == "testcase") return add_case(node);
    if (name == "property") return add_property(node);
    if (name == "testsuite") add_suite(node);
    if (name != "testsuites" && name != "testsuite" && name != "properties") return;
    for (const pugi::xml_node& child : node.children()) visit(child, depth + 1);
  }

  void add_suite(const pugi::xml_node& node) {
    job_.duration += seconds_in(node).value_or(Duration{});
    if (job_.nodes[0].host.empty()) job_.nodes[0].host = node.attribute("hostname").value();
    const auto began = parse_timestamp(node.attribute("timestamp").value());
    if (began && (!dated_ || began->ms < job_.started.ms)) {
      job_.started = *began;
      dated_ = true;
    }
  }

  void add_property(const pugi::xml_node& node) {
    const std::string_view name = node.attribute("name").value();
    const char* value = node.attribute("value").value();
    if (name == "dagz.job" && *value != '\0') job_.full_id = value;
    if (name == "dagz.short_id") job_.short_id = value;
    if (name == "dagz.ci_url") job_.ci_url = value;
  }

  void complain(const pugi::xml_node& node, const char* what) {
    problem_ = ImportProblem{line_at(text_, static_cast<std::size_t>(node.offset_debug())), what};
  }

  void add_case(const pugi::xml_node& node) {
    const std::string_view name = node.attribute("name").value();
    const std::string_view class_name = node.attribute("classname").value();
    const std::string_view file = node.attribute("file").value();
    if (name.empty()) return complain(node, "a test case without a name");
    const auto duration = seconds_in(node);
    if (!duration) return complain(node, "the time of a test case is no number of seconds");
    if (class_name.empty() && node.child("error")) {
      job_.collection_errors.push_back(
          {std::string(file.empty() ? name : file), node.child("error").text().get()});
      return;
    }
    std::string id;
    if (!file.empty()) {
      id = std::string(file) + classes_after(file, class_name) + "::" + std::string(name);
    } else {
      id = context_.known_id ? context_.known_id(class_name, name) : std::string();
      if (id.empty()) id = guessed_id(class_name, name);
    }
    add_attempts(node, id, file.empty() ? file_of_id(id) : std::string(file), *duration);
  }

  void add_attempts(const pugi::xml_node& node, const std::string& id, const std::string& file,
                    Duration duration) {
    TestSummary& test = tests_[id];
    test.id = id;
    test.file = file;
    bool skipped = false;
    bool failed = false;
    for (const pugi::xml_node& child : node.children()) {
      const std::string_view what = child.name();
      const bool error = what == "error" || what == "rerunError" || what == "flakyError";
      const bool again = what.starts_with("rerun") || what.starts_with("flaky");
      if (what == "skipped") {
        const std::string_view type = child.attribute("type").value();
        if (type == "dagz.not_run") return;
        skipped = true;
        add(test, type == "pytest.xfail" ? Outcome::kXfailed : Outcome::kSkipped, duration, child);
      } else if (error || what == "failure" || again) {
        failed |= !again;
        add(test, outcome_of(child, error), again ? Duration{} : duration, child);
      }
    }
    if (!failed && !skipped) add(test, Outcome::kPassed, duration, {});
  }

  static Outcome outcome_of(const pugi::xml_node& node, bool error) {
    const std::string_view type = node.attribute("type").value();
    if (type == to_string(Outcome::kCrashed)) return Outcome::kCrashed;
    if (type == to_string(Outcome::kTimedOut)) return Outcome::kTimedOut;
    return error ? Outcome::kError : Outcome::kFailed;
  }

  static void add(TestSummary& test, Outcome outcome, Duration duration,
                  const pugi::xml_node& node) {
    AttemptSummary attempt;
    attempt.outcome = outcome;
    attempt.node = kNode;
    attempt.run = static_cast<uint32_t>(test.attempts.size()) + 1;
    attempt.duration = duration;
    attempt.message = first_line(node.attribute("message").value());
    attempt.output =
        node.child("stackTrace") ? node.child("stackTrace").text().get() : node.text().get();
    test.attempts.push_back(std::move(attempt));
  }

  void finish() {
    for (auto& [id, test] : tests_) {
      std::vector<Outcome> outcomes;
      for (const AttemptSummary& attempt : test.attempts) outcomes.push_back(attempt.outcome);
      test.verdict = decide(outcomes, true);
      job_.tests.push_back(std::move(test));
    }
    job_.counts = count_tests(job_.tests, job_.collection_errors.size());
    job_.status = final_status(job_, false);
    context_.sink(std::move(job_));
  }

  std::string_view text_;
  const ImportContext& context_;
  JobSummary job_;
  std::map<std::string, TestSummary> tests_;
  bool dated_ = false;
  std::optional<ImportProblem> problem_;
};

}  // namespace

std::optional<ImportProblem> import_junit(std::string_view text, const ImportContext& context) {
  return JunitReader(text, context).read();
}

}  // namespace dagz::report
