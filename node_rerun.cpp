#include <set>
#include <utility>

#include "mesh/planted.hpp"
#include "node.hpp"
#include "sched/runs.hpp"

// The part of a node that knows what passed in an earlier attempt of the job: it tells others, and
// leaves out what it collects itself. All else is the scheduler's affair.

namespace dagz {

// Its tests are granted by the word that they are there, so this must come before.
void Node::skip_passed(report::FileKey key, const std::vector<std::string>& ids) {
  if (rerun_.is_empty() || is_planted(Planted::kRunsThePassed)) return;
  sched::RedundantRuns skipped(rerun_.attempt_wall_ms());
  for (uint32_t i = 0; i < ids.size(); ++i) {
    if (rerun_.has_passed(ids[i])) skipped.add({key, i}, estimates_.of_id(ids[i]));
  }
  for (report::Redundant& part : skipped.take()) write(std::move(part));
}

void Node::tell_earlier_attempt() {
  if (!rerun_.may_have_to_tell() || end_ || departing_) return;
  std::set<NodeId> live;
  for (const auto& [id, member] : membership_.members()) {
    if (mesh::works(member) && !departed_.contains(id)) live.insert(id);
  }
  for (report::PassedBefore& part : rerun_.tell(self_.id, live)) {
    write(std::move(part));
    flush_now_ = true;
  }
}

void Node::rerun_changed(const report::Entry& entry) {
  scheduler_.rerun_changed();
  const auto* remembered = std::get_if<report::Remembered>(&entry);
  if (remembered == nullptr || rerun_.from_others() == nullptr) return;
  const std::string which =
      "another node remembers " + remembered->short_id + ", an earlier attempt of this job: ";
  tell(which +
       (remembered->passed == 0 ? "all tests run again" : sched::left_out(remembered->passed)));
}

}  // namespace dagz
