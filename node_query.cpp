#include <nlohmann/json.hpp>

#include "node.hpp"
#include "report/json_report.hpp"
#include "report/text.hpp"

// What a member tells an observer.

namespace dagz {
namespace {

// Observers have the control lane only; some of a message is the message itself.
constexpr std::size_t kReportAnswerMax = mesh::kControlMessageMax - 8 * 1024;

std::string_view to_string(mesh::MemberState state) {
  switch (state) {
    case mesh::MemberState::kAlive:
      return "alive";
    case mesh::MemberState::kSuspect:
      return "suspect";
    case mesh::MemberState::kDead:
      return "dead";
    case mesh::MemberState::kLeft:
      return "left";
  }
  return "unknown";
}

std::string_view role_of(const mesh::Member& member, bool is_scheduler) {
  if (member.profile.role == mesh::Role::kArchivist) return "archivist";
  return is_scheduler ? "scheduler" : "vassal";
}

}  // namespace

std::string Node::answer_query(Moment at, const Query& query) const {
  if (query.kind == Query::Kind::kReport) {
    report::JobSummary summary = job_.summary();
    if (!job_.closed()) summary.duration = elapsed(at);
    return report::format_json_within(summary, kReportAnswerMax).value_or("");
  }
  nlohmann::json answer;
  answer["term"] = election_.claim().term;
  answer["job"] = job_.named() ? job_.named()->short_id : "";
  answer["members"] = nlohmann::json::array();
  for (const auto& [id, member] : membership_.members()) {
    const report::NodeIndex index = job_.node_index(id);
    nlohmann::json one;
    one["id"] = short_name(id);
    one["address"] = member.profile.control_address;
    one["host"] = member.profile.host;
    one["state"] = to_string(member.state);
    one["incarnation"] = member.incarnation;
    one["role"] = role_of(member, election_.is_scheduler(id));
    one["workers"] = member.profile.workers;
    one["self"] = id == self_.id;
    if (index != report::kNone && job_.nodes()[index].enlisted) {
      one["name"] = report::node_name(job_.nodes()[index].enlisted->number);
    }
    answer["members"].push_back(std::move(one));
  }
  return answer.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<std::string> Node::what_runs(Moment at) const {
  std::vector<std::string> lines;
  const auto workers = worker_statuses(at);
  for (const report::NodeState& node : job_.nodes()) {
    if (!node.enlisted) continue;
    const bool told = node.id == self_.id || reported_.contains(node.id);
    for (const report::WorkerStatus& worker : workers) {
      const uint32_t first = node.enlisted->first_worker;
      if (worker.number < first || worker.number >= first + node.enlisted->workers) continue;
      const bool lost = worker.state == report::WorkerState::kDisconnected;
      if (told || lost) lines.push_back(report::format_running(worker, node.enlisted->number));
    }
    const bool elsewhere = !told && !is_scheduler();
    if (elsewhere) {
      lines.push_back(report::node_name(node.enlisted->number) +
                      ": its workers report to the scheduler only; ask there");
    }
  }
  if (lines.empty()) lines.emplace_back("no worker has a number yet");
  return lines;
}

}  // namespace dagz
