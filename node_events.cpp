#include "node.hpp"
#include "report/text.hpp"

// What a node tells of the job to whoever watches it or follows it (--events).

namespace dagz {

// It may hold ids of tests, the command lines of processes that they left and what peers say of
// themselves: to a terminal these must not be orders.
void Node::tell(const std::string& notice) { actions_.notices.push_back(report::visible(notice)); }

report::EventLog::When Node::event_time(Instant now) const {
  const Moment at{now, started_wall_ms_ + (now - started_at_).ms()};
  return {elapsed(at), at.wall_ms};
}

void Node::tell_member(Instant now, const mesh::Member& member, mesh::MemberChange change) {
  if (!config_.events || job_.closed() || end_) return;
  const mesh::Profile& profile = member.profile;
  const auto when = event_time(now);
  if (change == mesh::MemberChange::kDied) {
    events_.node_lost(when, job_, profile.id, profile.control_address);
  } else if (change == mesh::MemberChange::kReturned) {
    events_.node_returned(when, job_, profile.id, profile.control_address);
  }
}

void Node::tell_scheduler(Instant now) {
  if (!config_.events || job_.closed() || end_) return;
  const mesh::Claim& claim = election_.claim();
  const mesh::Member* member = membership_.find(claim.scheduler.node);
  events_.scheduler_changed(event_time(now), job_, claim.scheduler.node,
                            member == nullptr ? std::string() : member->profile.control_address,
                            claim.term);
}

}  // namespace dagz
