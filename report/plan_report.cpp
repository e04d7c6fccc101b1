#include "report/plan_report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "report/json_values.hpp"
#include "report/progress.hpp"
#include "report/text.hpp"

namespace dagz::report {
namespace {

std::string seconds(Duration duration) { return format_seconds(duration, 2); }

std::string known_text(const PlanSummary& plan) {
  if (plan.known_tests == plan.tests) return "all with a history";
  if (plan.known_tests == 0) return "none with a history: all times are guesses";
  return fmt::format("{} with a history", plan.known_tests);
}

std::string name_of(const PlannedGroup& group) {
  const std::string name = visible(group.name);
  return group.parts == 1 ? name : fmt::format("{} ({} of {})", name, group.part, group.parts);
}

}  // namespace

std::string format_plan(const PlanSummary& plan) {
  std::string text = fmt::format("plan of {} in {}, {}\n", counted(plan.tests, "test"),
                                 counted(plan.files, "file"), known_text(plan));
  text += fmt::format("makespan {} · lower bound {} · all tests {} · {} · {}\n",
                      seconds(plan.makespan), seconds(plan.lower_bound), seconds(plan.total),
                      counted(plan.nodes, "node"), counted(plan.workers.size(), "worker"));
  for (const PlannedWorker& worker : plan.workers) {
    uint64_t tests = 0;
    std::size_t width = 0;
    for (const PlannedGroup& group : worker.groups) {
      tests += group.tests.size();
      width = std::max(width, seconds(group.expected).size());
    }
    text += fmt::format("worker #{} on node-{}: {}, {}\n", worker.number, worker.node,
                        seconds(worker.expected), counted(tests, "test"));
    for (const PlannedGroup& group : worker.groups) {
      text += fmt::format("  {:>{}}  {}  {}\n", seconds(group.expected), width, name_of(group),
                          counted(group.tests.size(), "test"));
    }
  }
  for (const std::string& path : plan.uncollected) {
    text += fmt::format("not planned, for it could not be collected: {}\n", visible(path));
  }
  return text;
}

std::string format_plan_json(const PlanSummary& plan) {
  Json workers = Json::array();
  for (const PlannedWorker& worker : plan.workers) {
    Json groups = Json::array();
    for (const PlannedGroup& group : worker.groups) {
      Json ids = Json::array();
      for (const std::string& id : group.tests) ids.push_back(json_text(id));
      groups.push_back({{"name", json_text(group.name)},
                        {"part", group.part},
                        {"parts", group.parts},
                        {"expected_s", json_seconds(group.expected)},
                        {"tests", std::move(ids)}});
    }
    workers.push_back({{"worker", worker.number},
                       {"node", node_name(worker.node)},
                       {"expected_s", json_seconds(worker.expected)},
                       {"groups", std::move(groups)}});
  }
  Json uncollected = Json::array();
  for (const std::string& path : plan.uncollected) uncollected.push_back(json_text(path));
  const Json document = {{"tool", "dagz"},
                         {"nodes", plan.nodes},
                         {"tests", plan.tests},
                         {"files", plan.files},
                         {"known_tests", plan.known_tests},
                         {"total_s", json_seconds(plan.total)},
                         {"makespan_s", json_seconds(plan.makespan)},
                         {"lower_bound_s", json_seconds(plan.lower_bound)},
                         {"workers", std::move(workers)},
                         {"uncollected", std::move(uncollected)}};
  return json_line(document) + "\n";
}

}  // namespace dagz::report
