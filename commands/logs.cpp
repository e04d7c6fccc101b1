#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/commands.hpp"
#include "commands/console.hpp"
#include "commands/mesh_access.hpp"
#include "commands/observer.hpp"
#include "mesh/io/seal.hpp"
#include "report/exit_code.hpp"
#include "report/io/history.hpp"
#include "report/test_logs.hpp"
#include "report/text.hpp"

// `dagz logs`: one test of the live job or of the history, as text or as a folder for an agent.

namespace dagz {
namespace {

namespace fs = std::filesystem;

// What was found, or a sentence on why nothing was.
struct Answer {
  std::optional<report::TestLogs> logs;
  std::string problem;
};

class Search {
 public:
  Search(const LogsOptions& options) : options_(options), history_(options.place.state_dir) {
    has_history_ = history_.exists();
  }

  Answer run() {
    const LiveJob live = ask_live_job(options_.network, options_.place);
    Answer answer = live.summary ? in_job(*live.summary) : Answer{};
    if (!answer.logs) answer = in_history(std::move(answer));
    for (const std::string& message : history_.take_messages()) say(message);
    if (!answer.logs && answer.problem.empty()) answer.problem = nothing_at_all();
    return answer;
  }

 private:
  Answer in_job(const report::JobSummary& job) {
    if (auto by_span = attempt_of_span(job)) return finish(*by_span);
    std::vector<std::string> ids;
    for (const report::TestSummary& test : job.tests) ids.push_back(test.id);
    const report::TestMatch match = report::match_test(ids, options_.span);
    if (match.id.empty()) return {std::nullopt, complaint(match)};
    const auto test = std::find_if(job.tests.begin(), job.tests.end(),
                                   [&](const auto& one) { return one.id == match.id; });
    return finish({report::record_of(job, *test), {}, std::nullopt, {}});
  }

  // The test of which one attempt has this span id.
  std::optional<report::TestLogs> attempt_of_span(const report::JobSummary& job) const {
    if (!report::is_span_id(options_.span)) return std::nullopt;
    for (const report::TestSummary& test : job.tests) {
      const auto spans = report::span_ids(job.nodes, test, mesh::short_digest);
      const auto found = std::find(spans.begin(), spans.end(), options_.span);
      if (found == spans.end()) continue;
      return report::TestLogs{
          report::record_of(job, test), {}, static_cast<std::size_t>(found - spans.begin()), {}};
    }
    return std::nullopt;
  }

  // The newest job first: a part that was unique there need not be so among all that ever was.
  Answer in_history(Answer live) {
    if (!has_history_) return live;
    if (auto by_span = span_in_history()) return finish(*by_span);
    report::TestMatch match;
    for (const bool of_all_jobs : {false, true}) {
      const auto ids = history_.test_ids(of_all_jobs);
      if (ids.problem) return {std::nullopt, *ids.problem};
      match = report::match_test(ids.value, options_.span);
      if (!match.id.empty() || match.matches > 1) break;
    }
    if (match.id.empty()) {
      return {std::nullopt,
              match.candidates.empty() && !live.problem.empty() ? live.problem : complaint(match)};
    }
    auto records = history_.test_records(match.id);
    if (records.problem) return {std::nullopt, *records.problem};
    if (records.value.empty()) return {std::nullopt, complaint({"", {}, 0})};
    return finish({records.value.front(), {}, std::nullopt, {}});
  }

  std::optional<report::TestLogs> span_in_history() {
    if (!report::is_span_id(options_.span)) return std::nullopt;
    const auto jobs = history_.list(UINT32_MAX);
    for (const report::JobRow& row : jobs.value) {
      const auto job = history_.load(row.full_id);
      if (!job.value) continue;
      if (auto found = attempt_of_span(*job.value)) return found;
    }
    return std::nullopt;
  }

  // Adds the spans and what came before.
  Answer finish(report::TestLogs logs) {
    logs.spans = report::span_ids(logs.shown.nodes, logs.shown.test, mesh::short_digest);
    if (!has_history_) return {std::move(logs), ""};
    auto records = history_.test_records(logs.shown.test.id);
    if (records.problem) say(*records.problem);
    for (report::TestRecord& record : records.value) {
      const bool before = record.job.started.ms <= logs.shown.job.started.ms &&
                          record.job.full_id != logs.shown.job.full_id;
      if (before) logs.earlier.push_back(std::move(record));
    }
    return {std::move(logs), ""};
  }

  std::string complaint(const report::TestMatch& match) const {
    const std::string span = report::visible(options_.span);
    std::string text =
        match.matches > 1
            ? fmt::format("{} tests are meant by '{}'; give more of the id:", match.matches, span)
            : fmt::format("no test is known by '{}'", span);
    if (match.matches <= 1 && !match.candidates.empty()) text += "; these are similar:";
    for (const std::string& id : match.candidates) text += "\n  " + report::visible(id);
    if (match.matches > match.candidates.size()) text += "\n  …";
    return text;
  }

  std::string nothing_at_all() const {
    return "no job is live, and no history is kept in " + history_.path();
  }

  const LogsOptions& options_;
  report::History history_;
  bool has_history_ = false;
};

// Whole or not at all: the files are gathered beside the directory, which they then become.
std::string write_bundle(const std::string& directory, const report::TestLogs& logs) {
  const fs::path target = fs::path(directory).lexically_normal();
  const fs::path whole = target.filename().empty() ? target.parent_path() : target;
  std::error_code error;
  if (fs::exists(whole, error)) {
    if (!fs::is_directory(whole, error)) return directory + " is no directory";
    if (!fs::is_empty(whole, error)) return directory + " is not empty: choose another directory";
  }
  const fs::path gathered = whole.string() + ".new-" + std::to_string(getpid());
  fs::create_directories(gathered, error);
  if (error) return directory + " cannot be made: " + error.message();
  for (const report::BundleFile& file : report::format_bundle(logs)) {
    std::ofstream out(gathered / file.name, std::ios::binary);
    out << file.content;
    out.close();
    if (!out) {
      fs::remove_all(gathered, error);
      return file.name + " could not be written for " + directory;
    }
  }
  fs::rename(gathered, whole, error);
  if (!error) return {};
  const std::string reason = error.message();
  fs::remove_all(gathered, error);
  return directory + " cannot be made: " + reason;
}

}  // namespace

int logs_command(const LogsOptions& options) {
  const Answer answer = Search(options).run();
  if (!answer.logs) return fail(report::kExitUsage, answer.problem);
  if (!options.bundle.empty()) {
    const std::string problem = write_bundle(options.bundle, *answer.logs);
    if (!problem.empty()) return fail(report::kExitUsage, problem);
    say("the context of " + report::visible(answer.logs->shown.test.id) + " is in " +
        options.bundle + ": begin with context.md");
    return report::kExitPassed;
  }
  return print(options.format == Format::kJson ? report::format_test_logs_json(*answer.logs)
                                               : report::format_test_logs(*answer.logs));
}

}  // namespace dagz
