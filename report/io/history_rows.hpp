#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mesh/time.hpp"
#include "report/exchange.hpp"
#include "report/io/database.hpp"
#include "report/job_table.hpp"
#include "report/rerun_command.hpp"
#include "report/summary.hpp"
#include "report/test_duration.hpp"

// The tables of the history, and how a job gets in and out of them. Everything here runs on an open
// database; failures are in its sticky error.
//
// Names are kept once: `tests` holds what follows the file's path, `results` refers to it by number
// (about 20 bytes per test and job), `texts` only what has a message or output. `samples` keeps the
// last durations of each test and of each file's set-up, so that planning needs one scan and
// outlives the jobs themselves.

namespace dagz::report {

// "dagz" in ASCII: tells our files from others.
inline constexpr int64_t kHistoryApplicationId = 0x6461677a;
// Kept in user_version. Every version has a step that leads to it from the one before.
inline constexpr int64_t kHistorySchema = 7;

struct HistoryLimits {
  uint32_t jobs = 100;
  Duration age = Duration::seconds(30LL * 24 * 3'600);
  uint64_t bytes = 1ULL << 30;

  // For whoever is there to keep: nothing goes by itself.
  static constexpr HistoryLimits none() {
    return {UINT32_MAX, Duration{INT64_MAX / 2}, UINT64_MAX / 2};
  }
};

// Brings a schema of this or an older version up to date, in one transaction.
bool migrate_history(Database& database);

// What says to be of a later time than `now` (by more than clocks differ) is taken to be of then:
// it would be the newest for good. False when the job was there already. Inside a transaction of
// the caller.
//
// Jobs are ordered by their start; jobs of one start by when they came in. Of one that has just
// ended, the start is taken from the clock that says `now`, unless that differs from what the job
// says by more than clocks do: so it comes after what was recorded here before it began.
enum class Arrival : uint8_t { kJustEnded, kImported };
bool insert_job(Database& database, const JobSummary& summary, WallTime now, Arrival arrival,
                const RerunCommand& again = {});
// Adds durations that are not there yet. Inside a transaction of the caller.
void merge_durations(Database& database, const std::vector<RecentDurations>& durations,
                     WallTime now);
// The next job's number on the day (UTC) of `time`, from 1.
uint32_t next_job_number(Database& database, WallTime time);
// Applies the limits, by age relative to the newest job that is not of the future. The newest one
// stays, and that of this full id. Inside a transaction of the caller.
void prune_jobs(Database& database, const HistoryLimits& limits, WallTime now,
                const std::string& stays = {});

// What stands behind ORDER BY, of the table of jobs: the newest first.
inline constexpr const char* kNewestFirst = "began_ms DESC, id DESC";
// `key`: a short id (the latest such job), a full id, or "last" (the newest).
std::optional<JobSummary> read_job(Database& database, const std::string& key);
// Newest first.
std::vector<JobRow> read_rows(Database& database, uint32_t limit);
std::vector<TestDuration> read_durations(Database& database);
std::vector<RecentDurations> read_recent_durations(Database& database);

}  // namespace dagz::report
