#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/job_table.hpp"
#include "report/summary.hpp"

// The job as JSON, for scripts. The keys are stable: a schema version only ever gains keys.
//
// { "schema": 1, "tool": "dagz",
//   "job": "<full id>", "id": "j0517.50", "status": "PASSED|FAILED|INTERRUPTED|INCOMPLETE|EMPTY|
//   RUNNING", "started": "2026-05-17T10:11:12Z", "started_ms": 0, "duration_s": 0.0,
//   "plan_s": 0.0 or null, "ideal_s": 0.0, "saved_s": 0.0, "efficiency": 0.972,
//   "workers": 0, "steals": 0, "lost_nodes": 0, "ci_url": "" , "dashboard_url": "",
//   "counts": {"passed","failed","flaky","errors","skipped","redundant","unfinished","retrying" (of
//              the unfinished: failed, and tries are left),"total"},
//   "nodes": [{"name","host","ci_url","workers","lost","id"}],
//   "notes": [""],
//   "collection_errors": [{"path","text"}], "collections_differ": false,
//   "strict_collection": false, "flaky_fails": false,
//   "tests": [{"id","file","verdict","attempts": [{"outcome","node","worker","started_after_s",
//              "duration_s","cpu_percent","run", and when not empty "message","output",
//              "properties": [["name","value"]], "suite_properties": [["name","value"]]}]}] }
//
// Times are seconds, to the microsecond. Verdicts and outcomes are the words of verdict.hpp and
// outcome.hpp. Bytes that are no UTF-8 appear as \xNN.

namespace dagz::report {

inline constexpr int kJsonSchema = 1;

// One test per line, ending in a line feed.
std::string format_json(const JobSummary& summary);

// At most `limit` bytes, for a message. What a report in text needs least goes first: tests without
// a failure, then output, then all tests; a note says so, and the counts stay those of the job.
// Nothing when not even that fits.
std::optional<std::string> format_json_within(const JobSummary& summary, std::size_t limit);

// A list of jobs, without their tests: { "schema": 1, "tool": "dagz", "jobs":
// [{"job","id","status", "started","started_ms","duration_s","saved_s","ci_url","counts"}] }
std::string format_json_rows(const std::vector<JobRow>& rows);

// In one line each: the job without its tests, and one of its tests.
std::string format_json_head(const JobSummary& summary);
std::string format_json_test(const TestSummary& test);
std::optional<TestSummary> parse_json_test(std::string_view text);

// The summary that `format_json` was given, to the microsecond; unknown keys are passed over.
// Nothing when `text`, which may be anybody's, is no such JSON.
std::optional<JobSummary> parse_json(std::string_view text);

}  // namespace dagz::report
