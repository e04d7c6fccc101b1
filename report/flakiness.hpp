#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "report/summary.hpp"
#include "report/test_logs.hpp"
#include "report/verdict.hpp"

// How flaky tests are, over the jobs that a history remembers. A test is flaky in a job if it
// failed and passed in it. A job in which most tests failed tells of its surroundings, not of its
// tests: it is left out.

namespace dagz::report {

struct Flakiness {
  std::string id;
  uint32_t jobs = 0;  // that it ran in
  uint32_t flaky = 0;
  uint32_t failed = 0;
  WallTime last_flaky;         // the start of that job
  std::string last_flaky_job;  // its short id; empty: it never was

  // Of the jobs that it ran in.
  uint32_t flaky_permille() const { return jobs == 0 ? 0 : flaky * 1000 / jobs; }
};

// More than half of the tests that ran.
bool most_failed(const Counts& counts);
// False of what was skipped, redundant or not run.
bool has_run(Verdict verdict);

// Adds what the test came to in one job; jobs may come in any order.
void count_job(Flakiness& test, const JobRow& job, Verdict verdict);
// Over what is remembered of one test. A job that is not over is left out.
Flakiness flakiness_of(const TestLogs& logs);

// By falling flaky rate, then by how often, then by id.
void sort_flakiest(std::vector<Flakiness>& tests);

// "flaky in 3 of its last 20 jobs (15.0 %), last in j0517.50"; empty if it never was.
std::string format_flakiness(const Flakiness& test);

struct FlakyTests {
  std::vector<Flakiness> tests;  // that were flaky at least once, the flakiest first
  uint32_t jobs = 0;             // that were looked at
  uint32_t left_out = 0;         // others, in which most tests failed
};

// So many rows of the table; a line says how many more there are.
inline constexpr std::size_t kFlakyRowsMax = 50;
std::string format_flaky_tests(const FlakyTests& flaky);
// All of them.
std::string format_flaky_tests_json(const FlakyTests& flaky);

// By id.
using KnownFlaky = std::map<std::string, Flakiness>;

}  // namespace dagz::report
