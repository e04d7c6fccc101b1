
#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/commands.hpp"
#include "commands/console.hpp"
#include "commands/mesh_access.hpp"
#include "commands/observer.hpp"
#include "report/exit_code.hpp"
#include "report/io/history.hpp"
#include "report/job_report.hpp"
#include "report/job_table.hpp"
#include "report/json_report.hpp"
#include "report/junit.hpp"
#include "report/markdown.hpp"
#include "report/text.hpp"

// `dagz report` and `dagz jobs`: of the live job, else of the history.

namespace dagz {
namespace {

constexpr uint32_t kJobsListed = 20;
constexpr uint32_t kJobsSearched = 100'000;

bool in_ci() { return detect_ci(environment_variable).has_value(); }

struct Found {
  std::optional<report::JobSummary> summary;
  std::string problem;
  int exit_code = 0;
  bool has_not_begun = false;  // there is a live job, but nobody has named it yet
};

// The live job, if it is the one that is meant.
Found find_live(const ReportOptions& options) {
  LiveJob live = ask_live_job(options.network, options.place);
  if (!live.summary) {
    return {std::nullopt, live.problem, live.exit_code, live.has_not_begun};
  }
  const auto& summary = live.summary;
  const bool meant =
      options.job == "last" || options.job == summary->short_id || options.job == summary->full_id;
  if (!meant) return {};
  return {std::move(live.summary), "", 0};
}

// Jobs that begin at the same moment, or on several machines, may have one short id.
std::string why_ambiguous(report::History& history, const std::string& job) {
  std::vector<std::string> meant;
  const auto rows = history.list(kJobsSearched);
  for (const report::JobRow& row : rows.value) {
    if (row.full_id == job) return {};
    if (row.short_id == job) meant.push_back(report::visible(row.full_id));
  }
  if (meant.size() < 2) return {};
  return fmt::format("{} jobs in {} are called {}; give the full id of one: {}", meant.size(),
                     history.path(), report::visible(job), fmt::join(meant, ", "));
}

Found find_kept(const ReportOptions& options) {
  report::History history(options.place.state_dir);
  if (!history.exists()) return {};
  if (std::string problem = why_ambiguous(history, options.job); !problem.empty()) {
    return {std::nullopt, std::move(problem), report::kExitUsage};
  }
  auto loaded = history.load(options.job);
  for (const std::string& message : history.take_messages()) say(message);
  if (loaded.problem) return {std::nullopt, *loaded.problem, report::kExitUsage};
  return {std::move(loaded.value), "", 0};
}

std::string format_report(const report::JobSummary& summary, const ReportOptions& options) {
  switch (options.format) {
    case Format::kJson:
      return report::format_json(summary);
    case Format::kJunit:
      return report::format_junit(summary);
    case Format::kMarkdown:
      return report::format_markdown(summary);
    case Format::kText:
      break;
  }
  // The digest needs no key: any will do.
  const mesh::Keyring keyring(mesh::Secret(32), "");
  const mesh::SodiumCrypto crypto(keyring);
  const auto hash = [&crypto](Bytes bytes) { return crypto.hash(bytes); };
  return report::to_text(report::format_job_report(summary, hash),
                         wants_color(options.place, in_ci()));
}

}  // namespace

int report_command(const ReportOptions& options) {
  Found found = find_live(options);
  const bool has_not_begun = found.has_not_begun && options.job == "last";
  if (!found.summary) {
    const Found live = std::move(found);
    found = find_kept(options);
    // The history may serve all the same.
    if (!live.problem.empty()) say(live.problem);
    if (!found.summary && found.problem.empty() && !live.problem.empty()) return live.exit_code;
  }
  if (found.summary) {
    if (has_not_begun) say("a job is about to begin; this is the one before it");
    return print(format_report(*found.summary, options));
  }
  if (!found.problem.empty()) return fail(found.exit_code, found.problem);
  const std::string path = report::History(options.place.state_dir).path();
  if (options.job == "last") {
    return fail(report::kExitUsage, has_not_begun ? "the live job is about to begin: ask again"
                                                  : "no job is live, and none is kept in " + path);
  }
  return fail(report::kExitUsage, "no job " + report::visible(options.job) + " in " + path +
                                      "; `dagz jobs` lists what is there");
}

int jobs_command(const JobsOptions& options) {
  report::History history(options.place.state_dir);
  report::Result<std::vector<report::JobRow>> rows;
  if (history.exists()) rows = history.list(kJobsListed);
  for (const std::string& message : history.take_messages()) say(message);
  if (rows.problem) return fail(report::kExitUsage, *rows.problem);
  return print(report::format_job_table(rows.value, wants_color(options.place, in_ci())));
}

}  // namespace dagz
