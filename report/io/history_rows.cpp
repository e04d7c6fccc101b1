#include "report/io/history_rows.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <unordered_map>
#include <utility>

#include "report/calendar.hpp"
#include "report/io/history_samples.hpp"

namespace dagz::report {
namespace {

constexpr const char* kSteps[] = {
    // 0 -> 1
    R"(CREATE TABLE jobs(
         id INTEGER PRIMARY KEY, full_id BLOB NOT NULL UNIQUE, short_id BLOB, number INTEGER,
         status INTEGER, started_ms INTEGER, duration_ns INTEGER, plan_ns INTEGER,
         ideal_ns INTEGER, saved_ns INTEGER, efficiency_permille INTEGER, workers INTEGER,
         steals INTEGER, lost_nodes INTEGER, passed INTEGER, failed INTEGER, flaky INTEGER,
         errors INTEGER, skipped INTEGER, redundant INTEGER, unfinished INTEGER,
         retrying INTEGER, total INTEGER, ci_url BLOB, dashboard_url BLOB);
       CREATE INDEX jobs_by_start ON jobs(started_ms);
       CREATE TABLE nodes(
         job INTEGER, position INTEGER, name BLOB, host BLOB, ci_url BLOB, workers INTEGER,
         lost INTEGER, PRIMARY KEY(job, position)) WITHOUT ROWID;
       CREATE TABLE places(
         job INTEGER, position INTEGER, name BLOB, PRIMARY KEY(job, position)) WITHOUT ROWID;
       CREATE TABLE notes(
         job INTEGER, position INTEGER, text BLOB, PRIMARY KEY(job, position)) WITHOUT ROWID;
       CREATE TABLE collection_errors(
         job INTEGER, position INTEGER, path BLOB, text BLOB, PRIMARY KEY(job, position));
       CREATE TABLE files(id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);
       CREATE TABLE tests(id INTEGER PRIMARY KEY, file INTEGER, prefixed INTEGER, name BLOB);
       CREATE TABLE results(
         job INTEGER, test INTEGER, attempt INTEGER, verdict INTEGER, outcome INTEGER,
         place INTEGER, worker INTEGER, started_ns INTEGER, duration_ns INTEGER,
         cpu_percent INTEGER, PRIMARY KEY(job, test, attempt)) WITHOUT ROWID;
       CREATE TABLE texts(
         job INTEGER, test INTEGER, attempt INTEGER, message BLOB, output BLOB,
         PRIMARY KEY(job, test, attempt));
       CREATE TABLE samples(test INTEGER PRIMARY KEY, seen_ms INTEGER, recent BLOB);)",
    // 1 -> 2
    R"(ALTER TABLE nodes ADD COLUMN short BLOB;
       ALTER TABLE results ADD COLUMN run INTEGER;)",
    // 2 -> 3
    "ALTER TABLE nodes ADD COLUMN step_place INTEGER;",
    // 3 -> 4
    R"(ALTER TABLE jobs ADD COLUMN collections_differ INTEGER;
       ALTER TABLE jobs ADD COLUMN strict_collection INTEGER;
       ALTER TABLE jobs ADD COLUMN flaky_fails INTEGER;
       CREATE TABLE properties(
         job INTEGER, test INTEGER, attempt INTEGER, position INTEGER, name BLOB, value BLOB,
         PRIMARY KEY(job, test, attempt, position)) WITHOUT ROWID;)",
    // 4 -> 5
    R"(ALTER TABLE jobs ADD COLUMN began_ms INTEGER;
       UPDATE jobs SET began_ms = started_ms;
       CREATE INDEX jobs_by_begin ON jobs(began_ms);)",
    // 5 -> 6
    "ALTER TABLE jobs ADD COLUMN again BLOB;",
    // 6 -> 7
    "ALTER TABLE properties ADD COLUMN of_suite INTEGER;",
};
static_assert(std::size(kSteps) == kHistorySchema);

constexpr const char* kJobTables[] = {"nodes",   "places", "notes",     "collection_errors",
                                      "results", "texts",  "properties"};

constexpr const char* kJobColumns =
    "id, full_id, short_id, status, started_ms, duration_ns, plan_ns, ideal_ns, saved_ns, "
    "efficiency_permille, workers, steals, lost_nodes, passed, failed, flaky, errors, skipped, "
    "redundant, unfinished, retrying, total, ci_url, dashboard_url, collections_differ, "
    "strict_collection, flaky_fails, again";

int64_t integer(uint64_t value) { return static_cast<int64_t>(value); }

constexpr int64_t kClockSlackMs = 3'600'000;

int64_t believable_ms(int64_t ms, WallTime now) {
  return std::clamp<int64_t>(ms, 0, std::max<int64_t>(now.ms, 0) + kClockSlackMs);
}

// Where the job stands in the order of all; what was there and is dated from now on makes way.
int64_t place_in_order(Database& database, const JobSummary& summary, WallTime now,
                       Arrival arrival) {
  const int64_t now_ms = std::max<int64_t>(now.ms, 0);
  int64_t began_ms = std::clamp<int64_t>(summary.started.ms, 0, now_ms);
  if (arrival == Arrival::kImported) return began_ms;
  const int64_t here_ms = std::clamp<int64_t>(now_ms - summary.duration.ms(), 0, now_ms);
  if (began_ms + kClockSlackMs >= here_ms) began_ms = here_ms;
  Statement(database, "UPDATE jobs SET began_ms = ?1 WHERE began_ms >= ?2")
      .add(began_ms)
      .add(now_ms)
      .run();
  return began_ms;
}

// Where ids begin, then the words, each with a zero byte behind it.
std::string pack_again(const RerunCommand& again) {
  std::string out;
  if (again.words.empty()) return out;
  out.append(again.to_root).push_back('\0');
  for (const std::string& word : again.words) out.append(word).push_back('\0');
  return out;
}

RerunCommand unpack_again(std::string_view bytes) {
  RerunCommand again;
  for (bool first = true; !bytes.empty(); first = false) {
    const std::string_view one = bytes.substr(0, bytes.find('\0'));
    if (first) {
      again.to_root = one;
    } else {
      again.words.emplace_back(one);
    }
    bytes.remove_prefix(std::min(bytes.size(), one.size() + 1));
  }
  return again;
}

// Less is not worth a row.
constexpr Duration kSetupAtLeast = Duration::milliseconds(1);

using Numbers = std::unordered_map<std::string, int64_t>;

// ---- in
// -------------------------------------------------------------------------------------------

// The numbers of files and tests, all of them in memory while a job is written: one scan is faster
// and smaller than an index over every name.
class Names {
 public:
  Names(Database& database, std::size_t expected_tests)
      : add_file_(database, "INSERT INTO files(path) VALUES(?)"),
        add_test_(database, "INSERT INTO tests(file, prefixed, name) VALUES(?, ?, ?)"),
        database_(database) {
    Statement files(database, "SELECT id, path FROM files");
    while (files.next_row()) files_.emplace(files.bytes(1), files.integer(0));
    tests_.reserve(expected_tests);
    Statement tests(database, "SELECT id, file, prefixed, name FROM tests");
    while (tests.next_row()) {
      tests_.emplace(key(tests.integer(1), tests.integer(2) != 0, tests.view(3)), tests.integer(0));
    }
  }

  bool has_setup_of(const std::string& path) const {
    const auto file = files_.find(path);
    return file != files_.end() && tests_.contains(key(file->second, true, ""));
  }

  int64_t number_of(const TestSummary& test) {
    const int64_t file = number_of_file(test.file);
    const bool prefixed = !test.file.empty() && test.id.starts_with(test.file);
    const std::string_view name = std::string_view(test.id).substr(prefixed ? test.file.size() : 0);
    const auto [place, is_new] = tests_.try_emplace(key(file, prefixed, name), 0);
    if (is_new) {
      add_test_.add(file).add(prefixed ? 1 : 0).add(name).run();
      place->second = database_.last_id();
    }
    return place->second;
  }

 private:
  static std::string key(int64_t file, bool prefixed, std::string_view name) {
    std::string text(reinterpret_cast<const char*>(&file), sizeof file);
    text.push_back(prefixed ? '+' : '-');
    return text.append(name);
  }

  int64_t number_of_file(const std::string& path) {
    const auto [place, is_new] = files_.try_emplace(path, 0);
    if (is_new) {
      add_file_.add(path).run();
      place->second = database_.last_id();
    }
    return place->second;
  }

  Statement add_file_;
  Statement add_test_;
  Database& database_;
  Numbers files_;
  Numbers tests_;
};

// The job's row; false when its full id is taken.
bool insert_head(Database& database, const JobSummary& summary, int64_t started_ms,
                 int64_t began_ms, const RerunCommand& again) {
  const std::string how = pack_again(again);
  Statement insert(
      database,
      "INSERT OR IGNORE INTO jobs(full_id, short_id, number, status, started_ms, "
      "duration_ns, plan_ns, ideal_ns, saved_ns, efficiency_permille, workers, steals, "
      "lost_nodes, passed, failed, flaky, errors, skipped, redundant, unfinished, "
      "retrying, total, ci_url, dashboard_url, collections_differ, strict_collection, flaky_fails, "
      "began_ms, again) "
      "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?)");
  const Counts& counts = summary.counts;
  insert.add(summary.full_id).add(summary.short_id).add(number_of_short_id(summary.short_id));
  insert.add(static_cast<int64_t>(summary.status)).add(started_ms);
  insert.add(summary.duration.ns).add(summary.plan.ns).add(summary.ideal.ns).add(summary.saved.ns);
  insert.add(summary.efficiency_permille).add(summary.workers).add(summary.steals);
  insert.add(summary.lost_nodes);
  for (const uint64_t count :
       {counts.passed, counts.failed, counts.flaky, counts.errors, counts.skipped, counts.redundant,
        counts.unfinished, counts.retrying, counts.total}) {
    insert.add(integer(count));
  }
  insert.add(summary.ci_url).add(summary.dashboard_url);
  insert.add(summary.collections_differ ? 1 : 0).add(summary.strict_collection ? 1 : 0);
  insert.add(summary.flaky_fails ? 1 : 0).add(began_ms).add(how).run();
  return database.ok() && database.changed_rows() > 0;
}

void insert_lists(Database& database, int64_t job, const JobSummary& summary) {
  Statement node(database, "INSERT INTO nodes VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
  int64_t position = 0;
  for (const NodeSummary& item : summary.nodes) {
    node.add(job).add(position++).add(item.name).add(item.host).add(item.ci_url);
    node.add(item.workers).add(item.lost ? 1 : 0).add(item.id).add(item.place).run();
  }
  Statement note(database, "INSERT INTO notes VALUES(?, ?, ?)");
  position = 0;
  for (const std::string& text : summary.notes) note.add(job).add(position++).add(text).run();
  Statement error(database, "INSERT INTO collection_errors VALUES(?, ?, ?, ?)");
  position = 0;
  for (const CollectionErrorSummary& item : summary.collection_errors) {
    error.add(job).add(position++).add(item.path).add(item.text).run();
  }
}

class ResultWriter {
 public:
  ResultWriter(Database& database, int64_t job)
      : job_(job),
        place_(database, "INSERT INTO places VALUES(?, ?, ?)"),
        result_(database, "INSERT OR IGNORE INTO results VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
        text_(database, "INSERT OR IGNORE INTO texts VALUES(?, ?, ?, ?, ?)"),
        property_(database, "INSERT OR IGNORE INTO properties VALUES(?, ?, ?, ?, ?, ?, ?)") {}

  // Tests without an attempt have one row, attempt 0, for their verdict.
  void write(int64_t number, const TestSummary& test) {
    const auto verdict = static_cast<int64_t>(test.verdict);
    if (test.attempts.empty()) {
      result_.add(job_).add(number).add(0).add(verdict);
      for (int i = 0; i < 7; ++i) result_.add_null();
      result_.run();
    }
    int64_t position = 0;
    for (const AttemptSummary& attempt : test.attempts) {
      result_.add(job_).add(number).add(++position).add(verdict);
      result_.add(static_cast<int64_t>(attempt.outcome)).add(place_of(attempt.node));
      result_.add(attempt.worker).add(attempt.started_after.ns).add(attempt.duration.ns);
      result_.add(attempt.cpu_percent).add(attempt.run).run();
      int64_t place = 0;
      for (const Property& one : attempt.properties) {
        property_.add(job_).add(number).add(position).add(place++);
        property_.add(one.name).add(one.value).add(one.of_suite ? 1 : 0).run();
      }
      if (attempt.message.empty() && attempt.output.empty()) continue;
      text_.add(job_).add(number).add(position).add(attempt.message).add(attempt.output).run();
    }
  }

 private:
  int64_t place_of(const std::string& node) {
    const auto [place, is_new] = places_.try_emplace(node, integer(places_.size()));
    if (is_new) place_.add(job_).add(place->second).add(node).run();
    return place->second;
  }

  int64_t job_;
  Statement place_;
  Statement result_;
  Statement text_;
  Statement property_;
  Numbers places_;
};

class SampleWriter {
 public:
  explicit SampleWriter(Database& database)
      : read_(database, "SELECT seen_ms, recent FROM samples WHERE test = ?"),
        write_(database, "INSERT OR REPLACE INTO samples VALUES(?, ?, ?)"),
        last_(database.query_integer("SELECT max(test) FROM samples")) {}

  void write(int64_t number, std::optional<Duration> sample, int64_t started_ms) {
    auto [seen_ms, recent] = known(number);
    if (sample) recent = add_sample(recent, {started_ms, sample->us()});
    put(number, std::max(seen_ms, started_ms), recent);
  }

  void merge(int64_t number, const RecentDurations& durations, WallTime now) {
    auto [seen_ms, recent] = known(number);
    for (const auto& [said_ms, us] : durations.recent) {
      const int64_t started_ms = believable_ms(said_ms, now);
      seen_ms = std::max(seen_ms, started_ms);
      const std::vector<Sample> known = unpack_samples(recent);
      const bool there = std::any_of(known.begin(), known.end(), [&, u = us](const Sample& one) {
        return one.duration_us == u && (durations.undated || one.started_ms == started_ms);
      });
      if (there) continue;
      // What its job's attempts say is less exact: they include the set-up that others share.
      if (!durations.undated) recent = without_sample(recent, started_ms);
      recent = add_sample(recent, {started_ms, us});
    }
    put(number, seen_ms, recent);
  }

 private:
  std::pair<int64_t, std::string> known(int64_t number) {
    std::pair<int64_t, std::string> row;
    if (number > last_) return row;
    read_.add(number);
    if (read_.next_row()) row = {read_.integer(0), read_.bytes(1)};
    read_.reset();
    return row;
  }

  void put(int64_t number, int64_t seen_ms, const std::string& recent) {
    write_.add(number).add(seen_ms).add(recent).run();
    last_ = std::max(last_, number);
  }

  Statement read_;
  Statement write_;
  int64_t last_;  // the highest number that has a row
};

// ---- out
// ------------------------------------------------------------------------------------------

// Columns as in kJobColumns.
void read_head(const Statement& row, JobSummary& summary) {
  const auto small = [&row](int column) { return static_cast<uint32_t>(row.integer(column)); };
  const auto count = [&row](int column) { return static_cast<uint64_t>(row.integer(column)); };
  summary.full_id = row.bytes(1);
  summary.short_id = row.bytes(2);
  summary.status = static_cast<JobStatus>(row.integer(3));
  summary.started = {row.integer(4)};
  summary.duration = {row.integer(5)};
  summary.plan = {row.integer(6)};
  summary.ideal = {row.integer(7)};
  summary.saved = {row.integer(8)};
  summary.efficiency_permille = small(9);
  summary.workers = small(10);
  summary.steals = small(11);
  summary.lost_nodes = small(12);
  summary.counts = {count(13), count(14), count(15), count(16), count(17),
                    count(18), count(19), count(20), count(21)};
  summary.ci_url = row.bytes(22);
  summary.dashboard_url = row.bytes(23);
  summary.collections_differ = row.integer(24) != 0;
  summary.strict_collection = row.integer(25) != 0;
  summary.flaky_fails = row.integer(26) != 0;
  summary.again = unpack_again(row.view(27));
}

void read_lists(Database& database, int64_t job, JobSummary& summary) {
  Statement nodes(
      database,
      "SELECT name, host, ci_url, workers, lost, short, step_place FROM nodes WHERE job = ? "
      "ORDER BY position");
  nodes.add(job);
  while (nodes.next_row()) {
    summary.nodes.push_back({nodes.bytes(0), nodes.bytes(1), nodes.bytes(2),
                             static_cast<uint32_t>(nodes.integer(3)), nodes.integer(4) != 0,
                             nodes.bytes(5), static_cast<uint32_t>(nodes.integer(6))});
  }
  Statement notes(database, "SELECT text FROM notes WHERE job = ? ORDER BY position");
  notes.add(job);
  while (notes.next_row()) summary.notes.push_back(notes.bytes(0));
  Statement errors(database,
                   "SELECT path, text FROM collection_errors WHERE job = ? ORDER BY position");
  errors.add(job);
  while (errors.next_row()) summary.collection_errors.push_back({errors.bytes(0), errors.bytes(1)});
}

std::unordered_map<int64_t, std::string> read_strings(Database& database, const char* sql,
                                                      int64_t parameter) {
  std::unordered_map<int64_t, std::string> strings;
  Statement rows(database, sql);
  rows.add(parameter);
  while (rows.next_row()) strings.emplace(rows.integer(0), rows.bytes(1));
  return strings;
}

std::unordered_map<int64_t, std::string> read_files(Database& database) {
  return read_strings(database, "SELECT id, path FROM files WHERE id > ?", 0);
}

std::string full_name(const std::string& file, bool prefixed, std::string_view name) {
  return prefixed ? file + std::string(name) : std::string(name);
}

// Fills in messages, outputs and properties. `place` maps a test's number to its index.
void read_texts(Database& database, int64_t job,
                const std::unordered_map<int64_t, std::size_t>& place,
                std::vector<TestSummary>& tests) {
  // Which attempt the first two columns name; null if it is not there.
  const auto attempt_of = [&](const Statement& row) -> AttemptSummary* {
    const auto test = place.find(row.integer(0));
    if (test == place.end()) return nullptr;
    std::vector<AttemptSummary>& attempts = tests[test->second].attempts;
    const auto position = static_cast<std::size_t>(row.integer(1));
    return position < 1 || position > attempts.size() ? nullptr : &attempts[position - 1];
  };
  Statement texts(database, "SELECT test, attempt, message, output FROM texts WHERE job = ?");
  texts.add(job);
  while (texts.next_row()) {
    AttemptSummary* attempt = attempt_of(texts);
    if (attempt == nullptr) continue;
    attempt->message = texts.bytes(2);
    attempt->output = texts.bytes(3);
  }
  Statement properties(database,
                       "SELECT test, attempt, name, value, of_suite FROM properties WHERE job = ? "
                       "ORDER BY test, attempt, position");
  properties.add(job);
  while (properties.next_row()) {
    AttemptSummary* attempt = attempt_of(properties);
    if (attempt == nullptr) continue;
    attempt->properties.push_back(
        {properties.bytes(2), properties.bytes(3), properties.integer(4) != 0});
  }
}

void read_tests(Database& database, int64_t job, std::vector<TestSummary>& tests) {
  auto files = read_files(database);
  auto places = read_strings(database, "SELECT position, name FROM places WHERE job = ?", job);
  std::unordered_map<int64_t, std::size_t> place;
  Statement rows(database,
                 "SELECT r.test, r.attempt, r.verdict, r.outcome, r.place, r.worker, r.started_ns, "
                 "r.duration_ns, r.cpu_percent, t.file, t.prefixed, t.name, r.run "
                 "FROM results r JOIN tests t ON t.id = r.test WHERE r.job = ? "
                 "ORDER BY r.test, r.attempt");
  rows.add(job);
  int64_t current = -1;
  while (rows.next_row()) {
    if (rows.integer(0) != current) {
      current = rows.integer(0);
      place.emplace(current, tests.size());
      TestSummary& test = tests.emplace_back();
      test.file = files[rows.integer(9)];
      test.id = full_name(test.file, rows.integer(10) != 0, rows.view(11));
      test.verdict = static_cast<Verdict>(rows.integer(2));
    }
    if (rows.integer(1) == 0) continue;
    AttemptSummary& attempt = tests.back().attempts.emplace_back();
    attempt.outcome = static_cast<Outcome>(rows.integer(3));
    attempt.node = places[rows.integer(4)];
    attempt.worker = static_cast<uint32_t>(rows.integer(5));
    attempt.started_after = {rows.integer(6)};
    attempt.duration = {rows.integer(7)};
    attempt.cpu_percent = static_cast<uint32_t>(rows.integer(8));
    attempt.run = static_cast<uint32_t>(std::max<int64_t>(1, rows.integer(12)));
  }
  read_texts(database, job, place, tests);
  std::sort(tests.begin(), tests.end(),
            [](const TestSummary& a, const TestSummary& b) { return a.id < b.id; });
}

// ---- out for good
// -----------------------------------------------------------------------------------

void delete_job(Database& database, int64_t job) {
  for (const char* table : kJobTables) {
    const std::string sql = std::string("DELETE FROM ") + table + " WHERE job = ?";
    Statement(database, sql.c_str()).add(job).run();
  }
  Statement(database, "DELETE FROM jobs WHERE id = ?").add(job).run();
}

int64_t used_bytes(Database& database) {
  return (database.query_integer("PRAGMA page_count") -
          database.query_integer("PRAGMA freelist_count")) *
         database.query_integer("PRAGMA page_size");
}

// Tests that no job left mentions and that were not seen for as long as jobs are kept.
void delete_forgotten_tests(Database& database, int64_t cutoff_ms) {
  Statement(database, "DELETE FROM tests WHERE id IN (SELECT test FROM samples WHERE seen_ms < ?)")
      .add(cutoff_ms)
      .run();
  Statement(database, "DELETE FROM samples WHERE seen_ms < ?").add(cutoff_ms).run();
  database.execute("DELETE FROM files WHERE id NOT IN (SELECT file FROM tests)");
}

}  // namespace

bool migrate_history(Database& database) {
  Transaction transaction(database);
  const int64_t version = database.query_integer("PRAGMA user_version");
  for (int64_t step = version; step < kHistorySchema; ++step) {
    database.execute(kSteps[static_cast<std::size_t>(step)]);
  }
  const std::string stamp = "PRAGMA application_id = " + std::to_string(kHistoryApplicationId) +
                            "; PRAGMA user_version = " + std::to_string(kHistorySchema);
  if (version < kHistorySchema) database.execute(stamp.c_str());
  return transaction.commit();
}

namespace {

// A file's shared set-up is kept as a test whose id is the path of the file; one of nothing only
// where others are, which it outdates.
void write_setups(const JobSummary& summary, int64_t started_ms, Names& names,
                  SampleWriter& samples) {
  std::map<std::string_view, std::vector<const TestSummary*>> files;
  for (const TestSummary& test : summary.tests) files[test.file].push_back(&test);
  for (const auto& [path, tests] : files) {
    const std::optional<Duration> sample = setup_sample(tests);
    TestSummary setup;
    setup.id = setup.file = path;
    if (!sample || (*sample < kSetupAtLeast && !names.has_setup_of(setup.file))) continue;
    samples.write(names.number_of(setup), sample, started_ms);
  }
}

// A job of which only a part was known, as whoever recorded it was cut short, makes way for the
// whole.
void drop_interrupted(Database& database, const JobSummary& summary) {
  if (summary.status == JobStatus::kInterrupted) return;
  Statement find(database, "SELECT id FROM jobs WHERE full_id = ? AND status = ?");
  find.add(summary.full_id).add(static_cast<int64_t>(JobStatus::kInterrupted));
  if (!find.next_row()) return;
  const int64_t job = find.integer(0);
  find.reset();
  delete_job(database, job);
}

}  // namespace

bool insert_job(Database& database, const JobSummary& summary, WallTime now, Arrival arrival,
                const RerunCommand& again) {
  const int64_t started_ms = believable_ms(summary.started.ms, now);
  drop_interrupted(database, summary);
  const int64_t began_ms = place_in_order(database, summary, now, arrival);
  if (!insert_head(database, summary, started_ms, began_ms, again)) return false;
  const int64_t job = database.last_id();
  insert_lists(database, job, summary);

  Names names(database, summary.tests.size());
  std::vector<std::pair<int64_t, const TestSummary*>> tests;
  tests.reserve(summary.tests.size());
  for (const TestSummary& test : summary.tests) tests.emplace_back(names.number_of(test), &test);
  // In the order of the tables' keys, so that pages fill one after the other.
  std::sort(tests.begin(), tests.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  ResultWriter results(database, job);
  SampleWriter samples(database);
  for (const auto& [number, test] : tests) {
    if (!database.ok()) return false;
    results.write(number, *test);
    samples.write(number, duration_sample(*test), started_ms);
  }
  write_setups(summary, started_ms, names, samples);
  return database.ok();
}

void merge_durations(Database& database, const std::vector<RecentDurations>& durations,
                     WallTime now) {
  if (durations.empty()) return;
  Names names(database, durations.size());
  SampleWriter samples(database);
  for (const RecentDurations& one : durations) {
    TestSummary test;
    test.id = one.id;
    test.file = one.file;
    samples.merge(names.number_of(test), one, now);
  }
}

uint32_t next_job_number(Database& database, WallTime time) {
  const int64_t day = start_of_day(time).ms;
  // The highest number rather than the count alone: busy days lose their first jobs to pruning.
  Statement jobs(database,
                 "SELECT max(count(*), ifnull(max(number), 0)) FROM jobs "
                 "WHERE started_ms >= ? AND started_ms < ?");
  jobs.add(day).add(day + kDayMs);
  return jobs.next_row() ? static_cast<uint32_t>(jobs.integer(0)) + 1 : 1;
}

void prune_jobs(Database& database, const HistoryLimits& limits, WallTime now,
                const std::string& stays) {
  std::vector<std::pair<int64_t, int64_t>> kept;  // (id, start): what stays, then by start
  const std::string sql =
      std::string("SELECT id, began_ms FROM jobs ORDER BY full_id = ? DESC, ") + kNewestFirst;
  Statement jobs(database, sql.c_str());
  jobs.add(stays);
  while (jobs.next_row()) kept.emplace_back(jobs.integer(0), jobs.integer(1));
  if (kept.empty()) return;

  const int64_t newest_ms = std::max(kept.front().second, kept[kept.size() > 1].second);
  // A job of the future, as a wrong clock dates it, makes no other one old.
  const int64_t oldest_ms = std::min(newest_ms, now.ms) - limits.age.ms();
  bool deleted = false;
  while (database.ok() && kept.size() > 1) {
    const bool surplus = kept.size() > limits.jobs || kept.back().second < oldest_ms;
    if (!surplus && used_bytes(database) <= integer(limits.bytes)) break;
    delete_job(database, kept.back().first);
    kept.pop_back();
    deleted = true;
  }
  if (!deleted) return;
  const int64_t first_ms = database.query_integer("SELECT min(started_ms) FROM jobs");
  delete_forgotten_tests(database, std::min(oldest_ms, first_ms));
}

std::optional<JobSummary> read_job(Database& database, const std::string& key) {
  const bool last = key == "last";
  const std::string sql = std::string("SELECT ") + kJobColumns + " FROM jobs " +
                          (last ? "" : "WHERE full_id = ?1 OR short_id = ?1 ") + "ORDER BY " +
                          (last ? "" : "full_id = ?1 DESC, ") + kNewestFirst + " LIMIT 1";
  Statement head(database, sql.c_str());
  if (!last) head.add(key);
  if (!head.next_row()) return std::nullopt;
  JobSummary summary;
  const int64_t job = head.integer(0);
  read_head(head, summary);
  read_lists(database, job, summary);
  read_tests(database, job, summary.tests);
  if (!database.ok()) return std::nullopt;
  return summary;
}

std::vector<JobRow> read_rows(Database& database, uint32_t limit) {
  std::vector<JobRow> rows;
  const std::string sql =
      std::string("SELECT ") + kJobColumns + " FROM jobs ORDER BY " + kNewestFirst + " LIMIT ?";
  Statement jobs(database, sql.c_str());
  jobs.add(limit);
  while (jobs.next_row()) {
    JobSummary summary;
    read_head(jobs, summary);
    rows.push_back(row_of(summary));
  }
  return rows;
}

std::vector<RecentDurations> read_recent_durations(Database& database) {
  std::vector<RecentDurations> all;
  auto files = read_files(database);
  Statement rows(database,
                 "SELECT t.file, t.prefixed, t.name, s.recent FROM samples s "
                 "JOIN tests t ON t.id = s.test ORDER BY t.id");
  while (rows.next_row()) {
    RecentDurations& one = all.emplace_back();
    one.file = files[rows.integer(0)];
    one.id = full_name(one.file, rows.integer(1) != 0, rows.view(2));
    for (const Sample& sample : unpack_samples(rows.view(3))) {
      one.recent.emplace_back(sample.started_ms, sample.duration_us);
    }
  }
  return all;
}

std::vector<TestDuration> read_durations(Database& database) {
  std::vector<TestDuration> durations;
  auto files = read_files(database);
  Statement rows(database,
                 "SELECT t.file, t.prefixed, t.name, s.recent FROM samples s "
                 "JOIN tests t ON t.id = s.test");
  while (rows.next_row()) {
    const std::optional<Duration> median = median_sample(rows.view(3));
    if (!median) continue;
    const std::string& file = files[rows.integer(0)];
    durations.push_back({full_name(file, rows.integer(1) != 0, rows.view(2)), file, *median});
  }
  return durations;
}

}  // namespace dagz::report
