#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>

#include "commands/mesh_access.hpp"
#include "report/io/history.hpp"
#include "report/summary.hpp"

// What a job leaves behind when it is over, for nodes of its step that come after the end, and for
// later attempts of it: its report. In the rendezvous directory it lies under a MAC of the run's
// keys; each node that took part writes one, named after its command and its place in the step
// ("<run tag>-<command>-<node index>.ended"). Who finds one of another node but none of its own is
// late and takes the report for its own; who finds its own, or one of the attempt before, is a
// rerun. The history is searched as well: who is not among the nodes of a job of this attempt has
// come too late for it; who finds any other job of the same key is a rerun. Only jobs of the same
// build count, and none where nothing names the build: other sources may have broken what passed.
// Only jobs of the same command count, and none that this very CI job has run before, where the CI
// tells: its second run may be made under other settings. A node that was in the job, and was away
// as it ended, finds it by its full id.

namespace dagz {

// Where the CI does not tell a node's place all have the same name, and a report counts only for so
// long.
inline constexpr int64_t kEndedWithoutIndexSeconds = 60;
inline constexpr int64_t kEndedSeconds = 3600;

// The full id of a job that this node names.
std::string full_job_id(const MeshAccess& access, int64_t wall_ms, const std::string& node);

// Nothing on success (or without a directory), else a sentence.
std::optional<std::string> keep_ended(const MeshAccess& access, const std::string& rendezvous,
                                      const report::JobSummary& summary);

struct EndedJob {
  report::JobSummary summary;
  bool rerun = false;  // else this node has come too late
  std::string where;   // the report was found, for people
};

struct EndedSearch {
  std::optional<EndedJob> found;
  std::string note;  // why some job does not count, for people; else empty
  // This CI job has run the same command before: what that run has left is for its reruns.
  bool is_further_run = false;
};

// A rerun clears what the last run of this attempt has left in the directory.
EndedSearch find_ended(const MeshAccess& access, const std::string& rendezvous,
                       report::History& history);

// For a node that others may have closed its job without: looks for that job's report again and
// again, and reads what is of another job once only.
class ClosedReports {
 public:
  // By its full id, whoever has left it.
  std::optional<report::JobSummary> find(const MeshAccess& access, const std::string& rendezvous,
                                         const std::string& full_id);

 private:
  std::set<std::pair<std::string, int64_t>> others_;  // path and time of the last change
};

// The tests that a rerun after this attempt need not run: all that passed, if it failed or was not
// complete; else none. What was skipped or failed as expected did not pass: the reason may be gone.
std::unordered_set<std::string> passed_tests(const report::JobSummary& earlier);

}  // namespace dagz
