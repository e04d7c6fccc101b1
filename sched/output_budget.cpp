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

report::Properties OutputBudget::take(report::Properties properties) {
  const bool spent = properties_taken_ >= kPropertyBytes;
  std::size_t size = 0;
  report::Properties kept;
  for (report::Property& one : properties) {
    if (one.name.size() > report::kPropertyNameMax) one.name.resize(report::kPropertyNameMax);
    if (one.value.size() > report::kPropertyValueMax) one.value.resize(report::kPropertyValueMax);
    size += one.name.size() + one.value.size();
    if (kept.size() == report::kPropertiesMax || (spent && size > kPropertyHead)) break;
    properties_taken_ += one.name.size() + one.value.size();
    kept.push_back(std::move(one));
  }
  return kept;
}

}  // namespace dagz::sched
