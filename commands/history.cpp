#include "report/io/history.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "commands/commands.hpp"
#include "commands/console.hpp"
#include "mesh/io/seal.hpp"
#include "mesh/io/system_clock.hpp"
#include "report/exit_code.hpp"
#include "report/io/whole_file.hpp"
#include "report/text.hpp"

// `dagz history`: the history on its way between machines, its limits, and what it tells of flaky
// tests.

namespace dagz {
namespace {

std::string shown(const std::string& path) { return report::visible(path); }

int export_to_stdout(report::History& history) {
  const auto problem = history.export_lines(put);
  return problem ? fail(report::kExitInternalError, *problem) : report::kExitPassed;
}

int export_to_file(report::History& history, const std::string& path) {
  report::WholeFile file(path);
  if (!file.error().empty()) {
    return fail(report::kExitUsage, shown(path) + " cannot be written: " + file.error());
  }
  const auto problem =
      history.export_lines([&file](std::string_view lines) { return file.write(lines); });
  if (!problem && file.keep()) return report::kExitPassed;
  const std::string reason = file.error().empty() ? problem.value_or("") : file.error();
  return fail(report::kExitInternalError, shown(path) + " could not be written: " + reason);
}

int export_history(const HistoryOptions& options) {
  report::History history(options.place.state_dir);
  if (!history.exists()) {
    return fail(report::kExitUsage, "no history is kept in " + history.path());
  }
  const std::string& path = options.files.front();
  const int code = path == "-" ? export_to_stdout(history) : export_to_file(history, path);
  for (const std::string& message : history.take_messages()) say(message);
  return code;
}

int import_history(const HistoryOptions& options) {
  std::vector<report::ImportText> texts;
  for (const std::string& path : options.files) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
      return fail(report::kExitUsage, shown(path) + " is a directory: nothing was imported");
    }
    errno = 0;
    std::ifstream file(path == "-" ? "/dev/stdin" : path, std::ios::binary);
    std::string content{std::istreambuf_iterator<char>(file), {}};
    if (!file.is_open() || file.bad()) {
      return fail(report::kExitUsage, shown(path) + " cannot be read: " + std::strerror(errno) +
                                          ": nothing was imported");
    }
    std::string digest = mesh::short_digest(content);
    texts.push_back({shown(path), std::move(content), std::move(digest)});
  }
  report::History history(options.place.state_dir);
  const auto imported = history.import_texts(texts, mesh::wall_now());
  for (const std::string& message : history.take_messages()) say(message);
  if (imported.problem) {
    return fail(report::kExitUsage, *imported.problem + ": nothing was imported");
  }
  const report::ImportCounts& counts = imported.value;
  say(fmt::format("imported {} ({} known already) and the durations of {}",
                  report::counted(counts.jobs, "job"), counts.known_jobs,
                  report::counted(counts.durations, "test")));
  return report::kExitPassed;
}

int prune_history(const HistoryOptions& options) {
  report::HistoryLimits limits;
  limits.jobs = options.jobs;
  limits.age = Duration::seconds(int64_t{options.age_days} * 24 * 3'600);
  limits.bytes = uint64_t{options.size_mb} << 20;
  report::History history(options.place.state_dir, limits);
  if (!history.exists()) {
    return fail(report::kExitUsage, "no history is kept in " + history.path());
  }
  const auto pruned = history.prune(mesh::wall_now());
  for (const std::string& message : history.take_messages()) say(message);
  if (pruned.problem) return fail(report::kExitInternalError, *pruned.problem);
  say(fmt::format("removed {}, kept {}", report::counted(pruned.value.removed, "job"),
                  pruned.value.kept));
  return report::kExitPassed;
}

int list_flaky(const HistoryOptions& options) {
  report::History history(options.place.state_dir);
  if (!history.exists()) {
    return fail(report::kExitUsage, "no history is kept in " + history.path());
  }
  const auto flaky = history.flaky_tests();
  for (const std::string& message : history.take_messages()) say(message);
  if (flaky.problem) return fail(report::kExitInternalError, *flaky.problem);
  return print(options.format == Format::kJson ? report::format_flaky_tests_json(flaky.value)
                                               : report::format_flaky_tests(flaky.value));
}

}  // namespace

int history_command(const HistoryOptions& options) {
  switch (options.action) {
    case HistoryAction::kExport:
      return export_history(options);
    case HistoryAction::kImport:
      return import_history(options);
    case HistoryAction::kFlaky:
      return list_flaky(options);
    case HistoryAction::kPrune:
      break;
  }
  return prune_history(options);
}

}  // namespace dagz
