#include "report/flakiness.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "report/calendar.hpp"
#include "report/json_values.hpp"
#include "report/text.hpp"

namespace dagz::report {
namespace {

std::string percent(const Flakiness& test) {
  const uint32_t permille = test.flaky_permille();
  return fmt::format("{}.{} %", permille / 10, permille % 10);
}

std::string jobs_line(const FlakyTests& flaky) {
  std::string line = "over " + counted(flaky.jobs, "job");
  if (flaky.left_out > 0) {
    line += fmt::format("; {} in which most tests failed {} left out", flaky.left_out,
                        flaky.left_out == 1 ? "is" : "are");
  }
  return line + "\n";
}

}  // namespace

bool most_failed(const Counts& counts) {
  const uint64_t failed = counts.failed + counts.errors;
  return failed > counts.passed + counts.flaky;
}

bool has_run(Verdict verdict) {
  switch (bucket_of(verdict)) {
    case Bucket::kPassed:
    case Bucket::kFailed:
    case Bucket::kFlaky:
    case Bucket::kErrors:
      return true;
    case Bucket::kSkipped:
      return verdict == Verdict::kXfail;
    case Bucket::kRedundant:
    case Bucket::kUnfinished:
      break;
  }
  return false;
}

void count_job(Flakiness& test, const JobRow& job, Verdict verdict) {
  if (job.status == JobStatus::kRunning || !has_run(verdict) || most_failed(job.counts)) return;
  ++test.jobs;
  if (is_failure(verdict)) ++test.failed;
  if (verdict != Verdict::kOkFlaky) return;
  ++test.flaky;
  if (!test.last_flaky_job.empty() && job.started.ms < test.last_flaky.ms) return;
  test.last_flaky = job.started;
  test.last_flaky_job = job.short_id;
}

Flakiness flakiness_of(const TestLogs& logs) {
  Flakiness test;
  test.id = logs.shown.test.id;
  count_job(test, logs.shown.job, logs.shown.test.verdict);
  for (const TestRecord& record : logs.earlier) count_job(test, record.job, record.test.verdict);
  return test;
}

void sort_flakiest(std::vector<Flakiness>& tests) {
  std::sort(tests.begin(), tests.end(), [](const Flakiness& a, const Flakiness& b) {
    // a.flaky / a.jobs against b.flaky / b.jobs
    const uint64_t one = uint64_t{a.flaky} * b.jobs;
    const uint64_t other = uint64_t{b.flaky} * a.jobs;
    return std::tie(other, b.flaky, a.id) < std::tie(one, a.flaky, b.id);
  });
}

std::string format_flakiness(const Flakiness& test) {
  if (test.flaky == 0) return {};
  return fmt::format("flaky in {} of its last {} ({}), last in {}", test.flaky,
                     counted(test.jobs, "job"), percent(test), visible(test.last_flaky_job));
}

std::string format_flaky_tests(const FlakyTests& flaky) {
  if (flaky.tests.empty()) return "no test was flaky " + jobs_line(flaky);
  std::string text = fmt::format("{:>8}  {:>5}  {:>6}  {:>4}  {:<10}  {}\n", "RATE", "FLAKY",
                                 "FAILED", "JOBS", "LAST", "TEST");
  const std::size_t shown = std::min(flaky.tests.size(), kFlakyRowsMax);
  for (std::size_t i = 0; i < shown; ++i) {
    const Flakiness& test = flaky.tests[i];
    text += fmt::format("{:>8}  {:>5}  {:>6}  {:>4}  {:<10}  {}\n", percent(test), test.flaky,
                        test.failed, test.jobs, visible(test.last_flaky_job), visible(test.id));
  }
  if (flaky.tests.size() > shown) {
    text += fmt::format("… and {} more: --format json has them all\n", flaky.tests.size() - shown);
  }
  return text + jobs_line(flaky);
}

std::string format_flaky_tests_json(const FlakyTests& flaky) {
  Json tests = Json::array();
  for (const Flakiness& test : flaky.tests) {
    tests.push_back({{"test", json_text(test.id)},
                     {"flaky", test.flaky},
                     {"failed", test.failed},
                     {"jobs", test.jobs},
                     {"flaky_rate", test.flaky_permille() / 1000.0},
                     {"last_flaky", format_timestamp(test.last_flaky) + "Z"},
                     {"last_flaky_job", json_text(test.last_flaky_job)}});
  }
  return json_line({{"schema", 1},
                    {"tool", "dagz"},
                    {"jobs", flaky.jobs},
                    {"jobs_left_out", flaky.left_out},
                    {"tests", std::move(tests)}}) +
         "\n";
}

}  // namespace dagz::report
