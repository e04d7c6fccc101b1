#include "report/json_report.hpp"

#include <nlohmann/json.hpp>

#include "report/calendar.hpp"
#include "report/text.hpp"

namespace dagz::report {
namespace {

using Json = nlohmann::ordered_json;

Json text_of(std::string_view text) { return valid_utf8(text); }

double seconds(Duration duration) { return static_cast<double>(duration.us()) / 1e6; }

// All strings have passed valid_utf8; `replace` makes sure that nothing throws in any case.
std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json counts_of(const Counts& counts) {
  return {{"passed", counts.passed},         {"failed", counts.failed},
          {"flaky", counts.flaky},           {"errors", counts.errors},
          {"skipped", counts.skipped},       {"redundant", counts.redundant},
          {"unfinished", counts.unfinished}, {"total", counts.total}};
}

Json node_of(const NodeSummary& node) {
  return {{"name", text_of(node.name)},
          {"host", text_of(node.host)},
          {"ci_url", text_of(node.ci_url)},
          {"workers", node.workers},
          {"lost", node.lost}};
}

Json attempt_of(const AttemptSummary& attempt) {
  Json json = {{"outcome", to_string(attempt.outcome)},
               {"node", text_of(attempt.node)},
               {"worker", attempt.worker},
               {"started_after_s", seconds(attempt.started_after)},
               {"duration_s", seconds(attempt.duration)},
               {"cpu_percent", attempt.cpu_percent}};
  if (!attempt.message.empty()) json["message"] = text_of(attempt.message);
  if (!attempt.output.empty()) json["output"] = text_of(attempt.output);
  return json;
}

Json test_of(const TestSummary& test) {
  Json attempts = Json::array();
  for (const AttemptSummary& attempt : test.attempts) attempts.push_back(attempt_of(attempt));
  return {{"id", text_of(test.id)},
          {"file", text_of(test.file)},
          {"verdict", to_string(test.verdict)},
          {"attempts", std::move(attempts)}};
}

Json head_of(const JobSummary& summary) {
  Json json = {{"schema", kJsonSchema},
               {"tool", "dagz"},
               {"job", text_of(summary.full_id)},
               {"id", text_of(summary.short_id)},
               {"status", to_string(summary.status)},
               {"started", format_timestamp(summary.started) + "Z"},
               {"started_ms", summary.started.ms},
               {"duration_s", seconds(summary.duration)},
               {"plan_s", summary.plan.ns > 0 ? Json(seconds(summary.plan)) : Json(nullptr)},
               {"ideal_s", seconds(summary.ideal)},
               {"saved_s", seconds(summary.saved)},
               {"efficiency", summary.efficiency_permille / 1000.0},
               {"workers", summary.workers},
               {"steals", summary.steals},
               {"lost_nodes", summary.lost_nodes},
               {"ci_url", text_of(summary.ci_url)},
               {"dashboard_url", text_of(summary.dashboard_url)},
               {"counts", counts_of(summary.counts)}};
  json["nodes"] = Json::array();
  for (const NodeSummary& node : summary.nodes) json["nodes"].push_back(node_of(node));
  json["notes"] = Json::array();
  for (const std::string& note : summary.notes) json["notes"].push_back(text_of(note));
  json["collection_errors"] = Json::array();
  for (const CollectionErrorSummary& error : summary.collection_errors) {
    json["collection_errors"].push_back(
        {{"path", text_of(error.path)}, {"text", text_of(error.text)}});
  }
  return json;
}

}  // namespace

// Written test by test: one tree of 180,000 tests would cost half a gigabyte.
std::string format_json(const JobSummary& summary) {
  std::string text = dump(head_of(summary));
  text.pop_back();
  text += ",\"tests\":[";
  const char* separator = "\n";
  for (const TestSummary& test : summary.tests) {
    text += separator + dump(test_of(test));
    separator = ",\n";
  }
  return text + "]}\n";
}

}  // namespace dagz::report
