#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mesh/time.hpp"
#include "report/outcome.hpp"
#include "report/property.hpp"
#include "report/rerun_command.hpp"
#include "report/verdict.hpp"

// The finished (or running) job as data: what the fold over the logs yields, what every report is
// formatted from, and what the history keeps. Two nodes with the same logs hold equal summaries.

namespace dagz::report {

struct AttemptSummary {
  Outcome outcome = Outcome::kPassed;
  uint32_t worker = 0;     // numbered across the mesh
  std::string node;        // its name in the job, as in "node-2"
  Duration started_after;  // since the job began
  Duration duration;
  Duration shared_setup;  // these two as in `Finished`, in the job that is being recorded only
  Duration group_setup;
  uint32_t cpu_percent = 0;
  uint32_t run = 1;     // of this test on that node, as in its span id
  std::string message;  // one line
  std::string output;   // traceback and captured output of a failure, bounded; may be no UTF-8
  Properties properties;
};

struct TestSummary {
  std::string id;    // byte for byte as the runner spells it
  std::string file;  // the part of the catalog it belongs to
  Verdict verdict = Verdict::kPending;
  std::vector<AttemptSummary> attempts;  // in order of (start, node, worker)
};

struct CollectionErrorSummary {
  std::string path;
  std::string text;
};

struct NodeSummary {
  std::string name;
  std::string host;
  std::string ci_url;
  uint32_t workers = 0;
  bool lost = false;   // died, rather than left
  std::string id;      // short id in the mesh; empty in a history of an older version
  uint32_t place = 0;  // among the nodes of its CI step, from 1; 0: unknown
};

enum class JobStatus : uint8_t {
  kRunning = 0,
  kPassed = 1,
  kFailed = 2,
  kInterrupted = 3,
  kIncomplete = 4,  // nothing failed, but some tests have no verdict, or were not found in time
  kEmpty = 5,       // nothing collected
};
// RUNNING PASSED FAILED INTERRUPTED INCOMPLETE EMPTY
std::string_view to_string(JobStatus status);

struct Counts {
  uint64_t passed = 0;
  uint64_t failed = 0;
  uint64_t flaky = 0;
  uint64_t errors = 0;  // tests in error and collection errors
  uint64_t skipped = 0;
  uint64_t redundant = 0;
  uint64_t unfinished = 0;
  uint64_t retrying = 0;  // of the unfinished: failed, and tries are left
  uint64_t total = 0;     // tests, without collection errors
};

struct JobSummary {
  std::string full_id;   // names the job in every history
  std::string short_id;  // j0517.50: the 50th job of 17 May
  JobStatus status = JobStatus::kRunning;
  WallTime started;
  Duration duration;
  Duration plan;   // expected length when the first plan was made; 0 when it could not be known
  Duration ideal;  // total test time spread evenly over all workers, or the longest test
  Duration saved;  // against one worker doing everything
  uint32_t efficiency_permille = 0;  // ideal over real
  uint32_t workers = 0;
  uint32_t steals = 0;
  uint32_t lost_nodes = 0;
  Counts counts;
  std::vector<NodeSummary> nodes;                         // in order of their number
  std::vector<TestSummary> tests;                         // sorted by id
  std::vector<CollectionErrorSummary> collection_errors;  // sorted by path
  bool collections_differ = false;  // some node collected other tests than the rest
  bool strict_collection = false;   // which fails the job
  bool flaky_fails = false;         // a flaky test fails the job
  std::vector<std::string> notes;   // e.g. differing collections, fewer nodes than expected; sorted
  std::string ci_url;
  std::string dashboard_url;  // empty when nobody serves one
  RerunCommand again;  // of no log: by the node that recorded the job, in that host's history only
};

// Counts every test in its bucket, and every collection error as an error.
Counts count_tests(const std::vector<TestSummary>& tests, std::size_t collection_errors);

// The job failed though no test did for good: its nodes collected different tests; some were flaky.
bool fails_by_collections(const JobSummary& summary);
bool fails_by_flaky_tests(const JobSummary& summary);

// As notes, of a job that has failed.
void tell_why_failed(JobSummary& summary);

// The status, from its counts and the above, of a job that is over. Interrupted comes before
// failed, as in pytest's exit codes; what is unfinished before what is flaky.
JobStatus final_status(const JobSummary& summary, bool interrupted);

// The attempt that a report shows for a test: for a failure the last one that came to the verdict,
// for a flaky test its last failure, else the last one. Null when there was none.
const AttemptSummary* shown_attempt(const TestSummary& test);

// It ran when the job was stopped, and has no verdict.
bool was_stopped(const TestSummary& test);

// Which try of the test `attempts[index]` was, from 1, and how many there were. What was said of a
// try after its result (a tear-down that failed) has a place of its own among the attempts, with
// the run of that try, and is no further try.
struct TryNumber {
  std::size_t number = 0;
  std::size_t count = 0;
};
TryNumber try_number(const TestSummary& test, std::size_t index);

}  // namespace dagz::report
