#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/job_table.hpp"
#include "report/summary.hpp"

// One test in full: its attempts, what they wrote, and how it did in earlier jobs. What
// `dagz logs` and the dashboard show, and what goes into an agent's context.

namespace dagz::report {

// A test as one job had it.
struct TestRecord {
  JobRow job;
  std::vector<NodeSummary> nodes;
  TestSummary test;
};

struct TestLogs {
  TestRecord shown;
  std::vector<std::string> spans;    // of its attempts; empty where it cannot be known
  std::optional<std::size_t> asked;  // the attempt whose span was asked for
  std::vector<TestRecord> earlier;   // newest first
};

TestRecord record_of(const JobSummary& summary, const TestSummary& test);

// 16 hex digits: the first 8 bytes of BLAKE2b-64.
using SpanHasher = std::function<std::string(std::string_view)>;
bool is_span_id(std::string_view text);
// What DAGZ_SPAN was in each attempt, as the driver computes it.
std::vector<std::string> span_ids(const std::vector<NodeSummary>& nodes, const TestSummary& test,
                                  const SpanHasher& hash);

// Which of these tests is meant by an id or a part of one: an equal id comes first, then the only
// one that ends like this, then the only one that has it. Else up to `kCandidatesMax` of those that
// could be meant.
inline constexpr std::size_t kCandidatesMax = 10;
struct TestMatch {
  std::string id;  // empty: none or several
  std::vector<std::string> candidates;
  std::size_t matches = 0;  // how many there are
};
TestMatch match_test(const std::vector<std::string>& ids, std::string_view part);

// As text, for people.
std::string format_test_logs(const TestLogs& logs);
// The same as JSON.
std::string format_test_logs_json(const TestLogs& logs);

// The agent's context: files by name.
struct BundleFile {
  std::string name;
  std::string content;
};
std::vector<BundleFile> format_bundle(const TestLogs& logs);
// The same in one file of Markdown, which holds everything by itself.
std::string format_context(const TestLogs& logs);

}  // namespace dagz::report
