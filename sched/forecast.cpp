#include "sched/forecast.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "sched/plan.hpp"

namespace dagz::sched {

using report::TestIndex;

void Forecast::add(const FileCollected& file) {
  const NodeId self{};
  const report::FileKey key = job_.files().size();
  const auto count = static_cast<uint32_t>(file.ids.size());
  job_.apply(self, report::Offered{key});
  for (const LocalGroup& group : file.groups) {
    job_.apply(self, report::Grouped{key, group.name, group.indexes});
  }
  for (const LocalRequirement& one : file.requirements) {
    job_.apply(self, report::Required{key, one.exclusive, one.weight, one.mutex, one.times_usual,
                                      one.indexes});
  }
  job_.apply(self, report::Listed{key, file.path, count, 0, file.ids});
  for (const report::Change& change : job_.take_changes()) {
    estimates_.add(job_.tests()[change.test]);
  }
}

std::string Forecast::name_of(const TestGroup& group, Affinity affinity) const {
  const report::Test& first = job_.tests()[group.tests.front()];
  if (first.group != 0) return job_.group(first.group);
  if (first.mutex != 0) return job_.mutex(first.mutex).name;
  switch (affinity) {
    case Affinity::kModule:
    case Affinity::kFile:
      return job_.path(first.path);
    case Affinity::kClass:
      return class_of(first.id);
    case Affinity::kGroup:
    case Affinity::kNone:
      break;
  }
  return first.id;
}

report::PlanSummary Forecast::plan(Affinity affinity, uint32_t nodes, uint32_t workers_each) const {
  report::PlanSummary summary;
  summary.nodes = nodes;
  std::vector<TestIndex> tests(job_.tests().size());
  std::iota(tests.begin(), tests.end(), 0);
  summary.tests = tests.size();
  summary.files = job_.files().size();
  for (const TestIndex test : tests) {
    if (estimates_.is_known(test)) ++summary.known_tests;
    summary.total += estimates_.of(test);
  }
  const uint32_t workers = nodes * workers_each;
  const std::vector<TestGroup> groups =
      split_groups(group_tests(job_, estimates_, affinity, tests), workers, estimates_);
  std::vector<PlanGroup> planned;
  for (const TestGroup& group : groups) {
    planned.push_back({work_of(job_, estimates_, group, workers_each), group.tests.front()});
  }
  const Plan plan = make_plan(planned, std::vector<PlanNode>(nodes, PlanNode{workers_each, {}}));

  summary.makespan = plan.makespan;
  Duration work;
  for (const PlanGroup& group : planned) work += group.expected;
  summary.lower_bound = work / workers;
  for (uint32_t number = 0; number < workers; ++number) {
    summary.workers.push_back({number, number / workers_each, {}, {}});
  }
  std::vector<uint32_t> order(groups.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&planned](uint32_t a, uint32_t b) {
    return std::tuple(-planned[a].expected.ns, planned[a].order) <
           std::tuple(-planned[b].expected.ns, planned[b].order);
  });
  for (const uint32_t index : order) {
    const TestGroup& group = groups[index];
    report::PlannedWorker& worker =
        summary.workers[plan.node_of_group[index] * workers_each + plan.worker_of_group[index]];
    report::PlannedGroup& one = worker.groups.emplace_back();
    one.name = name_of(group, affinity);
    one.part = group.part;
    one.parts = group.parts;
    one.expected = group.expected;
    Duration longest;
    for (const TestIndex test : group.tests) {
      one.tests.push_back(job_.tests()[test].id);
      longest = std::max(longest, estimates_.of(test));
    }
    worker.expected += planned[index].expected;
    summary.lower_bound = std::max(summary.lower_bound, group.named ? group.expected : longest);
  }
  return summary;
}

}  // namespace dagz::sched
