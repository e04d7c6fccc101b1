#include <algorithm>

#include "mesh/check.hpp"
#include "mesh/mark.hpp"
#include "mesh/planted.hpp"
#include "node.hpp"

// How a node's part in the job ends: by the closing entry, whose report it makes, or because it was
// interrupted and leaves the rest to the others. Either way it stays until the others need it no
// more.

namespace dagz {

using report::Entry;

namespace {

struct {
  Mark left{"work: a node leaves before the end"};
  Mark unheard{"work: a node leaves though nobody is known to hold its log"};
  Mark incomplete{"work: a node ends without all of the closed job's logs"};
  Mark forsaken{"work: an archivist is left alone with a job that nobody has closed"};
  Mark found{"work: the report that others have left is the end of a node"};
  Mark outlived_tests{"work: a node has found the report of others, and its tests still run"};
  Mark folded_anew{"work: a node has more entries than the closing one names"};
} marks;

// A cancelled CI step stops all its nodes, but not in the same instant.
constexpr Duration kFarewell = Duration::milliseconds(500);
// Whoever leaves stays for this much longer if nobody says that it holds all this node has written.
constexpr Duration kHandOver = Duration::seconds(2);
constexpr Duration kHandOverAgain = Duration::milliseconds(100);
constexpr std::size_t kHeirs = 3;
// Whoever closed a job and is killed right then is known to be gone within this.
constexpr Duration kLastLook = Duration::milliseconds(250);
// Somebody was to be heard of where an archivist has joined.
constexpr Duration kMeetsWithin = Duration::seconds(10);
// Whoever lacks something asks more often than that.
constexpr Duration kLastQuestion = Duration::milliseconds(1500);
// A directory on a network file system shows what others have left after a while.
constexpr Duration kSeekAgain = Duration::seconds(1);

}  // namespace

bool Node::everybody_departs() const {
  for (const auto& [id, member] : membership_.members()) {
    if (mesh::works(member) && !departed_.contains(id)) return false;
  }
  return true;
}

// An archivist keeps nothing open for those who may come: they begin a job of their own.
bool Node::is_forsaken(Moment at) const {
  if (config_.role != mesh::Role::kArchivist || membership_.working_count() > 0) return false;
  const auto& members = membership_.members();
  const bool met_anybody = std::any_of(members.begin(), members.end(), [](const auto& one) {
    return one.second.profile.role == mesh::Role::kVassal;
  });
  return met_anybody || at.now >= started_at_ + kMeetsWithin;
}

// Whoever leaves does not linger, so nobody would tell the rest of a closing.
bool Node::schedules_no_more() const { return takes_leave_ || has_departed() || found_; }

// One of several nodes, and the job goes on as far as it knows.
bool Node::may_miss_the_end() const {
  const bool goes_on = !end_ && !found_ && job_.named();
  return config_.report_may_be_left && goes_on && job_.nodes().size() > 1;
}

bool Node::is_out_of_touch() const {
  return may_miss_the_end() && (stood_still_ || membership_.working_count() == 1);
}

bool Node::is_handed_over() const {
  return !ledger_.has_pending() && own_log_held_ >= ledger_.length(self_.id);
}

// A node that was interrupted leaves when its last test has ended, or was ended, and somebody who
// stays holds all that it wrote. Before, it watches for a moment whether all the others go as well,
// for then the job ends with a report.
bool Node::has_left(Moment at) {
  if (!departing_) return false;
  const bool held = is_handed_over();
  if (!held) hand_over(at.now);
  if (at.now >= depart_by_) return true;
  if (!vassal_.is_drained()) return false;
  if (!drained_at_) drained_at_ = at.now;
  takes_leave_ = at.now >= *drained_at_ + kFarewell && !everybody_departs();
  if (!takes_leave_) return false;
  if (!held && at.now < *drained_at_ + kFarewell + kHandOver) return false;
  if (!held) marks.unheard.reach();
  return true;
}

// The grace of a node that was interrupted is over.
void Node::end_tests(Moment at) {
  end_tests_at_ = Instant::never();
  sched::Vassal::Output out;
  vassal_.drain(out, true);
  perform(at, std::move(out));
}

// Asks a few who stay what they hold; they ask for the rest.
void Node::hand_over(Instant now) {
  if (now < next_hand_over_at_) return;
  next_hand_over_at_ = now + kHandOverAgain;
  std::size_t asked = 0;
  for (const NodeId& id : links_.connected()) {
    if (departed_.contains(id)) continue;
    send(now, id, mesh::LogDigest{false, ledger_.positions()});
    if (++asked == kHeirs) break;
  }
}

// What a member says that it holds of all logs. Whoever inherits this node's must also have those
// of the nodes that are gone already, as this one may be the last to hold them.
void Node::heard_holdings(const NodeId& from, const std::vector<mesh::LogPosition>& positions) {
  if (departed_.contains(from)) return;
  std::map<NodeId, uint64_t> theirs;
  for (const mesh::LogPosition& position : positions) theirs[position.origin] = position.length;
  for (const mesh::LogPosition& own : ledger_.positions()) {
    const mesh::Member* author = membership_.find(own.origin);
    const bool gone =
        departed_.contains(own.origin) || author == nullptr || !mesh::takes_part(author->state);
    if (own.origin != self_.id && gone && theirs[own.origin] < own.length) return;
  }
  own_log_held_ = std::max(own_log_held_, theirs[self_.id]);
}

// True if the closing entry is all that came after what it names.
bool Node::holds_exactly(const report::Closed& closed) const {
  std::map<NodeId, uint64_t> lengths;
  for (const mesh::LogPosition& position : closed.positions) {
    lengths[position.origin] = position.length;
  }
  ++lengths[job_.closed_by()];
  return lengths == folded_lengths_;
}

report::JobState Node::fold_anew(const report::Closed& closed, const NodeId& closed_by) const {
  report::JobState state;
  ledger_.read(closed.positions, [&](const NodeId& origin, const Buffer& bytes) {
    Entry entry;
    if (decode(bytes, entry)) state.apply(origin, entry);
  });
  state.apply(closed_by, closed);
  return state;
}

NodeEnd Node::end_with(const report::JobState& state) const {
  NodeEnd end;
  end.closed_by = state.closed_by();
  end.closed = *state.closed();
  end.reason = end.closed.reason;
  end.summary = state.summary();
  // This node's own reason, else the same one on all nodes.
  const report::NodeState* unable = nullptr;
  for (const report::NodeState& node : state.nodes()) {
    if (!node.unable) continue;
    const bool own = unable != nullptr && unable->id == self_.id;
    if (unable == nullptr || node.id == self_.id || (!own && node.id < unable->id)) unable = &node;
  }
  if (unable != nullptr) {
    end.unable_code = unable->unable->exit_code;
    end.unable_text = unable->unable->reason;
  }
  return end;
}

// Nobody is there any more who could close the job: it ends with what is known here, as far as the
// scheduler has named it.
std::optional<NodeEnd> Node::end_with_what_is_known(Moment at, const std::string& detail) const {
  const mesh::Claim& claim = election_.claim();
  if (!job_.named() || !claim.exists()) return std::nullopt;
  report::Closed closed;
  closed.claim = claim;
  closed.reason = report::CloseReason::kInterrupted;
  closed.detail = detail;
  closed.duration = elapsed(at);
  closed.lost = lost_nodes();
  closed.positions = ledger_.positions();
  return end_with(fold_anew(closed, claim.scheduler.node));
}

// As soon as it wakes, before it hears its workers: they would be given more to run.
bool Node::seeks_report(Instant now) const {
  if (now < seeks_again_at_) return false;
  const bool wakes =
      expected_at_ < Instant::never() && now >= expected_at_ + config_.mesh.stall_long;
  return is_out_of_touch() || (wakes && may_miss_the_end());
}

void Node::sought_report(Moment at, std::optional<report::JobSummary> found) {
  seeks_again_at_ = at.now + kSeekAgain;
  stood_still_ = false;
  const bool ours = found && job_.named() && found->full_id == job_.named()->full_id;
  if (!ours || end_ || found_) return;
  marks.found.reach();
  if (vassal_.running() > 0) marks.outlived_tests.reach();
  found_ = std::move(found);
  end_tests_at_ = std::min(end_tests_at_, at.now + config_.grace);
  end_found_by_ =
      at.now + config_.grace + config_.vassal.tear_down_within + config_.scheduler.end_within;
  sched::Vassal::Output out;
  vassal_.drain(out);
  perform(at, std::move(out));
}

// With what others have made of the job, whatever this node knows besides.
void Node::end_found(Moment at) {
  if (!vassal_.is_drained() && at.now < std::min(end_found_by_, depart_by_)) return;
  end_tests_at_ = depart_by_ = end_found_by_ = Instant::never();
  end_ = NodeEnd{};
  end_->kind = NodeEnd::Kind::kFound;
  end_->summary = std::move(*found_);
  const bool whole = end_->summary.counts.unfinished == 0;
  end_->reason = whole ? report::CloseReason::kComplete : report::CloseReason::kStopped;
  if (config_.events) events_.closed({elapsed(at), at.wall_ms}, end_->summary, end_->reason);
  ended_at_ = at.now;
}

// The report is made from exactly what the closing entry names, so that no node's report has more
// in it than another's.
void Node::finish(Moment at) {
  if (end_) return;
  if (at.now >= end_tests_at_) end_tests(at);
  if (found_) return end_found(at);
  if (!job_.closed()) {
    if (is_forsaken(at)) return end_forsaken(at);
    if (!has_left(at)) return;
    end_tests_at_ = depart_by_ = Instant::never();
    while (const mesh::LogBatch* batch = ledger_.flush()) to_forward_.push_back(*batch);
    flush_now_ = true;
    publish_logs(at);
    ended_at_ = at.now;
    // Everybody is told to go, and this node may wait for nobody.
    if (cut_short_ && everybody_departs() &&
        (end_ = end_with_what_is_known(at,
                                       "interrupted twice: this is what this node knew by then"))) {
      if (config_.events) events_.closed({elapsed(at), at.wall_ms}, end_->summary, end_->reason);
      return;
    }
    end_ = NodeEnd{};
    end_->kind = NodeEnd::Kind::kDeparted;
    marks.left.reach();
    end_->summary = job_.summary();
    return;
  }
  const report::Closed closed = *job_.closed();
  if (!closed_seen_at_) closed_seen_at_ = at.now;
  if (!ledger_.covers(closed.positions)) {
    if (at.now < std::min(*closed_seen_at_ + config_.grace, depart_by_)) return;
    marks.incomplete.reach();
    tell(
        "a part of the job's logs is gone with its nodes: this report may "
        "differ from that of others");
  }
  if (holds_exactly(closed)) {
    end_ = end_with(job_);
  } else {
    marks.folded_anew.reach();
    end_ = end_with(fold_anew(closed, job_.closed_by()));
  }
  end_tests_at_ = depart_by_ = Instant::never();
  if (config_.events) events_.closed({elapsed(at), at.wall_ms}, end_->summary, end_->reason);
  ended_at_ = at.now;
  publish_logs(at);
  const mesh::StateDigest digest{membership_.digest(), ledger_.digest()};
  for (const NodeId& id : links_.connected()) send(at.now, id, digest);
}

void Node::end_forsaken(Moment at) {
  marks.forsaken.reach();
  ended_at_ = at.now;
  end_ = end_with_what_is_known(at, "all nodes were lost or left, and nobody closed the job")
             .value_or(NodeEnd{});
  end_->kind = NodeEnd::Kind::kForsaken;
}

bool Node::may_exit(Instant now) const {
  if (!end_) return false;
  if (is_planted(Planted::kLeavesUnheard)) return true;
  if (now < *ended_at_ + config_.linger * 2 && somebody_lacks(now)) return false;
  if (now >= *ended_at_ + config_.linger) return true;
  if (has_departed()) return now >= *ended_at_ + Duration::milliseconds(50);
  // Whoever closed the job stays until the others have left or are lost; whoever passes on words
  // between others, until only the one who closed it is left. The rest are free once all have the
  // logs, or the one who closed it has been there for a moment longer and so will tell them.
  const bool closed_here = job_.closed_by() == self_.id;
  if (closed_here || relays_) return membership_.live_count() <= (closed_here ? 1 : 2);
  const mesh::Member* closer = membership_.find(job_.closed_by());
  const bool is_lost = closer != nullptr && closer->state != mesh::MemberState::kAlive &&
                       closer->state != mesh::MemberState::kLeft;
  return others_hold_all() || (!is_lost && now >= *ended_at_ + kLastLook);
}

// But for the one who closed the job. In a large mesh that means those that this node has links to.
bool Node::others_hold_all() const {
  const std::vector<NodeId>& linked = links_.connected();
  const bool small = membership_.live_count() <= config_.mesh.full_mesh_max;
  const auto& members = membership_.members();
  const uint64_t all = ledger_.digest();
  return std::all_of(members.begin(), members.end(), [&](const auto& one) {
    const auto& [id, member] = one;
    if (id == self_.id || id == job_.closed_by() || !mesh::takes_part(member.state)) return true;
    if (member.shut_out) return true;
    const auto logs = logs_of_.find(id);
    if (logs != logs_of_.end() && logs->second == all) return true;
    return !small && std::find(linked.begin(), linked.end(), id) == linked.end();
  });
}

// Who was lost may be here again in the last moment, and asks for logs.
bool Node::somebody_lacks(Instant now) const {
  return std::any_of(lacking_.begin(), lacking_.end(), [&](const auto& asked) {
    const mesh::Member* member = membership_.find(asked.first);
    if (member == nullptr || member->state == mesh::MemberState::kLeft) return false;
    const bool still = asked.second >= *ended_at_ || member->state == mesh::MemberState::kDead;
    return still && now < asked.second + kLastQuestion;
  });
}

// The others learn at once that this node takes no more; when all of them say so, the job is over.
void Node::interrupt(Moment at) {
  CHECK(config_.role == mesh::Role::kVassal);
  if (end_) return;
  if (departing_) {
    cut_short_ = true;
    depart_by_ = at.now;
    return;
  }
  departing_ = true;
  end_tests_at_ = at.now + config_.grace;
  depart_by_ = end_tests_at_ + config_.scheduler.end_within;
  write(report::Departed{"interrupted"});
  flush_now_ = true;
  sched::Vassal::Output out;
  vassal_.leave(out);
  perform(at, std::move(out));
}

}  // namespace dagz
