#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "mesh/time.hpp"
#include "report/summary.hpp"

// The history on its way between machines: JSON lines out; the same, JUnit XML and pytest-split's
// .test_durations in. Pure; what is read goes to a sink, piece by piece.
//
//   {"dagz_history":1}                                  the first line
//   {"schema":1,"tool":"dagz","job":…}                  a job: the head of its JSON report
//   {"id":…,"file":…,"verdict":…,"attempts":[…]}        its tests, as in the JSON report
//   {"id":…,"file":…,"recent":[[started_ms,us],…]}      its last durations, newest first; called
//                                                      as its file: of what its tests share
//   {"end":2}                                           the last line: how many jobs there were

namespace dagz::report {

inline constexpr int kExchangeVersion = 1;

// The last durations of a test: (start of the job in Unix milliseconds, microseconds).
struct RecentDurations {
  std::string id;
  std::string file;
  std::vector<std::pair<int64_t, int64_t>> recent;
  // Of another tool: nobody knows of which run, so what is known already is not taken again.
  bool undated = false;
};

std::string exchange_head();
std::string exchange_job(const JobSummary& summary);  // its tests included
std::string exchange_durations(const RecentDurations& durations);
std::string exchange_end(std::size_t jobs);

using Imported = std::variant<JobSummary, RecentDurations>;

struct ImportProblem {
  std::size_t line = 1;
  std::string text;  // "3 of 5 tests of job …": follows "FILE:LINE: "
};

struct ImportContext {
  WallTime now;        // when what bears no date was measured
  std::string digest;  // names content that has no name of its own
  // The test's id by what JUnit calls class and name; empty when it is not known.
  std::function<std::string(std::string_view class_name, std::string_view name)> known_id;
  // False: enough; the sink has failed.
  std::function<bool(Imported)> sink;
};

// Tells the format by the content. Nothing when all went well.
std::optional<ImportProblem> import_text(std::string_view text, const ImportContext& context);

// The three formats (import_lines.cpp, import_junit.cpp).
std::optional<ImportProblem> import_lines(std::string_view text, const ImportContext& context);
std::optional<ImportProblem> import_durations(std::string_view text, const ImportContext& context);
std::optional<ImportProblem> import_junit(std::string_view text, const ImportContext& context);

// No test takes longer, in seconds.
inline constexpr double kImportedSecondsMax = 30.0 * 24 * 3'600;
// The line of an offset, from 1; the first one for an offset that is none.
std::size_t line_at(std::string_view text, std::size_t offset);

// The part of an id that names its file.
std::string file_of_id(std::string_view id);

}  // namespace dagz::report
