#include "report/io/history_tests.hpp"

#include <algorithm>
#include <utility>

#include "report/io/history_rows.hpp"

namespace dagz::report {
namespace {

// From columns: path of the file, whether the id begins with it, the rest.
std::string id_of(const Statement& row, int first_column) {
  std::string id = row.integer(first_column + 1) != 0 ? row.bytes(first_column) : std::string();
  return id.append(row.view(first_column + 2));
}

std::vector<NodeSummary> read_nodes(Database& database, int64_t job) {
  std::vector<NodeSummary> nodes;
  Statement rows(database,
                 "SELECT name, host, ci_url, workers, lost, short FROM nodes WHERE job = ? "
                 "ORDER BY position");
  rows.add(job);
  while (rows.next_row()) {
    nodes.push_back({rows.bytes(0), rows.bytes(1), rows.bytes(2),
                     static_cast<uint32_t>(rows.integer(3)), rows.integer(4) != 0, rows.bytes(5)});
  }
  return nodes;
}

AttemptSummary read_attempt(const Statement& row) {
  AttemptSummary attempt;
  attempt.outcome = static_cast<Outcome>(row.integer(3));
  attempt.node = row.bytes(4);
  attempt.worker = static_cast<uint32_t>(row.integer(5));
  attempt.started_after = {row.integer(6)};
  attempt.duration = {row.integer(7)};
  attempt.cpu_percent = static_cast<uint32_t>(row.integer(8));
  attempt.run = static_cast<uint32_t>(std::max<int64_t>(1, row.integer(9)));
  attempt.message = row.bytes(10);
  attempt.output = row.bytes(11);
  return attempt;
}

void read_results(Database& database, int64_t test, const TestSummary& name,
                  std::vector<std::pair<int64_t, TestRecord>>& records) {
  Statement rows(database,
                 "SELECT j.id, r.attempt, r.verdict, r.outcome, p.name, r.worker, r.started_ns, "
                 "r.duration_ns, r.cpu_percent, r.run, x.message, x.output FROM jobs j "
                 "JOIN results r ON r.job = j.id AND r.test = ?1 "
                 "LEFT JOIN places p ON p.job = j.id AND p.position = r.place "
                 "LEFT JOIN texts x ON x.job = j.id AND x.test = ?1 AND x.attempt = r.attempt "
                 "ORDER BY j.id, r.attempt");
  rows.add(test);
  while (rows.next_row()) {
    if (records.empty() || records.back().first != rows.integer(0)) {
      TestRecord& record = records.emplace_back(rows.integer(0), TestRecord{}).second;
      record.test = name;
      record.test.verdict = static_cast<Verdict>(rows.integer(2));
    }
    if (rows.integer(1) > 0) {
      records.back().second.test.attempts.push_back(read_attempt(rows));
    }
  }
}

}  // namespace

void for_each_test_id(Database& database,
                      const std::function<void(int64_t number, std::string id)>& visit) {
  // What has no name is a file's set-up.
  Statement rows(database,
                 "SELECT f.path, t.prefixed, t.name, t.id FROM tests t JOIN files f ON f.id = "
                 "t.file WHERE length(t.name) > 0");
  while (rows.next_row()) visit(rows.integer(3), id_of(rows, 0));
}

std::vector<std::string> read_test_ids(Database& database, bool of_all_jobs) {
  std::vector<std::string> ids;
  const std::string of_the_newest =
      std::string(
          "SELECT f.path, t.prefixed, t.name FROM results r JOIN tests t ON t.id = "
          "r.test JOIN files f ON f.id = t.file WHERE r.attempt <= 1 AND r.job = "
          "(SELECT id FROM jobs ORDER BY ") +
      kNewestFirst + " LIMIT 1)";
  Statement rows(
      database,
      of_all_jobs
          // What has no name is a file's set-up.
          ? "SELECT f.path, t.prefixed, t.name FROM tests t JOIN files f ON f.id = t.file "
            "WHERE length(t.name) > 0"
          : of_the_newest.c_str());
  while (rows.next_row()) ids.push_back(id_of(rows, 0));
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

std::vector<TestRecord> read_test_records(Database& database, const std::string& id) {
  std::vector<std::pair<int64_t, TestRecord>> records;
  Statement tests(database,
                  "SELECT f.path, t.prefixed, t.name, t.id FROM tests t JOIN files f ON f.id = "
                  "t.file");
  while (tests.next_row()) {
    if (id_of(tests, 0) != id) continue;
    TestSummary name;
    name.id = id;
    name.file = tests.bytes(0);
    read_results(database, tests.integer(3), name, records);
  }
  std::vector<TestRecord> out;
  for (const JobRow& row : read_rows(database, UINT32_MAX)) {
    Statement job(database, "SELECT id FROM jobs WHERE full_id = ?");
    job.add(row.full_id);
    if (!job.next_row()) continue;
    for (auto& [number, record] : records) {
      if (number != job.integer(0)) continue;
      record.job = row;
      record.nodes = read_nodes(database, number);
      out.push_back(std::move(record));
    }
  }
  return out;
}

}  // namespace dagz::report
