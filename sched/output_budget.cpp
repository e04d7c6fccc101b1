#include "sched/output_budget.hpp"

#include "report/entry.hpp"
#include "sched/bounded_output.hpp"

namespace dagz::sched {

std::string OutputBudget::take(const std::string& output) {
  std::string kept = output.substr(0, report::kOutputMax);
  if (taken_ + kept.size() > kBytes) {
    BoundedOutput bounded(kHead, kTail);
    bounded.append(output);
    return bounded.text();
  }
  taken_ += kept.size();
  return kept;
}

}  // namespace dagz::sched
