#include "report/io/history.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "report/calendar.hpp"
#include "report/exchange.hpp"
#include "report/io/history_flakiness.hpp"
#include "report/io/history_tests.hpp"
#include "report/junit.hpp"

namespace dagz::report {
namespace {

constexpr int kLockTries = 500;
constexpr int kLockWaitMs = 10;
constexpr int kSetAsideMax = 1'000;

// Opening, migrating and setting aside are done by one process at a time. Without the lock (a
// read-only directory, a file system without locks) we carry on: SQLite still guards the data.
class OpenLock {
 public:
  explicit OpenLock(const std::string& path)
      : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    for (int i = 0; descriptor_ >= 0 && i < kLockTries; ++i) {
      if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) break;
      ::poll(nullptr, 0, kLockWaitMs);
    }
  }
  ~OpenLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  OpenLock(const OpenLock&) = delete;
  OpenLock& operator=(const OpenLock&) = delete;

 private:
  int descriptor_;
};

uint64_t inode_of(const std::string& path) {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<uint64_t>(status.st_ino) : 0;
}

// Best effort: a missing .gitignore is no reason to do without a history.
void write_gitignore(const std::string& directory) {
  const std::string path = directory + "/.gitignore";
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor < 0) return;
  const bool written = ::write(descriptor, "*\n", 2) == 2;
  ::close(descriptor);
  if (!written) ::unlink(path.c_str());
}

}  // namespace

History::History(std::string directory, HistoryLimits limits)
    : directory_(std::move(directory)), path_(directory_ + "/history.db"), limits_(limits) {}

Problem History::explain(const std::string& what) {
  return "cannot " + what + " the history " + path_ + ": " + database_.error();
}

std::vector<std::string> History::take_messages() { return std::exchange(messages_, {}); }

Problem History::open() {
  if (database_.is_open()) return std::nullopt;
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error) return "cannot make the directory " + directory_ + ": " + error.message();
  write_gitignore(directory_);
  const OpenLock lock(directory_ + "/history.lock");
  return open_locked();
}

Problem History::open_locked() {
  Problem problem = open_file();
  if (!database_.is_damaged() && !is_foreign()) {
    if (problem) database_.close();
    return problem;
  }
  problem = set_aside();
  if (problem) return problem;
  problem = open_file();
  if (problem) database_.close();
  return problem;
}

// A database, but none of ours.
bool History::is_foreign() {
  if (!database_.ok()) return false;
  const int64_t application = database_.query_integer("PRAGMA application_id");
  return application != kHistoryApplicationId &&
         database_.query_integer("SELECT count(*) FROM sqlite_master") > 0;
}

Problem History::open_file() {
  if (!database_.open(path_, Database::Mode::kWrite)) return explain("open");
  inode_ = inode_of(path_);
  if (database_.is_read_only()) return open_read_only();
  const int64_t version = database_.query_integer("PRAGMA user_version");
  if (!database_.ok()) return explain("open");
  if (is_foreign()) return std::nullopt;
  if (version > kHistorySchema) {
    return "the history " + path_ + " was written by a newer dagz: upgrade, or choose another " +
           "--state-dir";
  }
  // Where the file system cannot do WAL, SQLite stays with its default.
  database_.execute("PRAGMA journal_mode = WAL");
  if (!database_.ok() && !database_.is_damaged()) database_.clear_error();
  database_.execute(
      "PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; "
      "PRAGMA journal_size_limit = 4194304; PRAGMA cell_size_check = ON");
  if (database_.ok()) migrate_history(database_);
  return database_.ok() ? std::nullopt : explain("open");
}

Problem History::open_read_only() {
  if (database_.query_integer("PRAGMA user_version") != kHistorySchema || !database_.ok()) {
    // A WAL file cannot be shared in a directory that cannot be written.
    if (!database_.open(path_, Database::Mode::kImmutable)) return explain("open");
    const int64_t version = database_.query_integer("PRAGMA user_version");
    if (!database_.ok()) return explain("open");
    if (version != kHistorySchema) {
      return "the history " + path_ + " is read-only and of another version of dagz";
    }
  }
  return std::nullopt;
}

// Under the lock. When another process has already done it, the path leads to a new file.
Problem History::set_aside() {
  const uint64_t damaged = inode_;
  database_.close();
  if (inode_of(path_) != damaged) return std::nullopt;
  for (int number = 1; number <= kSetAsideMax; ++number) {
    const std::string target = path_ + ".damaged-" + std::to_string(number);
    if (inode_of(target) != 0) continue;
    if (::rename(path_.c_str(), target.c_str()) != 0) {
      return "the history " + path_ +
             " is damaged and cannot be moved aside: " + std::strerror(errno);
    }
    ::rename((path_ + "-wal").c_str(), (target + "-wal").c_str());
    ::unlink((path_ + "-shm").c_str());
    messages_.push_back("the history was damaged: moved to " + target + ", a new one was begun");
    return std::nullopt;
  }
  return "the history " + path_ + " is damaged, and so are " + std::to_string(kSetAsideMax) +
         " before it: remove them";
}

// Runs `work` on the open database; once more on a new file when the old one turns out damaged.
template <class Work>
Problem History::attempt(Work work) {
  for (int round = 0;; ++round) {
    Problem problem = open();
    if (problem) return problem;
    database_.clear_error();
    problem = work();
    if (database_.ok()) return problem;
    problem = explain("use");
    if (!database_.is_damaged() || database_.is_read_only() || round > 0) {
      database_.close();
      return problem;
    }
    const OpenLock lock(directory_ + "/history.lock");
    problem = set_aside();
    if (problem) return problem;
  }
}

bool History::exists() const {
  std::error_code error;
  return std::filesystem::exists(path_, error);
}

Problem History::record(const JobSummary& summary, WallTime now, const RerunCommand& again) {
  if (summary.status == JobStatus::kRunning) return "the job is not over: it is not kept";
  return attempt([&]() -> Problem {
    if (database_.is_read_only()) return "the history " + path_ + " is read-only: nothing is kept";
    Transaction transaction(database_);
    if (!insert_job(database_, summary, now, Arrival::kJustEnded, again)) return std::nullopt;
    prune_jobs(database_, limits_, now, summary.full_id);
    transaction.commit();
    return std::nullopt;
  });
}

Result<std::vector<JobRow>> History::list(uint32_t limit) {
  Result<std::vector<JobRow>> result;
  result.problem = attempt([&]() -> Problem {
    result.value = read_rows(database_, limit);
    return std::nullopt;
  });
  return result;
}

Result<std::optional<JobSummary>> History::load(const std::string& key) {
  Result<std::optional<JobSummary>> result;
  result.problem = attempt([&]() -> Problem {
    // One snapshot over all tables, whatever others write meanwhile.
    database_.execute("BEGIN");
    result.value = read_job(database_, key);
    database_.execute("ROLLBACK");
    return std::nullopt;
  });
  return result;
}

Result<std::vector<std::string>> History::test_ids(bool of_all_jobs) {
  Result<std::vector<std::string>> result;
  result.problem = attempt([&]() -> Problem {
    result.value = read_test_ids(database_, of_all_jobs);
    return std::nullopt;
  });
  return result;
}

Result<std::vector<TestRecord>> History::test_records(const std::string& id) {
  Result<std::vector<TestRecord>> result;
  result.problem = attempt([&]() -> Problem {
    database_.execute("BEGIN");
    result.value = read_test_records(database_, id);
    database_.execute("ROLLBACK");
    return std::nullopt;
  });
  return result;
}

Result<FlakyTests> History::flaky_tests() {
  Result<FlakyTests> result;
  result.problem = attempt([&]() -> Problem {
    database_.execute("BEGIN");
    result.value = read_flaky_tests(database_);
    database_.execute("ROLLBACK");
    return std::nullopt;
  });
  return result;
}

Result<KnownFlaky> History::flakiness(const std::vector<std::string>& ids) {
  Result<KnownFlaky> result;
  result.problem = attempt([&]() -> Problem {
    database_.execute("BEGIN");
    result.value = read_flakiness(database_, ids);
    database_.execute("ROLLBACK");
    return std::nullopt;
  });
  return result;
}

Result<uint32_t> History::next_number(WallTime now) {
  Result<uint32_t> result{1, std::nullopt};
  result.problem = attempt([&]() -> Problem {
    result.value = next_job_number(database_, now);
    return std::nullopt;
  });
  return result;
}

Result<std::vector<TestDuration>> History::durations() {
  Result<std::vector<TestDuration>> result;
  result.problem = attempt([&]() -> Problem {
    result.value = read_durations(database_);
    return std::nullopt;
  });
  return result;
}

Result<PruneCounts> History::prune(WallTime now) {
  Result<PruneCounts> result;
  result.problem = attempt([&]() -> Problem {
    if (database_.is_read_only()) return "the history " + path_ + " is read-only";
    const auto jobs = [this] {
      return static_cast<uint64_t>(database_.query_integer("SELECT count(*) FROM jobs"));
    };
    {
      Transaction transaction(database_);
      const uint64_t before = jobs();
      prune_jobs(database_, limits_, now);
      result.value.kept = jobs();
      result.value.removed = before - result.value.kept;
      transaction.commit();
    }
    database_.execute("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
    return std::nullopt;
  });
  return result;
}

Problem History::export_lines(const std::function<bool(std::string_view)>& write) {
  return attempt([&]() -> Problem {
    database_.execute("BEGIN");
    std::vector<JobRow> jobs = read_rows(database_, UINT32_MAX);
    std::reverse(jobs.begin(), jobs.end());
    bool written = write(exchange_head());
    for (const JobRow& row : jobs) {
      const auto job = read_job(database_, row.full_id);
      if (!job || !written) break;
      written = write(exchange_job(*job));
    }
    for (const RecentDurations& one : read_recent_durations(database_)) {
      if (written) written = write(exchange_durations(one));
    }
    if (written) written = write(exchange_end(jobs.size()));
    database_.execute("ROLLBACK");
    return written ? std::nullopt : Problem("the export could not be written");
  });
}

Result<ImportCounts> History::import_texts(const std::vector<ImportText>& texts, WallTime now) {
  Result<ImportCounts> result;
  result.problem = attempt([&]() -> Problem {
    if (database_.is_read_only()) return "the history " + path_ + " is read-only";
    result.value = {};
    Transaction transaction(database_);
    for (const ImportText& text : texts) {
      if (Problem problem = import_one(text, now, result.value)) return problem;
    }
    transaction.commit();
    return std::nullopt;
  });
  return result;
}

Problem History::import_one(const ImportText& text, WallTime now, ImportCounts& counts) {
  std::map<std::pair<std::string, std::string>, std::string> addresses;
  std::vector<RecentDurations> durations;
  ImportContext context;
  context.now = now;
  context.digest = text.digest;
  context.known_id = [&](std::string_view class_name, std::string_view name) {
    if (addresses.empty()) {
      for (const std::string& id : read_test_ids(database_, true)) {
        const JunitAddress address = junit_address(id);
        addresses.emplace(std::pair(address.class_name, address.name), id);
      }
      addresses.try_emplace({"", ""});
    }
    const auto found = addresses.find({std::string(class_name), std::string(name)});
    return found == addresses.end() ? std::string() : found->second;
  };
  context.sink = [&](Imported item) {
    if (auto* job = std::get_if<JobSummary>(&item)) {
      if (job->short_id.empty()) {
        job->short_id = format_short_id(job->started, next_job_number(database_, job->started));
      }
      ++(insert_job(database_, *job, now, Arrival::kImported) ? counts.jobs : counts.known_jobs);
    } else {
      durations.push_back(std::move(std::get<RecentDurations>(item)));
    }
    return database_.ok();
  };
  const auto problem = import_text(text.content, context);
  if (problem) return text.name + ":" + std::to_string(problem->line) + ": " + problem->text;
  merge_durations(database_, durations, now);
  counts.durations += durations.size();
  return std::nullopt;
}

}  // namespace dagz::report
