#include "report/io/history_flakiness.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "report/io/history_rows.hpp"
#include "report/io/history_tests.hpp"

namespace dagz::report {
namespace {

struct NumberedJob {
  int64_t number = 0;
  JobRow row;
};

std::vector<NumberedJob> numbered_jobs(Database& database) {
  std::vector<NumberedJob> jobs;
  Statement find(database, "SELECT id FROM jobs WHERE full_id = ?");
  for (JobRow& row : read_rows(database, UINT32_MAX)) {
    find.add(row.full_id);
    if (find.next_row()) jobs.push_back({find.integer(0), std::move(row)});
    find.reset();
  }
  return jobs;
}

// One id may have several numbers: a test that has moved keeps its name.
using Numbers = std::map<std::string, std::vector<int64_t>>;

KnownFlaky count_jobs(Database& database, const std::vector<NumberedJob>& jobs,
                      const Numbers& numbers) {
  KnownFlaky known;
  // Tests without an attempt have one row, attempt 0; of all others the first says the verdict.
  Statement verdict(database,
                    "SELECT verdict FROM results WHERE job = ? AND test = ? AND attempt <= 1");
  for (const auto& [id, tests] : numbers) {
    Flakiness one;
    one.id = id;
    for (const NumberedJob& job : jobs) {
      for (const int64_t test : tests) {
        verdict.add(job.number).add(test);
        const bool has_it = verdict.next_row();
        if (has_it) count_job(one, job.row, static_cast<Verdict>(verdict.integer(0)));
        verdict.reset();
        if (has_it) break;
      }
    }
    if (one.flaky > 0) known.emplace(id, std::move(one));
  }
  return known;
}

}  // namespace

FlakyTests read_flaky_tests(Database& database) {
  FlakyTests found;
  const std::vector<NumberedJob> jobs = numbered_jobs(database);
  std::set<int64_t> tests;
  Statement flaky(database,
                  "SELECT test FROM results WHERE job = ? AND attempt = 1 AND verdict = ?");
  for (const NumberedJob& job : jobs) {
    if (most_failed(job.row.counts)) {
      ++found.left_out;
      continue;
    }
    ++found.jobs;
    if (job.row.counts.flaky == 0) continue;
    flaky.add(job.number).add(static_cast<int64_t>(Verdict::kOkFlaky));
    while (flaky.next_row()) tests.insert(flaky.integer(0));
    flaky.reset();
  }
  std::vector<std::string> ids;
  for_each_test_id(database, [&](int64_t number, std::string id) {
    if (tests.contains(number)) ids.push_back(std::move(id));
  });
  for (auto& [id, one] : read_flakiness(database, ids)) found.tests.push_back(std::move(one));
  sort_flakiest(found.tests);
  return found;
}

KnownFlaky read_flakiness(Database& database, const std::vector<std::string>& ids) {
  const std::set<std::string> wanted(ids.begin(), ids.end());
  Numbers numbers;
  for_each_test_id(database, [&](int64_t number, std::string id) {
    if (wanted.contains(id)) numbers[std::move(id)].push_back(number);
  });
  return count_jobs(database, numbered_jobs(database), numbers);
}

}  // namespace dagz::report
