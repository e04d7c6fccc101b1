#include "commands/ended_job.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <vector>

#include "commands/sealed_file.hpp"
#include "report/json_report.hpp"
#include "report/verdict.hpp"

namespace dagz {
namespace {

constexpr std::size_t kReportBytesMax = std::size_t{8} << 20;
constexpr const char* kLabel = "dagz ended job";
constexpr const char* kSuffix = ".ended";
constexpr uint32_t kJobsLookedAt = 100;

std::string prefix_of(const mesh::Keyring& keyring) { return to_hex(keyring.run_tag()) + "-"; }

// A step of one node has one place.
std::optional<uint32_t> place_of(const CiRun& run) {
  if (!run.node_index && run.node_total == 1U) return 0;
  return run.node_index;
}

std::string own_name(const MeshAccess& access) {
  const auto index = place_of(access.run);
  return prefix_of(*access.keyring) + (index ? std::to_string(*index) : "any") + kSuffix;
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
std::vector<std::filesystem::path> ended_files(const mesh::Keyring& keyring,
                                               const std::string& rendezvous) {
  std::vector<std::filesystem::path> found;
  std::error_code error;
  const std::string prefix = prefix_of(keyring);
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

std::optional<EndedJob> find_in_directory(const MeshAccess& access, const std::string& rendezvous) {
  const auto files = ended_files(*access.keyring, rendezvous);
  const bool knows_its_place = place_of(access.run).has_value();
  const bool took_part = std::any_of(files.begin(), files.end(), [&](const auto& path) {
    return path.filename() == own_name(access);
  });
  if (knows_its_place && took_part) {
    auto summary = read_first(*access.keyring, files, INT64_MAX - 1);
    std::error_code error;
    for (const auto& path : files) std::filesystem::remove(path, error);
    if (!summary || !is_of_this_build(access, summary->full_id)) return std::nullopt;
    return EndedJob{std::move(*summary), true, rendezvous};
  }
  const int64_t limit = knows_its_place ? kEndedSeconds : kEndedWithoutIndexSeconds;
  if (auto summary = read_first(*access.keyring, files, limit);
      summary && (access.build.empty() || is_of_this_build(access, summary->full_id))) {
    return EndedJob{std::move(*summary), false, rendezvous};
  }
  if (!access.earlier) return std::nullopt;
  auto summary =
      read_first(*access.earlier, ended_files(*access.earlier, rendezvous), INT64_MAX - 1);
  if (!summary || !is_of_this_build(access, summary->full_id)) return std::nullopt;
  return EndedJob{std::move(*summary), true, rendezvous};
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

// Outside of a CI every run of a checkout has the same key, and what passed before says nothing
// about now.
std::optional<EndedJob> find_in_history(const MeshAccess& access, report::History& history) {
  if (!access.is_named) return std::nullopt;
  const auto rows = history.list(kJobsLookedAt);
  for (const report::JobRow& row : rows.value) {
    if (!is_of_this_build(access, row.full_id)) continue;
    auto job = history.load(row.full_id);
    if (!job.value) return std::nullopt;
    const bool late = came_too_late(access, *job.value);
    return EndedJob{std::move(*job.value), !late, history.path()};
  }
  return std::nullopt;
}

}  // namespace

std::string full_id_prefix(const MeshAccess& access) {
  const std::string build = access.build.empty() ? "" : access.build + "/";
  return access.job + "/" + std::to_string(access.run.attempt) + "/" + build;
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

std::optional<EndedJob> find_ended(const MeshAccess& access, const std::string& rendezvous,
                                   report::History& history) {
  if (!rendezvous.empty()) {
    if (auto ended = find_in_directory(access, rendezvous)) return ended;
  }
  return find_in_history(access, history);
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
