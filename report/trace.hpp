#pragma once

#include <string>

#include "report/summary.hpp"

// The job as Chrome JSON trace events, which Perfetto (ui.perfetto.dev) and chrome://tracing open:
// a process per node, a thread per worker, a slice per attempt. A slice is named after its test and
// coloured by its outcome; its arguments hold outcome, verdict, attempt, CPU use and message. Times
// are microseconds since the job began.

namespace dagz::report {

// One event per line.
std::string format_trace(const JobSummary& summary);

}  // namespace dagz::report
