#pragma once

#include <string>

#include "report/summary.hpp"

// What a dagz process exits with. Scripts rely on these numbers.

namespace dagz::report {

enum ExitCode : int {
  kExitPassed = 0,
  kExitFailed = 1,
  kExitInterrupted = 2,
  kExitInternalError = 3,
  kExitUsage = 4,
  kExitEmpty = 5,
  kExitMaxWarnings = 6,
  kExitUnusableEnvironment = 16,
  kExitIncomplete = 17,
  kExitCollectionsDiffer = 18,
  kExitFlaky = 19,
};

struct ExitPolicy {
  bool max_warnings = false;  // pytest said so, on any node
  std::string own_node;       // --exit own: judge only what this node ran; empty: the job
};

// The first that applies: interrupted, failed (collection errors too, also under --exit own:
// they belong to nobody), collections differ (--strict-collection), incomplete, empty, flaky
// (--flaky fail), max warnings, passed. A job that is still running is incomplete. Whether the job
// is that strict is in its summary, so that all nodes exit alike, and as its status says.
int exit_code(const JobSummary& summary, const ExitPolicy& policy);

}  // namespace dagz::report
