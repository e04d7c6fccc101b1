#include <algorithm>
#include <utility>

#include "mesh/mark.hpp"
#include "sched/runs.hpp"
#include "sched/scheduler.hpp"

// What passed in an earlier attempt of the job is left out. Tests that a plug-in puts in order
// depend on one another: of such a chain all run, or none.

namespace dagz::sched {

using report::Test;
using report::TestIndex;

namespace {

struct {
  Mark skipped_late{"scheduler: a test that is granted already passed before"};
} marks;

}  // namespace

// Of another slice than that of a node which has met nobody.
bool Scheduler::is_for_others(const Test& test) const {
  return config_.slice && !has_company_ && !test.collects && !config_.slice->has(test.id);
}

bool Scheduler::is_chained(const Test& test) const {
  return test.group != 0 && is_chain(job_.group(test.group));
}

// Also if somebody has it already: it is given up if it has not begun.
bool Scheduler::is_redundant(const Test& test) const {
  return !test.collects && test.verdict == report::Verdict::kPending &&
         rerun_.has_passed(test.id) && !whole_chains_.contains(test.group) && !is_for_others(test);
}

void Scheduler::rerun_changed() {
  whole_chains_.clear();
  review_all();
}

// Takes those of chains that have to run out of what is left out.
void Scheduler::run_chains_whole() {
  const bool any = std::any_of(redundant_.begin(), redundant_.end(),
                               [this](TestIndex test) { return is_chained(job_.tests()[test]); });
  if (!any) return;
  for (const Test& test : job_.tests()) {
    if (is_chained(test) && !rerun_.has_passed(test.id)) whole_chains_.insert(test.group);
  }
  const std::set<TestIndex> before = redundant_;
  for (const TestIndex test : before) {
    if (whole_chains_.contains(job_.tests()[test].group)) review(test);
  }
}

// What a chain has, and whether a test is in one, is known when the names of all files are.
void Scheduler::skip_redundant(Output& out) {
  if (redundant_.empty()) return;
  const bool known = everything_known();
  if (known) run_chains_whole();
  const auto may_be_chained = [this](const Test& test) {
    const auto file = job_.files().find(test.places.front().file);
    return is_chained(test) || file == job_.files().end() || !file->second.known();
  };
  RedundantRuns skipped(rerun_.attempt_wall_ms());
  std::erase_if(redundant_, [&](TestIndex test) {
    if (!known && may_be_chained(job_.tests()[test])) return false;
    if (!is_open(test)) marks.skipped_late.reach();
    skipped.add(job_.tests()[test].places.front(), estimates_.of(test));
    return true;
  });
  for (report::Redundant& part : skipped.take()) out.entries.emplace_back(std::move(part));
}

}  // namespace dagz::sched
