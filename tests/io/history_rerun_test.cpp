#include <catch2/catch.hpp>
#include <string>

#include "report/io/history.hpp"
#include "tests/support/summaries.hpp"
#include "tests/support/temporary_directory.hpp"

// What the history keeps of the command that ran a job.

namespace {

using namespace dagz::report;
using dagz::test::mixed_job;

constexpr dagz::WallTime kNow{2'000'000'000'000};

JobSummary called(const char* id) {
  JobSummary summary = mixed_job();
  summary.full_id = id;
  return summary;
}

}  // namespace

TEST_CASE("history: how a job is run again is remembered where it ran, and not exported",
          "[report]") {
  const dagz::test::TemporaryDirectory directory;
  History history(directory.path + "/state");
  const RerunCommand again = {{"python3", "-m", "pytest", "-k", "", "a b"}, "../"};
  REQUIRE_FALSE(history.record(called("known"), kNow, again));
  REQUIRE_FALSE(history.record(called("unknown"), kNow));
  const auto known = history.load("known");
  REQUIRE(known.value);
  CHECK(known.value->again.words == again.words);
  CHECK(known.value->again.to_root == again.to_root);
  CHECK(history.load("unknown").value->again.words.empty());
  const auto records = history.test_records(mixed_job().tests[0].id);
  REQUIRE(records.value.size() == 2);
  CHECK(records.value[1].job.full_id == "known");
  CHECK(records.value[1].job.again.words == again.words);

  std::string text;
  REQUIRE_FALSE(history.export_lines([&text](std::string_view piece) {
    text += piece;
    return true;
  }));
  CHECK(text.find("python3") == std::string::npos);
  History other(directory.path + "/other");
  REQUIRE_FALSE(other.import_texts({{"file", text, "d"}}, kNow).problem);
  CHECK(other.load("known").value->again.words.empty());
}
