#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent_observer.hpp"
#include "agent_setup.hpp"
#include "commands.hpp"
#include "report/exit_code.hpp"
#include "report/io/history.hpp"
#include "report/io/terminal.hpp"
#include "report/job_report.hpp"
#include "report/job_table.hpp"
#include "report/json_report.hpp"
#include "report/junit.hpp"
#include "report/markdown.hpp"
#include "report/text.hpp"

// The commands that only tell: of the live mesh as observers, else of the history.

namespace dagz {
namespace {

using nlohmann::json;

constexpr uint32_t kJobsListed = 20;

void say(const std::string& sentence) { std::fprintf(stderr, "dagz: %s\n", sentence.c_str()); }

int fail(int code, const std::string& sentence) {
  say(sentence);
  return code;
}

int print(std::string_view text) {
  report::Terminal terminal(STDOUT_FILENO, false, 80, 24);
  terminal.print(text);
  if (terminal.flush()) return report::kExitPassed;
  return fail(report::kExitInternalError, "standard output could not be written");
}

bool in_ci() { return detect_ci(environment_variable).has_value(); }

// Asking for a job must not leave a new directory behind.
bool exists(const report::History& history) {
  std::error_code error;
  return std::filesystem::exists(history.path(), error);
}

// ---- report -----------------------------------------------------------------------------------

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

Found find_kept(const ReportOptions& options) {
  report::History history(options.place.state_dir);
  if (!exists(history)) return {};
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

// ---- mesh -------------------------------------------------------------------------------------

constexpr std::size_t kColumns = 9;
using Cells = std::array<std::string, kColumns>;
constexpr std::size_t kNameColumn = 7;

std::string text_in(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return "-";
  if (found->is_number_unsigned()) return std::to_string(found->get<uint64_t>());
  const std::string text = found->is_string() ? report::visible(found->get<std::string>()) : "";
  return text.empty() ? "-" : text;
}

// "node-10" after "node-9"; those without a name last.
bool by_name(const Cells& a, const Cells& b) {
  const auto rank = [](const Cells& cells) {
    const std::string& name = cells[kNameColumn];
    return std::tuple(name == "-", name.size(), name, cells[0]);
  };
  return rank(a) < rank(b);
}

std::string round_trip_of(const MeshReply& reply, const std::string& id) {
  const auto found = reply.round_trips.find(id);
  if (found == reply.round_trips.end()) return "-";
  return fmt::format("{}.{}ms", found->second.us() / 1000, found->second.us() / 100 % 10);
}

std::optional<std::vector<Cells>> member_cells(const MeshReply& reply) {
  const json tree = json::parse(*reply.json, nullptr, false);
  const auto members = tree.find("members");
  if (members == tree.end() || !members->is_array()) return std::nullopt;
  std::vector<Cells> lines;
  for (const json& one : *members) {
    lines.push_back({text_in(one, "id"), text_in(one, "address"), text_in(one, "state"),
                     text_in(one, "role"), text_in(tree, "term"), text_in(one, "workers"),
                     round_trip_of(reply, text_in(one, "id")), text_in(one, "name"),
                     text_in(one, "host")});
  }
  std::sort(lines.begin(), lines.end(), by_name);
  return lines;
}

std::string format_members(std::vector<Cells> lines) {
  lines.insert(lines.begin(),
               {"ID", "ADDRESS", "STATE", "ROLE", "TERM", "WORKERS", "ROUND-TRIP", "NAME", "HOST"});
  std::array<std::size_t, kColumns> widths{};
  for (const Cells& line : lines) {
    for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const Cells& line : lines) {
    std::string out;
    for (std::size_t i = 0; i < kColumns; ++i) out += fmt::format("{:<{}}  ", line[i], widths[i]);
    out.erase(out.find_last_not_of(' ') + 1);
    text += out + "\n";
  }
  return text;
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
  if (exists(history)) rows = history.list(kJobsListed);
  for (const std::string& message : history.take_messages()) say(message);
  if (rows.problem) return fail(report::kExitUsage, *rows.problem);
  return print(report::format_job_table(rows.value, wants_color(options.place, in_ci())));
}

int mesh_command(const MeshOptions& options) {
  const MeshAccess access = open_mesh_access(options.network, options.place);
  if (!access.error.empty()) return fail(access.exit_code, access.error);
  const MeshReply reply = ask_mesh(access, Query::Kind::kMesh);
  for (const std::string& note : reply.notes) say(note);
  if (!reply.error.empty()) return fail(reply.exit_code, reply.error);
  if (!reply.json) {
    const std::string secret =
        reply.foreign > 0 ? "; there are nodes of it under another secret" : "";
    return fail(report::kExitUnusableEnvironment,
                "no live mesh for this job (key " + report::visible(access.job) + ")" + secret);
  }
  auto lines = member_cells(reply);
  if (!lines) {
    return fail(report::kExitUnusableEnvironment,
                "the live mesh gave an answer that this dagz does not understand");
  }
  return print(format_members(std::move(*lines)));
}

}  // namespace dagz
