#include "report/failures.hpp"

#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "report/progress.hpp"
#include "report/text.hpp"

namespace dagz::report {
namespace {

constexpr std::size_t kWidth = 80;

// pytest's separator: the title centred in a line of `fill`, 80 columns where it fits.
std::string separator(char fill, std::string_view title) {
  const std::size_t text = title.size() + 2;
  const std::size_t side = text + 2 < kWidth ? (kWidth - text) / 2 : 1;
  std::string line =
      fmt::format("{} {} {}", std::string(side, fill), title, std::string(side, fill));
  if (line.size() + 1 <= kWidth) line.push_back(fill);
  return line + "\n";
}

std::string block(std::string_view text) {
  std::string shown = visible_lines(head_and_tail(text, kFailureOutputMax));
  while (!shown.empty() && shown.back() == '\n') shown.pop_back();
  return shown.empty() ? shown : shown + "\n";
}

std::string format_test(const TestSummary& test, const KnownFlaky& flaky) {
  std::string text = separator('_', visible(test.id));
  const AttemptSummary* attempt = shown_attempt(test);
  if (attempt == nullptr) return text;
  const TryNumber tried =
      try_number(test, static_cast<std::size_t>(attempt - test.attempts.data()));
  text += fmt::format("{} on worker #{} of {}, attempt {} of {}, {}\n", to_string(test.verdict),
                      attempt->worker, visible(attempt->node), tried.number, tried.count,
                      format_seconds(attempt->duration, 2));
  if (const auto known = flaky.find(test.id); known != flaky.end()) {
    text += "known to be " + format_flakiness(known->second) + "\n";
  }
  return text + block(attempt->output.empty() ? attempt->message : attempt->output);
}

}  // namespace

std::string format_failures(const JobSummary& summary, const KnownFlaky& flaky) {
  std::string text;
  if (!summary.collection_errors.empty()) text += separator('=', "ERRORS");
  for (const CollectionErrorSummary& error : summary.collection_errors) {
    text += separator('_', "ERROR collecting " + visible(error.path)) + block(error.text);
  }

  std::size_t failed = 0;
  for (const TestSummary& test : summary.tests) {
    if (!is_failure(test.verdict)) continue;
    if (failed == 0) text += separator('=', "FAILURES");
    if (++failed <= kFailuresShownMax) text += format_test(test, flaky);
  }
  if (failed > kFailuresShownMax) {
    text += fmt::format("... and {}: `dagz report --format junit` has them all\n",
                        counted(failed - kFailuresShownMax, "more failing test"));
  }
  return text;
}

}  // namespace dagz::report
