#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mesh/time.hpp"
#include "report/flakiness.hpp"
#include "report/io/database.hpp"
#include "report/io/history_rows.hpp"
#include "report/job_table.hpp"
#include "report/rerun_command.hpp"
#include "report/summary.hpp"
#include "report/test_logs.hpp"

// The jobs that this host remembers: history.db in the state directory, shared by all dagz
// processes of the host. Writers queue up (20 s at most); what the first of them records of a job
// stays, unless it was interrupted and another one knows how it ended.
//
// Nothing here throws, and no failure stops a job: every call says what went wrong in one sentence
// for the user, and the next call starts afresh. A damaged file is moved aside, a new one begun,
// and take_messages() says so. A file of a newer dagz is left alone. On a read-only file system the
// history can be read.
// Bounded by HistoryLimits; the oldest jobs go first. Not for several threads.

namespace dagz::report {

// A sentence for the user; none when all is well.
using Problem = std::optional<std::string>;

template <class T>
struct Result {
  T value{};
  Problem problem;
};

struct ImportText {
  std::string name;  // as it should be named in messages
  std::string content;
  std::string digest;  // of the content: names a job that has no name
};

struct ImportCounts {
  uint64_t jobs = 0;
  uint64_t known_jobs = 0;  // they were here already
  uint64_t durations = 0;   // tests with durations that came without a job
};

struct PruneCounts {
  uint64_t kept = 0;
  uint64_t removed = 0;
};

class History {
 public:
  // Touches nothing yet. The directory is made when it is needed, with a .gitignore of "*".
  explicit History(std::string directory, HistoryLimits limits = {});

  // Whether there is one. Only to look must not leave a new directory behind.
  bool exists() const;
  // The calls below open by themselves; this only says beforehand whether it works.
  Problem open();
  // What the user should know besides: each only once.
  std::vector<std::string> take_messages();

  // Keeps a job that has just ended, in one transaction, and prunes: it stays itself. Nothing
  // happens when its full id is there already. It is of `now` at the latest, whatever its
  // scheduler's clock says, and newer than what was recorded here before it began.
  // `again`: how this node would run a test of it once more, if that is known.
  Problem record(const JobSummary& summary, WallTime now, const RerunCommand& again = {});
  // Newest first.
  Result<std::vector<JobRow>> list(uint32_t limit);
  // A short id (the latest such job), a full id, or "last" (the newest: the first of the
  // list). Empty when there is no such job.
  Result<std::optional<JobSummary>> load(const std::string& key);
  // The ids of the last job's tests, or of all that are remembered. Sorted.
  Result<std::vector<std::string>> test_ids(bool of_all_jobs);
  // The test of this id in every job that has it, newest first.
  Result<std::vector<TestRecord>> test_records(const std::string& id);
  // How flaky tests are, over all jobs: those that were flaky at least once; of some ids only.
  Result<FlakyTests> flaky_tests();
  Result<KnownFlaky> flakiness(const std::vector<std::string>& ids);
  // The next job's number on that day (UTC), from 1: what follows "j0517."
  Result<uint32_t> next_number(WallTime now);
  // For each test that did not always fail, the median of its last 5 durations that were no
  // failure. In no particular order.
  Result<std::vector<TestDuration>> durations();

  // Applies the limits now and gives the space back.
  Result<PruneCounts> prune(WallTime now);
  // Everything as lines of JSON (report/exchange.hpp), in pieces, until `write` says no.
  Problem export_lines(const std::function<bool(std::string_view)>& write);
  // Adds what is not here yet, in one transaction: nothing when anything is wrong. What bears no
  // date, or one of the future, is of `now`.
  Result<ImportCounts> import_texts(const std::vector<ImportText>& texts, WallTime now);

  const std::string& path() const { return path_; }

 private:
  template <class Work>
  Problem attempt(Work work);
  Problem import_one(const ImportText& text, WallTime now, ImportCounts& counts);
  Problem open_locked();
  Problem open_file();
  Problem open_read_only();
  Problem set_aside();
  bool is_foreign();
  Problem explain(const std::string& what);

  std::string directory_;
  std::string path_;
  HistoryLimits limits_;
  Database database_;
  uint64_t inode_ = 0;  // of the open file: another process may have moved it aside
  std::vector<std::string> messages_;
};

}  // namespace dagz::report
