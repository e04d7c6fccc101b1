#include "report/late_results.hpp"

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

namespace dagz::report {
namespace {

// A test by its file and id; a run of it by the node's id and its number there. Nodes may bear
// other names in another's view of the job.
using Name = std::pair<std::string, std::string>;
using Run = std::tuple<Name, std::string, uint32_t>;

std::set<Run> runs_of(const JobSummary& summary) {
  std::map<std::string, std::string> ids;
  for (const NodeSummary& node : summary.nodes) ids[node.name] = node.id;
  std::set<Run> runs;
  for (const TestSummary& test : summary.tests) {
    for (const AttemptSummary& attempt : test.attempts) {
      runs.emplace(Name(test.file, test.id), ids[attempt.node], attempt.run);
    }
  }
  return runs;
}

}  // namespace

std::size_t late_results(const JobSummary& closed, const JobSummary& here) {
  const std::set<Run> known = runs_of(closed);
  std::set<Name> told;
  for (const TestSummary& test : closed.tests) told.emplace(test.file, test.id);
  const bool is_short = closed.tests.size() < closed.counts.total;
  std::size_t late = 0;
  for (const Run& run : runs_of(here)) {
    const bool may_be_left_out = is_short && !told.contains(std::get<Name>(run));
    if (!known.contains(run) && !may_be_left_out) ++late;
  }
  return late;
}

}  // namespace dagz::report
