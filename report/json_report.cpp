#include "report/json_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "report/calendar.hpp"
#include "report/json_values.hpp"
#include "report/text.hpp"

namespace dagz::report {
namespace {

Json node_of(const NodeSummary& node) {
  Json json = {{"name", json_text(node.name)},
               {"host", json_text(node.host)},
               {"ci_url", json_text(node.ci_url)},
               {"workers", node.workers},
               {"lost", node.lost},
               {"id", json_text(node.id)}};
  if (node.place > 0) json["place"] = node.place;
  return json;
}

Json attempt_of(const AttemptSummary& attempt) {
  Json json = {{"outcome", to_string(attempt.outcome)},
               {"node", json_text(attempt.node)},
               {"worker", attempt.worker},
               {"started_after_s", json_seconds(attempt.started_after)},
               {"duration_s", json_seconds(attempt.duration)},
               {"cpu_percent", attempt.cpu_percent},
               {"run", attempt.run}};
  if (!attempt.message.empty()) json["message"] = json_text(attempt.message);
  if (!attempt.output.empty()) json["output"] = json_text(attempt.output);
  for (const Property& one : attempt.properties) {
    json[one.of_suite ? "suite_properties" : "properties"].push_back(
        {json_text(one.name), json_text(one.value)});
  }
  return json;
}

Json test_of(const TestSummary& test) {
  Json attempts = Json::array();
  for (const AttemptSummary& attempt : test.attempts) attempts.push_back(attempt_of(attempt));
  return {{"id", json_text(test.id)},
          {"file", json_text(test.file)},
          {"verdict", to_string(test.verdict)},
          {"attempts", std::move(attempts)}};
}

Json head_of(const JobSummary& summary) {
  Json json = {{"schema", kJsonSchema},
               {"tool", "dagz"},
               {"job", json_text(summary.full_id)},
               {"id", json_text(summary.short_id)},
               {"status", to_string(summary.status)},
               {"started", format_timestamp(summary.started) + "Z"},
               {"started_ms", summary.started.ms},
               {"duration_s", json_seconds(summary.duration)},
               {"plan_s", summary.plan.ns > 0 ? Json(json_seconds(summary.plan)) : Json(nullptr)},
               {"ideal_s", json_seconds(summary.ideal)},
               {"saved_s", json_seconds(summary.saved)},
               {"efficiency", summary.efficiency_permille / 1000.0},
               {"workers", summary.workers},
               {"steals", summary.steals},
               {"lost_nodes", summary.lost_nodes},
               {"ci_url", json_text(summary.ci_url)},
               {"dashboard_url", json_text(summary.dashboard_url)},
               {"counts", json_counts(summary.counts)}};
  json["nodes"] = Json::array();
  for (const NodeSummary& node : summary.nodes) json["nodes"].push_back(node_of(node));
  json["notes"] = Json::array();
  for (const std::string& note : summary.notes) json["notes"].push_back(json_text(note));
  json["collection_errors"] = Json::array();
  for (const CollectionErrorSummary& error : summary.collection_errors) {
    json["collection_errors"].push_back(
        {{"path", json_text(error.path)}, {"text", json_text(error.text)}});
  }
  json["collections_differ"] = summary.collections_differ;
  json["strict_collection"] = summary.strict_collection;
  json["flaky_fails"] = summary.flaky_fails;
  return json;
}

// ---- smaller ----------------------------------------------------------------------------------

// Never more than the JSON will have.
std::size_t least_size(const JobSummary& summary) {
  constexpr std::size_t kTestBytes = 40;  // the keys
  constexpr std::size_t kAttemptBytes = 90;
  std::size_t size = 0;
  for (const TestSummary& test : summary.tests) {
    size += kTestBytes + test.id.size();
    for (const AttemptSummary& attempt : test.attempts) {
      size += kAttemptBytes + attempt.output.size();
    }
  }
  return size;
}

bool is_uneventful(const TestSummary& test) {
  return !was_stopped(test) &&
         std::none_of(test.attempts.begin(), test.attempts.end(),
                      [](const AttemptSummary& one) { return is_failure(one.outcome); });
}

void drop_uneventful(JobSummary& summary) {
  const auto count = std::erase_if(summary.tests, is_uneventful);
  if (count == 0) return;
  summary.notes.push_back("not listed, as the job is too large to send: " + counted(count, "test") +
                          " without a failure");
}

void drop_output(JobSummary& summary) {
  for (TestSummary& test : summary.tests) {
    for (AttemptSummary& attempt : test.attempts) {
      attempt.output.clear();
      attempt.properties.clear();
      attempt.message = cut(attempt.message, 300);
    }
  }
  for (CollectionErrorSummary& error : summary.collection_errors) error.text = cut(error.text, 300);
  summary.notes.push_back("the output of tests, and what they recorded, was too large to send");
}

void drop_tests(JobSummary& summary) {
  summary.notes.push_back("not listed, as the job is too large to send: " +
                          counted(summary.tests.size(), "test") + " with failures");
  summary.tests.clear();
}

// ---- and back ---------------------------------------------------------------------------------

// What is missing or of another type is as in an empty summary.
std::string text_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool bool_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

double real_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? found->get<double>() : 0.0;
}

template <class Integer>
Integer whole_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_integer()) return 0;
  if (found->is_number_unsigned()) {
    constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<Integer>::max());
    return static_cast<Integer>(std::min(found->get<uint64_t>(), kMost));
  }
  const int64_t value = found->get<int64_t>();  // below nought
  return std::is_signed_v<Integer> ? static_cast<Integer>(value) : Integer{0};
}

Duration duration_in(const Json& json, const char* key) {
  constexpr double kMostSeconds = 9e9;
  const double value = real_in(json, key);
  if (!(std::abs(value) < kMostSeconds)) return {};
  return Duration::microseconds(std::llround(value * 1e6));
}

const Json& list_in(const Json& json, const char* key) {
  static const Json empty = Json::array();
  const auto found = json.find(key);
  return found != json.end() && found->is_array() ? *found : empty;
}

// The enumerator that is written like this, of those from 0 to `last`.
template <class Enum>
std::optional<Enum> named(const std::string& word, Enum last) {
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    if (to_string(static_cast<Enum>(i)) == word) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

Counts counts_from(const Json& json) {
  Counts counts;
  counts.passed = whole_in<uint64_t>(json, "passed");
  counts.failed = whole_in<uint64_t>(json, "failed");
  counts.flaky = whole_in<uint64_t>(json, "flaky");
  counts.errors = whole_in<uint64_t>(json, "errors");
  counts.skipped = whole_in<uint64_t>(json, "skipped");
  counts.redundant = whole_in<uint64_t>(json, "redundant");
  counts.unfinished = whole_in<uint64_t>(json, "unfinished");
  counts.retrying = whole_in<uint64_t>(json, "retrying");
  counts.total = whole_in<uint64_t>(json, "total");
  return counts;
}

void read_properties(const Json& json, const char* key, bool of_suite, Properties& out) {
  for (const Json& one : list_in(json, key)) {
    if (!one.is_array() || one.size() != 2 || !one[0].is_string() || !one[1].is_string()) continue;
    out.push_back({one[0].get<std::string>(), one[1].get<std::string>(), of_suite});
  }
}

bool read_attempt(const Json& json, AttemptSummary& attempt) {
  const auto outcome = named(text_in(json, "outcome"), Outcome::kStopped);
  if (!outcome) return false;
  attempt.outcome = *outcome;
  attempt.node = text_in(json, "node");
  attempt.worker = whole_in<uint32_t>(json, "worker");
  attempt.started_after = duration_in(json, "started_after_s");
  attempt.duration = duration_in(json, "duration_s");
  attempt.cpu_percent = whole_in<uint32_t>(json, "cpu_percent");
  attempt.run = std::max<uint32_t>(1, whole_in<uint32_t>(json, "run"));
  attempt.message = text_in(json, "message");
  attempt.output = text_in(json, "output");
  read_properties(json, "properties", false, attempt.properties);
  read_properties(json, "suite_properties", true, attempt.properties);
  return true;
}

bool read_test(const Json& json, TestSummary& test) {
  const auto verdict = named(text_in(json, "verdict"), Verdict::kRedundant);
  if (!verdict) return false;
  test.id = text_in(json, "id");
  test.file = text_in(json, "file");
  test.verdict = *verdict;
  for (const Json& one : list_in(json, "attempts")) {
    if (!read_attempt(one, test.attempts.emplace_back())) return false;
  }
  return true;
}

void read_head(const Json& json, JobSummary& summary) {
  summary.full_id = text_in(json, "job");
  summary.short_id = text_in(json, "id");
  summary.started.ms = whole_in<int64_t>(json, "started_ms");
  summary.duration = duration_in(json, "duration_s");
  summary.plan = duration_in(json, "plan_s");
  summary.ideal = duration_in(json, "ideal_s");
  summary.saved = duration_in(json, "saved_s");
  const double permille = real_in(json, "efficiency") * 1000.0;
  if (permille >= 0 && permille < 1e9) {
    summary.efficiency_permille = static_cast<uint32_t>(std::lround(permille));
  }
  summary.workers = whole_in<uint32_t>(json, "workers");
  summary.steals = whole_in<uint32_t>(json, "steals");
  summary.lost_nodes = whole_in<uint32_t>(json, "lost_nodes");
  summary.ci_url = text_in(json, "ci_url");
  summary.dashboard_url = text_in(json, "dashboard_url");
  if (const auto counts = json.find("counts"); counts != json.end()) {
    summary.counts = counts_from(*counts);
  }
  for (const Json& one : list_in(json, "nodes")) {
    summary.nodes.push_back({text_in(one, "name"), text_in(one, "host"), text_in(one, "ci_url"),
                             whole_in<uint32_t>(one, "workers"), bool_in(one, "lost"),
                             text_in(one, "id"), whole_in<uint32_t>(one, "place")});
  }
  for (const Json& one : list_in(json, "notes")) {
    if (one.is_string()) summary.notes.push_back(one.get<std::string>());
  }
  for (const Json& one : list_in(json, "collection_errors")) {
    summary.collection_errors.push_back({text_in(one, "path"), text_in(one, "text")});
  }
  summary.collections_differ = bool_in(json, "collections_differ");
  summary.strict_collection = bool_in(json, "strict_collection");
  summary.flaky_fails = bool_in(json, "flaky_fails");
}

}  // namespace

// Written test by test: one tree of 180,000 tests would cost half a gigabyte.
std::string format_json(const JobSummary& summary) {
  std::string text = json_line(head_of(summary));
  text.pop_back();
  text += ",\"tests\":[";
  const char* separator = "\n";
  for (const TestSummary& test : summary.tests) {
    text += separator + json_line(test_of(test));
    separator = ",\n";
  }
  return text + "]}\n";
}

std::string format_json_rows(const std::vector<JobRow>& rows) {
  Json json = {{"schema", kJsonSchema}, {"tool", "dagz"}, {"jobs", Json::array()}};
  for (const JobRow& row : rows) {
    json["jobs"].push_back({{"job", json_text(row.full_id)},
                            {"id", json_text(row.short_id)},
                            {"status", to_string(row.status)},
                            {"started", format_timestamp(row.started) + "Z"},
                            {"started_ms", row.started.ms},
                            {"duration_s", json_seconds(row.duration)},
                            {"saved_s", json_seconds(row.saved)},
                            {"ci_url", json_text(row.ci_url)},
                            {"counts", json_counts(row.counts)}});
  }
  return json_line(json) + "\n";
}

std::string format_json_head(const JobSummary& summary) { return json_line(head_of(summary)); }

std::string format_json_test(const TestSummary& test) { return json_line(test_of(test)); }

std::optional<TestSummary> parse_json_test(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  TestSummary test;
  if (!json.is_object() || !read_test(json, test)) return std::nullopt;
  return test;
}

std::optional<std::string> format_json_within(const JobSummary& whole, std::size_t limit) {
  JobSummary summary = whole;
  for (const auto& reduce : {+[](JobSummary&) {}, drop_uneventful, drop_output, drop_tests}) {
    reduce(summary);
    if (least_size(summary) > limit) continue;
    std::string text = format_json(summary);
    if (text.size() <= limit) return text;
  }
  return std::nullopt;
}

std::optional<JobSummary> parse_json(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || text_in(json, "tool") != "dagz") return std::nullopt;
  const auto status = named(text_in(json, "status"), JobStatus::kEmpty);
  if (!status) return std::nullopt;
  JobSummary summary;
  summary.status = *status;
  read_head(json, summary);
  for (const Json& one : list_in(json, "tests")) {
    if (!read_test(one, summary.tests.emplace_back())) return std::nullopt;
  }
  return summary;
}

}  // namespace dagz::report
