#include "report/events.hpp"

#include <algorithm>
#include <variant>

#include "report/json_values.hpp"
#include "report/text.hpp"

namespace dagz::report {
namespace {

Json event_of(const char* name, EventLog::When when) {
  return {{"event", name}, {"time_ms", when.wall_ms}, {"elapsed_s", json_seconds(when.elapsed)}};
}

std::string name_of(const NodeState& node) {
  return node.enlisted ? node_name(node.enlisted->number) : std::string();
}

void add_node(Json& event, const JobState& job, const NodeId& id) {
  const NodeIndex index = job.node_index(id);
  event["node"] = index == kNone ? std::string() : name_of(job.nodes()[index]);
  event["node_id"] = short_name(id);
}

}  // namespace

std::string_view to_string(CloseReason reason) {
  switch (reason) {
    case CloseReason::kComplete:
      return "complete";
    case CloseReason::kInterrupted:
      return "interrupted";
    case CloseReason::kStopped:
      return "stopped";
    case CloseReason::kDeadline:
      return "deadline";
    case CloseReason::kUnable:
      return "unable";
    case CloseReason::kSlice:
      return "slice";
    case CloseReason::kFailed:
      return "failed";
  }
  return "unknown";
}

void EventLog::entry(When when, const JobState& job, const NodeId& origin, const Entry& entry) {
  if (std::holds_alternative<Named>(entry)) {
    const Named& name = *job.named();
    if (name.full_id == named_) return;
    named_ = name.full_id;
    Json event = event_of("job_opened", when);
    event["job"] = json_text(name.full_id);
    event["id"] = json_text(name.short_id);
    event["started_ms"] = name.started_wall_ms;
    event["retries"] = name.retries;
    event["expected_nodes"] = name.expected_nodes;
    lines_ += json_line(event) + "\n";
  } else if (const auto* enlisted = std::get_if<Enlisted>(&entry)) {
    tell_joined(when, job, job.node_index(enlisted->node));
  } else if (std::holds_alternative<Opened>(entry)) {
    tell_joined(when, job, job.node_index(origin));
  } else if (const auto* departed = std::get_if<Departed>(&entry)) {
    Json event = event_of("node_left", when);
    add_node(event, job, origin);
    event["reason"] = json_text(departed->reason);
    lines_ += json_line(event) + "\n";
  }
}

// A node has joined once its own word and the scheduler's number for it are both here. It may be
// numbered anew.
void EventLog::tell_joined(When when, const JobState& job, NodeIndex index) {
  const NodeState& node = job.nodes()[index];
  if (!node.enlisted || !node.opened) return;
  const auto [told, first] = joined_.try_emplace(node.id, *node.enlisted);
  const bool same = told->second.number == node.enlisted->number &&
                    told->second.first_worker == node.enlisted->first_worker;
  if (!first && same) return;
  told->second = *node.enlisted;
  Json event = event_of(first ? "node_joined" : "node_renumbered", when);
  event["node"] = name_of(node);
  event["node_id"] = short_name(node.id);
  event["host"] = json_text(node.opened->host);
  event["workers"] = node.enlisted->workers;
  event["first_worker"] = node.enlisted->first_worker;
  event["ci_url"] = json_text(node.opened->ci_url);
  lines_ += json_line(event) + "\n";
}

void EventLog::change(When when, const JobState& job, const Change& change) {
  if (change.kind == Change::Kind::kGranted) {
    auto at = ungranted_.lower_bound({change.test, 0});
    while (at != ungranted_.end() && at->first == change.test) {
      const uint32_t attempt = at->second;
      const Test& test = job.tests()[change.test];
      if (test.attempts[attempt].node != change.node || !is_counted(test, test.attempts[attempt])) {
        ++at;
        continue;
      }
      at = ungranted_.erase(at);
      tell_attempt(when, job, change.test, attempt);
    }
  }
  const bool is_lost = change.kind == Change::Kind::kSettled && change.node != kNone;
  if (change.kind != Change::Kind::kFinished && !is_lost) return;
  const Test& test = job.tests()[change.test];
  if (is_counted(test, test.attempts[change.attempt])) {
    tell_attempt(when, job, change.test, change.attempt);
  } else {
    ungranted_.insert({change.test, change.attempt});
  }
}

void EventLog::tell_attempt(When when, const JobState& job, TestIndex index, uint32_t number) {
  const Test& test = job.tests()[index];
  const Attempt& attempt = test.attempts[number];
  const Finished& result = attempt.result;
  if (told_.size() < job.tests().size()) told_.resize(job.tests().size());
  if (!result.amends) ++told_[index];
  Json event = event_of("test_finished", when);
  event["test"] = json_text(test.id);
  event["file"] = json_text(job.path(test.path));
  event["verdict"] = to_string(test.verdict);
  event["outcome"] = to_string(result.outcome);
  event["attempt"] = std::max<uint32_t>(1, told_[index]);
  event["duration_s"] = json_seconds(result.duration);
  event["started_ms"] = result.started_wall_ms;
  event["worker"] = job.worker_number(attempt.node, result.slot);
  add_node(event, job, job.nodes()[attempt.node].id);
  event["cpu_percent"] = result.cpu_percent;
  if (result.amends) event["amends"] = true;
  if (!result.message.empty()) event["message"] = json_text(result.message);
  lines_ += json_line(event) + "\n";
}

void EventLog::node_lost(When when, const JobState& job, const NodeId& node,
                         const std::string& address) {
  Json event = event_of("node_lost", when);
  add_node(event, job, node);
  event["address"] = json_text(address);
  lines_ += json_line(event) + "\n";
}

void EventLog::node_returned(When when, const JobState& job, const NodeId& node,
                             const std::string& address) {
  Json event = event_of("node_returned", when);
  add_node(event, job, node);
  event["address"] = json_text(address);
  lines_ += json_line(event) + "\n";
}

void EventLog::scheduler_changed(When when, const JobState& job, const NodeId& node,
                                 const std::string& address, uint64_t term) {
  Json event = event_of("scheduler_changed", when);
  add_node(event, job, node);
  event["address"] = json_text(address);
  event["term"] = term;
  lines_ += json_line(event) + "\n";
}

void EventLog::closed(When when, const JobSummary& summary, CloseReason reason) {
  Json event = event_of("job_closed", when);
  event["job"] = json_text(summary.full_id);
  event["id"] = json_text(summary.short_id);
  event["status"] = to_string(summary.status);
  event["reason"] = to_string(reason);
  event["duration_s"] = json_seconds(summary.duration);
  event["counts"] = json_counts(summary.counts);
  event["nodes"] = summary.nodes.size();
  event["workers"] = summary.workers;
  event["lost_nodes"] = summary.lost_nodes;
  lines_ += json_line(event) + "\n";
}

}  // namespace dagz::report
