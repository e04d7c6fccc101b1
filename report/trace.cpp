#include "report/trace.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "report/json_values.hpp"

namespace dagz::report {
namespace {

constexpr std::size_t kMessageShown = 300;

// Names of chrome://tracing's own palette; Perfetto colours by name.
const char* color_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPassed:
      return "good";
    case Outcome::kSkipped:
    case Outcome::kXfailed:
    case Outcome::kXpassed:
    case Outcome::kStopped:
      return "grey";
    case Outcome::kTimedOut:
    case Outcome::kCrashed:
      return "terrible";
    case Outcome::kFailed:
    case Outcome::kError:
      break;
  }
  return "bad";
}

Json metadata(const char* what, std::size_t pid, uint32_t tid, Json arguments) {
  return {{"name", what}, {"ph", "M"}, {"pid", pid}, {"tid", tid}, {"args", std::move(arguments)}};
}

Json slice(const TestSummary& test, std::size_t number, std::size_t pid) {
  const AttemptSummary& attempt = test.attempts[number];
  Json arguments = {{"outcome", to_string(attempt.outcome)},
                    {"verdict", to_string(test.verdict)},
                    {"attempt", number + 1},
                    {"cpu_percent", attempt.cpu_percent}};
  if (!attempt.message.empty()) {
    arguments["message"] = json_text(cut(attempt.message, kMessageShown));
  }
  return {{"name", json_text(test.id)},
          {"cat", to_string(attempt.outcome)},
          {"ph", "X"},
          {"ts", attempt.started_after.us()},
          {"dur", attempt.duration.us()},
          {"pid", pid},
          {"tid", attempt.worker},
          {"cname", color_of(attempt.outcome)},
          {"args", std::move(arguments)}};
}

}  // namespace

std::string format_trace(const JobSummary& summary) {
  std::map<std::string, std::size_t> pids;
  std::string text = "{\"displayTimeUnit\":\"ms\",\"otherData\":";
  text += json_line({{"tool", "dagz"},
                     {"job", json_text(summary.full_id)},
                     {"id", json_text(summary.short_id)},
                     {"status", to_string(summary.status)},
                     {"started_ms", summary.started.ms}});
  text += ",\"traceEvents\":[";
  const char* separator = "\n";
  const auto add = [&](const Json& event) {
    text += separator + json_line(event);
    separator = ",\n";
  };
  uint32_t worker = 0;
  for (const NodeSummary& node : summary.nodes) {
    const std::size_t pid = pids.emplace(node.name, pids.size() + 1).first->second;
    const std::string name = node.name + " (" + node.host + ")" + (node.lost ? ", lost" : "");
    add(metadata("process_name", pid, worker, {{"name", json_text(name)}}));
    add(metadata("process_sort_index", pid, worker, {{"sort_index", pid}}));
    worker += node.workers;
  }
  std::set<std::pair<std::size_t, uint32_t>> threads;
  for (const TestSummary& test : summary.tests) {
    for (std::size_t i = 0; i < test.attempts.size(); ++i) {
      const AttemptSummary& attempt = test.attempts[i];
      const std::size_t pid = pids.emplace(attempt.node, pids.size() + 1).first->second;
      if (threads.emplace(pid, attempt.worker).second) {
        const std::string name = "worker #" + std::to_string(attempt.worker);
        add(metadata("thread_name", pid, attempt.worker, {{"name", name}}));
        add(metadata("thread_sort_index", pid, attempt.worker, {{"sort_index", attempt.worker}}));
      }
      add(slice(test, i, pid));
    }
  }
  return text + "\n]}\n";
}

}  // namespace dagz::report
