#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mesh/ids.hpp"
#include "report/job_state.hpp"
#include "report/summary.hpp"

// What happens in a job, for --events: one JSON object a line, as this node's fold learns of it.
// Every node has the same events of tests and nodes; their order and their times are its own.
// The fields are documented in report/README.md; a release only ever adds some.

namespace dagz::report {

class EventLog {
 public:
  struct When {
    Duration elapsed;  // since the job began
    int64_t wall_ms = 0;
  };

  // After the fold has taken the entry.
  void entry(When when, const JobState& job, const NodeId& origin, const Entry& entry);
  // After the fold has told the change.
  void change(When when, const JobState& job, const Change& change);

  // What the mesh says; `address` is where the node is reached.
  void node_lost(When when, const JobState& job, const NodeId& node, const std::string& address);
  void node_returned(When when, const JobState& job, const NodeId& node,
                     const std::string& address);
  void scheduler_changed(When when, const JobState& job, const NodeId& node,
                         const std::string& address, uint64_t term);
  // The last event: the job as it is reported.
  void closed(When when, const JobSummary& summary, CloseReason reason);

  // Whole lines, each with its line feed.
  std::string take_lines() { return std::exchange(lines_, {}); }

 private:
  void tell_attempt(When when, const JobState& job, TestIndex test, uint32_t attempt);
  void tell_joined(When when, const JobState& job, NodeIndex node);

  std::vector<uint32_t> told_;  // how many attempts, by test
  // Results that came before the grant that makes them count.
  std::set<std::pair<TestIndex, uint32_t>> ungranted_;
  std::map<NodeId, Enlisted> joined_;
  std::string named_;  // the full id that was told
  std::string lines_;
};

// complete interrupted stopped deadline unable slice failed
std::string_view to_string(CloseReason reason);

}  // namespace dagz::report
