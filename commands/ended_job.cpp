#include "commands/ended_job.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <vector>

#include "commands/sealed_file.hpp"
#include "mesh/io/node_directory.hpp"
#include "report/json_report.hpp"
#include "report/verdict.hpp"
#include "sched/slice.hpp"

namespace dagz {
namespace {

constexpr std::size_t kReportBytesMax = std::size_t{8} << 20;
constexpr const char* kLabel = "dagz ended job";
constexpr const char* kSuffix = ".ended";
// A mark, with nothing in it, that the CI job of this node has run the command more than once.
constexpr const char* kAgainSuffix = "-again.ended";
constexpr uint32_t kJobsLookedAt = 100;

std::string prefix_of(const mesh::Keyring& keyring) { return to_hex(keyring.run_tag()) + "-"; }

// A step of one node has one place.
std::optional<uint32_t> place_of(const CiRun& run) {
  if (!run.node_index && run.node_total == 1U) return 0;
  return run.node_index;
}

std::string own_name(const MeshAccess& access) {
  const auto index = place_of(access.run);
  return prefix_of(*access.keyring) + access.command + "-" +
         (index ? std::to_string(*index) : "any") + kSuffix;
}

// What the full ids of this attempt's jobs begin with.
std::string full_id_prefix(const MeshAccess& access) {
  const std::string build = access.build.empty() ? "" : access.build + "/";
  return access.job + "/" + std::to_string(access.run.attempt) + "/" + build;
}

bool is_of_this_command(const MeshAccess& access, const std::string& full_id) {
  return full_id.ends_with("-" + access.command);
}

std::optional<report::JobSummary> read_ended(const mesh::Keyring& keyring,
                                             const std::filesystem::path& path) {
  const auto content = read_sealed(keyring, kLabel, path, kReportBytesMax);
  if (!content) return std::nullopt;
  return report::parse_json({reinterpret_cast<const char*>(content->data()), content->size()});
}

int64_t age_seconds(const std::filesystem::path& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return INT64_MAX;
  return std::max<int64_t>(0, std::time(nullptr) - status.st_mtime);
}

// Nought if it is gone.
int64_t changed_ns(const std::filesystem::path& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return 0;
  return int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

// Behind the job's key: its attempt, its build if that is known, and what tells it from others.
bool is_of_this_build(const MeshAccess& access, const std::string& full_id) {
  const std::string key = access.job + "/";
  if (!access.is_named || !full_id.starts_with(key)) return false;
  const std::string rest = full_id.substr(key.size());
  const std::size_t begin = rest.find('/') + 1;
  const std::size_t end = rest.rfind('/');
  const bool names_build = begin != 0 && end > begin;
  return access.build == (names_build ? rest.substr(begin, end - begin) : "");
}

// Those of one attempt, in the order of their names.
std::vector<std::filesystem::path> ended_files(const std::string& prefix,
                                               const std::string& rendezvous) {
  std::vector<std::filesystem::path> found;
  std::error_code error;
  for (std::filesystem::directory_iterator at(rendezvous, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename();
    const bool ours = name.starts_with(prefix) && name.ends_with(kSuffix);
    // Neither a link nor a pipe, which somebody else may have left there.
    const bool plain = at->symlink_status(error).type() == std::filesystem::file_type::regular;
    if (ours && plain) found.push_back(at->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::optional<report::JobSummary> read_first(const mesh::Keyring& keyring,
                                             const std::vector<std::filesystem::path>& files,
                                             int64_t age_max) {
  for (const auto& path : files) {
    if (age_seconds(path) > age_max) continue;
    if (auto summary = read_ended(keyring, path)) return summary;
  }
  return std::nullopt;
}

// This CI job has run it itself, so it is no earlier attempt.
bool is_of_this_run(const MeshAccess& access, const report::JobSummary& job) {
  const CiRun& run = access.run;
  if (!job.full_id.starts_with(full_id_prefix(access))) return false;
  const auto place = place_of(run);
  return std::any_of(job.nodes.begin(), job.nodes.end(), [&](const report::NodeSummary& node) {
    const bool here = !place || node.place == 0 || node.place == *place + 1;
    return here && (run.counts_attempts || (run.url_names_run && node.ci_url == run.job_url));
  });
}

void refuse_further_run(const std::string& short_id, EndedSearch& search) {
  search.is_further_run = true;
  search.note = short_id +
                " was run by this very CI job, so this is another run and no rerun of it: "
                "everything runs";
}

// Which of several runs of one CI job this one repeats cannot be told.
void refuse_several(const std::string& which, EndedSearch& search) {
  search.note = which +
                ": which of them this one repeats cannot be told, and everything runs "
                "(give each a --group)";
}

bool are_of_several_runs(const std::vector<std::filesystem::path>& files) {
  return std::any_of(files.begin(), files.end(), [](const auto& path) {
    return path.filename().string().ends_with(kAgainSuffix);
  });
}

// False: there is no need to look into the history.
bool search_directory(const MeshAccess& access, const std::string& rendezvous,
                      EndedSearch& search) {
  const std::string prefix = prefix_of(*access.keyring);
  const auto files = ended_files(prefix + access.command + "-", rendezvous);
  const bool knows_its_place = place_of(access.run).has_value();
  const bool took_part = std::any_of(files.begin(), files.end(), [&](const auto& path) {
    return path.filename() == own_name(access);
  });
  const std::string several = "one CI job has left more than one report in " + rendezvous;
  if (knows_its_place && took_part) {
    auto summary = read_first(*access.keyring, files, INT64_MAX - 1);
    if (summary && is_of_this_run(access, *summary)) {
      std::string mark = own_name(access);
      mark.replace(mark.size() - std::strlen(kSuffix), std::string::npos, kAgainSuffix);
      mesh::write_entry(rendezvous, mark, {});
      refuse_further_run(summary->short_id, search);
      return false;
    }
    std::error_code error;
    for (const auto& path : files) std::filesystem::remove(path, error);
    if (are_of_several_runs(files)) {
      refuse_several(several, search);
      return false;
    }
    if (summary && is_of_this_build(access, summary->full_id)) {
      search.found = EndedJob{std::move(*summary), true, rendezvous};
    }
    return !search.found;
  }
  if (are_of_several_runs(files)) {
    refuse_several(several, search);
    return false;
  }
  const int64_t limit = knows_its_place ? kEndedSeconds : kEndedWithoutIndexSeconds;
  if (auto summary = read_first(*access.keyring, files, limit);
      summary && (access.build.empty() || is_of_this_build(access, summary->full_id))) {
    search.found = EndedJob{std::move(*summary), false, rendezvous};
    return false;
  }
  if (files.empty() && !ended_files(prefix, rendezvous).empty()) {
    search.note = "a job of this key that ran another command has left its report in " +
                  rendezvous + ": it is no earlier attempt of this one";
  }
  if (!access.earlier) return true;
  const auto earlier = ended_files(prefix_of(*access.earlier) + access.command + "-", rendezvous);
  if (are_of_several_runs(earlier)) {
    refuse_several(several, search);
    return false;
  }
  auto summary = read_first(*access.earlier, earlier, INT64_MAX - 1);
  if (summary && is_of_this_build(access, summary->full_id)) {
    search.found = EndedJob{std::move(*summary), true, rendezvous};
  }
  return !search.found;
}

// It is over, in this attempt and lately, and this place of the step was not in it.
bool came_too_late(const MeshAccess& access, const report::JobSummary& job) {
  const auto place = place_of(access.run);
  if (!place || !job.full_id.starts_with(full_id_prefix(access))) return false;
  const int64_t ended_ms = job.started.ms + job.duration.ms();
  if (std::time(nullptr) - ended_ms / 1000 > kEndedSeconds) return false;
  return std::all_of(job.nodes.begin(), job.nodes.end(), [&](const report::NodeSummary& node) {
    return node.place > 0 && node.place != *place + 1;
  });
}

std::string attempt_of(const std::string& full_id) { return full_id.substr(0, full_id.rfind('/')); }

// Whether one CI job has run both.
bool are_of_one_run(const CiRun& run, const report::JobRow& one, const report::JobRow& other) {
  const bool same_url = one.ci_url == other.ci_url;
  return attempt_of(one.full_id) == attempt_of(other.full_id) && same_url &&
         (run.counts_attempts || (run.url_names_run && !one.ci_url.empty()));
}

// Outside of a CI every run of a checkout has the same key, and what passed before says nothing
// about now.
void search_history(const MeshAccess& access, report::History& history, EndedSearch& search) {
  if (!access.is_named) return;
  const auto rows = history.list(kJobsLookedAt);
  std::vector<const report::JobRow*> same;
  for (const report::JobRow& row : rows.value) {
    if (!is_of_this_build(access, row.full_id)) continue;
    if (is_of_this_command(access, row.full_id)) {
      same.push_back(&row);
    } else if (search.note.empty()) {
      search.note = row.short_id +
                    " has run another command under this job's key: it is no earlier attempt of "
                    "this one";
    }
    if (same.size() == 2) break;
  }
  if (same.empty()) return;
  auto job = history.load(same[0]->full_id);
  if (!job.value) return;
  search.note.clear();
  if (is_of_this_run(access, *job.value)) return refuse_further_run(same[0]->short_id, search);
  const bool late = came_too_late(access, *job.value);
  // Of a slice that is another node's this one can take nothing for its own.
  if (late && sched::has_slice_note(job.value->notes)) return;
  if (!late && same.size() == 2 && are_of_one_run(access.run, *same[0], *same[1])) {
    return refuse_several(
        "one CI job has run both " + same[1]->short_id + " and " + same[0]->short_id, search);
  }
  search.found = EndedJob{std::move(*job.value), !late, history.path()};
}

}  // namespace

std::string full_job_id(const MeshAccess& access, int64_t wall_ms, const std::string& node) {
  return full_id_prefix(access) + std::to_string(wall_ms) + "-" + node + "-" + access.command;
}

std::optional<std::string> keep_ended(const MeshAccess& access, const std::string& rendezvous,
                                      const report::JobSummary& summary) {
  if (rendezvous.empty()) return std::nullopt;
  const auto text = report::format_json_within(summary, kReportBytesMax);
  if (!text) return std::nullopt;
  const Bytes content(reinterpret_cast<const uint8_t*>(text->data()), text->size());
  const int error = write_sealed(*access.keyring, kLabel, rendezvous, own_name(access), content);
  // Where all have the same name they write the same, and somebody may have been first.
  std::error_code ignored;
  const auto path = std::filesystem::path(rendezvous) / own_name(access);
  if (error == 0 || std::filesystem::exists(path, ignored)) return std::nullopt;
  return "the report could not be left in " + rendezvous +
         " for nodes that come late: " + std::strerror(error);
}

EndedSearch find_ended(const MeshAccess& access, const std::string& rendezvous,
                       report::History& history) {
  EndedSearch search;
  const bool open = rendezvous.empty() || search_directory(access, rendezvous, search);
  if (open) search_history(access, history, search);
  if (search.found) search.note.clear();
  return search;
}

std::optional<report::JobSummary> ClosedReports::find(const MeshAccess& access,
                                                      const std::string& rendezvous,
                                                      const std::string& full_id) {
  for (const auto& path : ended_files(prefix_of(*access.keyring), rendezvous)) {
    const std::pair known(path.string(), changed_ns(path));
    if (others_.contains(known)) continue;
    auto summary = read_ended(*access.keyring, path);
    if (!summary) continue;
    if (summary->full_id == full_id) return summary;
    others_.insert(known);
  }
  return std::nullopt;
}

std::unordered_set<std::string> passed_tests(const report::JobSummary& earlier) {
  std::unordered_set<std::string> passed;
  if (earlier.status == report::JobStatus::kPassed) return passed;
  std::unordered_set<std::string> others;
  for (const report::TestSummary& test : earlier.tests) {
    const report::Bucket bucket = report::bucket_of(test.verdict);
    const bool flaky = bucket == report::Bucket::kFlaky && !earlier.flaky_fails;
    const bool good =
        bucket == report::Bucket::kPassed || bucket == report::Bucket::kRedundant || flaky;
    (good ? passed : others).insert(test.id);
  }
  // Two tests may have one id.
  for (const std::string& id : others) passed.erase(id);
  return passed;
}

}  // namespace dagz
