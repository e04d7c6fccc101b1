#pragma once

#include <string>

#include "report/summary.hpp"

// The job as JSON, for scripts. The keys are stable: a schema version only ever gains keys.
//
// { "schema": 1, "tool": "dagz",
//   "job": "<full id>", "id": "j0517.50", "status": "PASSED|FAILED|INTERRUPTED|INCOMPLETE|EMPTY|
//   RUNNING", "started": "2026-05-17T10:11:12Z", "started_ms": 0, "duration_s": 0.0,
//   "plan_s": 0.0 or null, "ideal_s": 0.0, "saved_s": 0.0, "efficiency": 0.972,
//   "workers": 0, "steals": 0, "lost_nodes": 0, "ci_url": "" , "dashboard_url": "",
//   "counts": {"passed","failed","flaky","errors","skipped","redundant","unfinished","total"},
//   "nodes": [{"name","host","ci_url","workers","lost"}],
//   "notes": [""],
//   "collection_errors": [{"path","text"}],
//   "tests": [{"id","file","verdict","attempts": [{"outcome","node","worker","started_after_s",
//              "duration_s","cpu_percent", and when not empty "message","output"}]}] }
//
// Times are seconds, to the microsecond. Verdicts and outcomes are the words of verdict.hpp and
// outcome.hpp. Bytes that are no UTF-8 appear as \xNN.

namespace dagz::report {

inline constexpr int kJsonSchema = 1;

// One test per line, ending in a line feed.
std::string format_json(const JobSummary& summary);

}  // namespace dagz::report
