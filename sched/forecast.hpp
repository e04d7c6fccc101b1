#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/job_state.hpp"
#include "report/plan_report.hpp"
#include "sched/estimate.hpp"
#include "sched/groups.hpp"
#include "sched/runner.hpp"

// The plan of a job that is not run: what the scheduler would hand out if all nodes had collected
// the same and were ready at once. Later it changes, as workers steal from one another.

namespace dagz::sched {

class Forecast {
 public:
  explicit Forecast(const std::vector<KnownDuration>& history) : estimates_(history) {}

  // All files of the collection, each once.
  void add(const FileCollected& file);
  // `uncollected` stays empty. Nodes and workers are at least 1.
  report::PlanSummary plan(Affinity affinity, uint32_t nodes, uint32_t workers_each) const;

 private:
  std::string name_of(const TestGroup& group, Affinity affinity) const;

  report::JobState job_;
  Estimates estimates_;
};

}  // namespace dagz::sched
