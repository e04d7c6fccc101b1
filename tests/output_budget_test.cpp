#include "sched/output_budget.hpp"

#include <catch2/catch.hpp>

#include "report/entry.hpp"

using dagz::sched::OutputBudget;

TEST_CASE("output budget: output is kept in full until there is much of it, then head and tail",
          "[sched]") {
  OutputBudget budget;
  const std::string text = "begin" + std::string(60'000, '.') + "end";
  uint64_t written = 0;
  const uint64_t in_full = OutputBudget::kBytes / text.size();
  for (uint64_t i = 0; i < 4'000; ++i) {
    const std::string kept = budget.take(text);
    written += kept.size();
    if (i < in_full) {
      CHECK(kept == text);
    } else {
      CHECK((kept.starts_with("begin.") && kept.ends_with(".end")));
      CHECK(kept.size() < OutputBudget::kHead + OutputBudget::kTail + 100);
    }
  }
  CHECK(written < OutputBudget::kBytes * 2 + 1'000);
  CHECK(budget.take("short") == "short");
}

TEST_CASE("output budget: nothing is longer than a log takes", "[sched]") {
  OutputBudget budget;
  const std::string flood(dagz::report::kOutputMax + 1, 'x');
  CHECK(budget.take(flood).size() == dagz::report::kOutputMax);
}

TEST_CASE("output budget: what tests record is bounded, each for itself and all together",
          "[sched]") {
  using namespace dagz::report;
  OutputBudget budget;
  Properties large;
  for (std::size_t i = 0; i <= kPropertiesMax; ++i) {
    large.push_back(
        {std::string(kPropertyNameMax + 1, 'n'), std::string(kPropertyValueMax + 1, 'v')});
  }
  const std::size_t each = kPropertiesMax * (kPropertyNameMax + kPropertyValueMax);
  for (std::size_t taken = 0; taken < OutputBudget::kPropertyBytes; taken += each) {
    const Properties kept = budget.take(large);
    REQUIRE(kept.size() == kPropertiesMax);
    CHECK(kept.begin()->name.size() == kPropertyNameMax);
    CHECK(kept.begin()->value.size() == kPropertyValueMax);
  }
  CHECK(budget.take(large).empty());
  const Properties small{{"name", "value"},
                         {"next", std::string(OutputBudget::kPropertyHead, 'v')}};
  CHECK(budget.take(small) == Properties{{"name", "value"}});
}
