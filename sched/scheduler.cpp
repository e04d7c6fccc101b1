#include "sched/scheduler.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "mesh/check.hpp"
#include "mesh/mark.hpp"
#include "mesh/planted.hpp"
#include "sched/message.hpp"
#include "sched/runs.hpp"

namespace dagz::sched {

using report::Change;
using report::kNone;
using report::NodeIndex;
using report::TestIndex;
using report::Verdict;

namespace {

struct {
  Mark shared_out_again{"scheduler: what a lost node held is open again"};
  Mark stolen{"scheduler: a victim gives up work"};
  Mark nothing_given{"scheduler: a victim has nothing to give"};
  Mark recall_expired{"scheduler: a recall is not answered in time"};
  Mark limited{"scheduler: the limit of failures is reached"};
  Mark drained_late{"scheduler: closes without the last word of all"};
  Mark reopened{"scheduler: work comes while everything is torn down"};
} marks;

constexpr Duration kNamesAskedEvery = Duration::milliseconds(200);

bool is_restricted(const report::Test& test) {
  return test.exclusive || test.weight > 1 || test.mutex != 0 || test.group != 0;
}

}  // namespace

// ---- books ------------------------------------------------------------------------------------

void Scheduler::changed(const Change& change) {
  const TestIndex test = change.test;
  if (change.kind == Change::Kind::kKnown || change.kind == Change::Kind::kSettled) {
    review(test);
    return;
  }
  if (change.kind == Change::Kind::kFinished) learn_speed(change);
  bool held = false;
  for (const report::Assignment& one : job_.tests()[test].assignments) {
    if (one.node == change.node) held = one.held();
  }
  Books& books = books_[change.node];
  const auto booked = books.held.find(test);
  const uint32_t times = estimates_.times_usual(test);
  const auto unknown = [&]() -> uint64_t& {
    Unknown& of_path = books.unknown[job_.tests()[test].path];
    return times > 1 ? of_path.foretold : of_path.usual;
  };
  if (held && booked == books.held.end()) {
    const bool fixed = estimates_.is_fixed(test);
    const Duration expected = fixed ? estimates_.of(test) : Duration{};
    books.held.emplace(test, expected);
    if (fixed) {
      books.fixed += expected;
    } else {
      unknown() += times;
    }
    if (is_restricted(job_.tests()[test])) books.restricted.insert(test);
    book_setup(books, change, true);
  } else if (!held && booked != books.held.end()) {
    if (booked->second.ns > 0) {
      books.fixed -= booked->second;
    } else {
      unknown() -= times;
    }
    books.held.erase(booked);
    books.restricted.erase(test);
    books.was_idle = books.held.empty();
    book_setup(books, change, false);
  }
  review(test);
}

bool Scheduler::has_worker(NodeIndex node, uint32_t slot) const {
  if (node == kNone || !job_.nodes()[node].enlisted) return false;
  return slot < job_.nodes()[node].enlisted->workers;
}

bool Scheduler::is_live(NodeIndex node) const { return live_ids_.contains(job_.nodes()[node].id); }

bool Scheduler::is_ready(const NodeId& id) const {
  const NodeIndex node = job_.node_index(id);
  if (node == kNone) return false;
  const report::NodeState& state = job_.nodes()[node];
  return state.collected && state.enlisted && !state.unable && !state.departed;
}

bool Scheduler::is_open(TestIndex index) const {
  const report::Test& test = job_.tests()[index];
  if (test.verdict != Verdict::kPending && test.verdict != Verdict::kRetry) return false;
  if (is_for_others(test)) return false;
  return std::none_of(test.assignments.begin(), test.assignments.end(),
                      [this](const report::Assignment& one) {
                        return one.held() && !job_.nodes()[one.node].departed &&
                               (is_live(one.node) || is_planted(Planted::kForgetsTheDead));
                      });
}

void Scheduler::review(TestIndex test) {
  if (!active_) return;
  open_.erase(test);
  tail_.erase(test);
  suspects_.erase(test);
  redundant_.erase(test);
  if (is_redundant(job_.tests()[test])) {
    redundant_.insert(test);
    return;
  }
  if (!is_open(test)) return;
  if (is_suspect(job_.tests()[test])) {
    suspects_.insert(test);
    return;
  }
  if (job_.tests()[test].verdict == Verdict::kRetry) {
    tail_.insert(test);
    return;
  }
  open_.insert(test);
  newly_open_ = true;
}

void Scheduler::review_all() {
  if (!active_) return;
  for (TestIndex test = 0; test < job_.tests().size(); ++test) review(test);
}

// Nobody else's tests are open or not for what becomes of this node.
void Scheduler::review_held(NodeIndex node) {
  const auto books = books_.find(node);
  if (!active_ || books == books_.end()) return;
  for (const auto& [test, expected] : books->second.held) review(test);
}

void Scheduler::set_live(const std::vector<LiveNode>& live) {
  live_ = live;
  const std::set<NodeId> before = std::exchange(live_ids_, {});
  int64_t measured = 0;
  mean_measured_speed_ = 0;
  for (const LiveNode& node : live) {
    live_ids_.insert(node.id);
    mean_measured_speed_ += node.measured_speed;
    if (node.measured_speed > 0) ++measured;
  }
  // Rounded up: never 0 where anybody has a measure.
  if (measured > 0) mean_measured_speed_ = (mean_measured_speed_ + measured - 1) / measured;
  // Who is silent does not answer.
  std::erase_if(recalls_, [&live](const auto& one) {
    return std::any_of(live.begin(), live.end(), [&one](const LiveNode& node) {
      return node.suspected && node.id == one.second.victim;
    });
  });
  const auto enlisted = std::count_if(job_.nodes().begin(), job_.nodes().end(),
                                      [](const auto& node) { return node.enlisted.has_value(); });
  const bool had_company =
      std::exchange(has_company_, has_company_ || live.size() > 1 || enlisted > 1);
  const std::size_t open = open_.size();
  if (config_.slice && has_company_ != had_company) review_all();
  std::vector<NodeId> changed;
  std::set_symmetric_difference(before.begin(), before.end(), live_ids_.begin(), live_ids_.end(),
                                std::back_inserter(changed));
  for (const NodeId& id : changed) review_held(job_.node_index(id));
  // Who has come may be the first that can begin a long one.
  newly_open_ = newly_open_ || !open_.empty();
  if (active_ && open_.size() > open) marks.shared_out_again.reach();
}

void Scheduler::seen(Instant now, const NodeId& origin, const report::Entry& entry) {
  if (std::holds_alternative<report::Departed>(entry)) {
    departed_at_.try_emplace(job_.node_index(origin), now);
    review_held(job_.node_index(origin));
  }
  if (const auto* granted = std::get_if<report::Granted>(&entry)) {
    if (granted->claim.scheduler.node != origin) return;
    Books& books = books_[job_.node_index(granted->to)];
    if (std::exchange(books.was_idle, false)) books.busy_since = now;
  } else if (const auto* finished = std::get_if<report::Finished>(&entry)) {
    const NodeIndex node = job_.node_index(origin);
    if (has_worker(node, finished->slot)) books_[node].results[finished->slot] = now;
  }
  if (const auto* began = std::get_if<report::Began>(&entry)) review_begun(*began);
  const auto* gave_up = std::get_if<report::GaveUp>(&entry);
  if (gave_up == nullptr || !active_) return;
  count_retries(now, job_.node_index(origin), *gave_up);
  const auto recall = recalls_.find(gave_up->recall);
  if (recall == recalls_.end() || recall->second.victim != origin) return;
  // What was given up is open now; the thief's standing request takes it from there, or turns to
  // another victim.
  thieves_.insert(recall->second.thief);
  (gave_up->runs.empty() ? marks.nothing_given : marks.stolen).reach();
  if (gave_up->runs.empty()) {
    barren_until_[origin] = now + config_.empty_answer_holds;
  } else {
    stolen_for_.insert(recall->second.thief);
  }
  recalls_.erase(recall);
}

// ---- decisions --------------------------------------------------------------------------------

void Scheduler::begin(Instant now, const mesh::Claim& claim, report::Named name) {
  active_ = true;
  claim_ = claim;
  name_ = std::move(name);
  began_at_ = std::min(began_at_, now);
  recalls_.clear();
  barren_until_.clear();
  thieves_.clear();
  got_share_.clear();
  draining_since_.reset();
  ended_since_.reset();
  locks_from_.reset();
  open_.clear();
  redundant_.clear();
  suspects_.clear();
  accused_since_.clear();
  tail_.clear();
  review_all();
}

void Scheduler::steal_requested(const NodeId& thief) {
  if (active_) thieves_.insert(thief);
}

void Scheduler::stop(report::CloseReason reason, const std::string& detail) {
  if (stop_reason_) return;
  stop_reason_ = reason;
  stop_detail_ = detail;
}

// As with pytest's --maxfail, a file that cannot be collected is a failure, too.
void Scheduler::stop_at_failures() {
  if (config_.max_fail == 0 || stop_reason_) return;
  const uint64_t failures = job_.counts().failed + job_.counts().errors + job_.collection_errors();
  if (failures < config_.max_fail) return;
  marks.limited.reach();
  stop_now_ = config_.max_fail_now;
  stop(report::CloseReason::kStopped, "stopped after " + std::to_string(config_.max_fail) +
                                          (config_.max_fail == 1 ? " failure" : " failures"));
}

// What nobody can name nobody can run, and its owners would be asked for the names for ever.
void Scheduler::stop_if_too_large() {
  if (!job_.is_too_large()) return;
  stop(report::CloseReason::kStopped,
       "stopped: a file of more than " + std::to_string(report::kTestsPerFileMax / 1'000'000) +
           " million tests, or more than " + std::to_string(report::kJobTestsMax / 1'000'000) +
           " million in all: run parts of the suite as jobs of their own");
}

void Scheduler::advance(Instant now, Output& out) {
  if (!active_ || closed_ || job_.closed()) return;
  locked_now_.clear();
  if (!locks_from_) locks_from_ = claim_.term > 1 ? now + config_.mutex_after_takeover : now;
  name_job(out);
  enlist(out);
  ask_for_names(now, out);
  stop_at_failures();
  stop_if_too_large();
  if (config_.deadline.ns > 0 && now >= began_at_ + config_.deadline) {
    stop(report::CloseReason::kDeadline, "stopped at the deadline");
  }
  // Also of a job that is nearly over: a newer attempt may be heard of in the last moment.
  if (!stop_reason_) skip_redundant(out);
  if (!draining_since_ && !stop_reason_) {
    grant_shares(now, out);
    serve_tail(now, out);
    const std::set<NodeId> thieves = std::exchange(thieves_, {});
    for (const NodeId& thief : thieves) serve_thief(now, thief, out);
    place_long_tests(out);
    condemn(now, out);
    serve_suspects(now, out);
  }
  const std::size_t expired =
      std::erase_if(recalls_, [now](const auto& one) { return one.second.expires_at <= now; });
  if (expired > 0) marks.recall_expired.reach();
  // What was just decided has to be in the books before the end can be seen.
  if (out.entries.empty()) end(now, out);
}

void Scheduler::name_job(Output& out) {
  if (job_.named() || !name_) return;
  name_->retries = config_.retries;
  name_->flaky_fails = config_.flaky_fails;
  name_->strict_collection = config_.strict_collection;
  out.entries.emplace_back(*name_);
  name_.reset();
}

void Scheduler::ask_for_names(Instant now, Output& out) {
  if (files_named_ == job_.files().size() || now < names_asked_at_ + kNamesAskedEvery) return;
  std::map<NodeId, std::vector<report::FileKey>> wanted;
  bool all_named = true;
  for (const auto& [key, version] : job_.files()) {
    if (version.known()) continue;
    all_named = false;
    for (const NodeIndex owner : version.offered_by) {
      if (!is_live(owner)) continue;
      wanted[job_.nodes()[owner].id].push_back(key);
      break;
    }
  }
  if (all_named) {
    files_named_ = job_.files().size();
    return;
  }
  // Also if nobody is there to be asked: all files were looked at.
  names_asked_at_ = now;
  for (const auto& [node, files] : wanted) {
    for (std::size_t from = 0; from < files.size(); from += kNamesWantedMax) {
      const auto begin = files.begin() + static_cast<std::ptrdiff_t>(from);
      const auto count = std::min(kNamesWantedMax, files.size() - from);
      out.names_wanted.emplace_back(node,
                                    std::vector(begin, begin + static_cast<std::ptrdiff_t>(count)));
    }
  }
}

// Of somebody who is there to be asked.
bool Scheduler::names_are_coming() const {
  if (files_named_ == job_.files().size()) return false;
  return std::any_of(job_.files().begin(), job_.files().end(), [this](const auto& file) {
    const auto& owners = file.second.offered_by;
    return !file.second.known() && std::any_of(owners.begin(), owners.end(),
                                               [this](NodeIndex owner) { return is_live(owner); });
  });
}

// What a mark keeps together may be in any of the files whose names are still to come.
void Scheduler::leave_named_groups(std::vector<TestGroup>& groups) {
  const auto is_named = [this](const TestGroup& group) {
    return job_.tests()[group.tests.front()].group != 0;
  };
  if (std::none_of(groups.begin(), groups.end(), is_named) || !names_are_coming()) return;
  std::erase_if(groups, is_named);
  left_named_groups_ = true;
}

std::vector<TestGroup> Scheduler::open_groups(NodeIndex able) const {
  std::vector<TestIndex> tests;
  for (const TestIndex test : open_) {
    if (job_.place_on(test, able)) tests.push_back(test);
  }
  return group_tests(job_, estimates_, config_.affinity, tests);
}

// A node that becomes ready, or asks while something is open, gets its share: what the plan gives
// it when all nodes that may still take part are counted. The shares of those that are not ready
// yet stay open, for them or for whoever runs dry first.
void Scheduler::grant_shares(Instant now, Output& out) {
  if (open_.empty()) return;
  // They are planned like the first shares, and need not wait until somebody runs dry.
  if (left_named_groups_ && !names_are_coming()) {
    left_named_groups_ = false;
    got_share_.clear();
  }
  for (const LiveNode& live : live_) {
    if (!is_ready(live.id) || live.workers == 0) continue;
    const bool asked = thieves_.contains(live.id);
    if (got_share_.contains(live.id) && !asked) continue;
    const NodeIndex node = job_.node_index(live.id);
    std::vector<TestGroup> groups = open_groups(node);
    leave_locked(now, node, groups);
    leave_named_groups(groups);
    if (groups.empty()) continue;
    std::vector<PlanNode> nodes{{live.workers, load_left(now, live), speed(live)}};
    uint32_t workers = live.workers;
    for (const LiveNode& other : live_) {
      const NodeIndex index = job_.node_index(other.id);
      if (other.id == live.id || got_share_.contains(other.id)) continue;
      if (index != kNone && (job_.nodes()[index].unable || job_.nodes()[index].departed)) continue;
      nodes.push_back({other.workers, {}, speed(other)});
      workers += other.workers;
    }
    groups = split_groups(std::move(groups), workers, estimates_);
    std::vector<PlanGroup> planned;
    for (const TestGroup& group : groups) {
      planned.push_back({work_of(job_, estimates_, group, live.workers), group.tests.front()});
    }
    const Plan plan = make_plan(planned, nodes);
    // That of a scheduler that took over is of what was left.
    if (got_share_.empty() && estimates_.has_history() && !job_.has_plan()) {
      out.entries.emplace_back(report::Planned{plan.makespan});
    }
    std::vector<TestIndex> share;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      if (plan.node_of_group[i] != 0) continue;
      share.insert(share.end(), groups[i].tests.begin(), groups[i].tests.end());
    }
    // Nobody is idle for the sake of a faster node that may never take its share.
    if (share.empty() && asked) {
      share = std::min_element(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
                return a.expected < b.expected;
              })->tests;
    }
    got_share_.insert(live.id);
    thieves_.erase(live.id);
    const Kind kind = stolen_for_.erase(live.id) > 0 ? Kind::kStolen : Kind::kShare;
    if (!share.empty()) grant(live.id, share, kind, out);
  }
}

void Scheduler::grant(const NodeId& to, const std::vector<TestIndex>& tests, Kind kind,
                      Output& out) {
  report::Granted granted{claim_, to, kind == Kind::kStolen, {}, kind == Kind::kTail};
  granted.copies = kind == Kind::kCopies;
  granted.alone = kind == Kind::kAlone;
  const NodeIndex node = job_.node_index(to);
  for (const TestIndex test : tests) {
    const auto place = job_.place_on(test, node);
    CHECK(place.has_value());
    open_.erase(test);
    tail_.erase(test);
    suspects_.erase(test);
    if (job_.tests()[test].mutex != 0) locked_now_[job_.tests()[test].mutex] = node;
    add_place(granted.runs, *place);
    if (granted.runs.size() < report::kRunsWrittenMax) continue;
    out.entries.emplace_back(granted);
    granted.runs.clear();
    granted.stolen = false;
  }
  if (!granted.runs.empty()) out.entries.emplace_back(std::move(granted));
}

// ---- the end ----------------------------------------------------------------------------------

// All that may still collect have.
bool Scheduler::all_collected() const {
  return std::all_of(live_.begin(), live_.end(), [this](const LiveNode& live) {
    const NodeIndex index = job_.node_index(live.id);
    if (index == kNone) return false;
    const report::NodeState& node = job_.nodes()[index];
    return node.collected || node.unable || node.departed;
  });
}

bool Scheduler::awaits_collections() const {
  const bool strict = job_.named() && job_.named()->strict_collection;
  return strict && !stop_reason_ && !all_collected();
}

bool Scheduler::everything_known() const {
  const bool any_collected = std::any_of(live_.begin(), live_.end(), [this](const LiveNode& live) {
    const NodeIndex index = job_.node_index(live.id);
    return index != kNone && job_.nodes()[index].collected;
  });
  if (!any_collected || awaits_collections()) return false;
  if (names_are_coming()) return false;
  // Nobody waits for slow nodes, unless nothing has been found yet.
  return job_.counts().total > 0 || all_collected();
}

// No live node can ever run anything.
bool Scheduler::nobody_left() const {
  return std::all_of(live_.begin(), live_.end(), [this](const LiveNode& live) {
    const NodeIndex index = job_.node_index(live.id);
    if (index == kNone) return false;
    return job_.nodes()[index].unable.has_value() || job_.nodes()[index].departed;
  });
}

bool Scheduler::all_drained() const {
  // Those that leave are not waited for, unless all do: then their last results still count.
  const bool all_leave = std::all_of(live_.begin(), live_.end(), [this](const LiveNode& live) {
    const NodeIndex index = job_.node_index(live.id);
    return index != kNone && job_.nodes()[index].departed;
  });
  return std::all_of(live_.begin(), live_.end(), [this, all_leave](const LiveNode& live) {
    const NodeIndex index = job_.node_index(live.id);
    if (index == kNone) return false;
    const report::NodeState& node = job_.nodes()[index];
    return (node.departed && !all_leave) || node.drained == claim_;
  });
}

bool Scheduler::nobody_can_run(const std::set<TestIndex>& tests) const {
  return std::none_of(tests.begin(), tests.end(), [this](TestIndex test) {
    return std::any_of(live_.begin(), live_.end(), [&](const LiveNode& live) {
      const NodeIndex index = job_.node_index(live.id);
      return index != kNone && !job_.nodes()[index].unable && !job_.nodes()[index].departed &&
             job_.place_on(test, index);
    });
  });
}

// Tests that no live node has in its collection will never run.
bool Scheduler::nothing_to_run() const {
  const bool nothing = nobody_can_run(open_) && nobody_can_run(tail_) && nobody_can_run(suspects_);
  return nothing || is_planted(Planted::kClosesEarly);
}

void Scheduler::end(Instant now, Output& out) {
  if (!draining_since_) {
    bool finished = false;
    if (stop_reason_) {
      finished = true;
    } else if (nobody_left()) {
      stop(report::CloseReason::kUnable, {});
      finished = true;
    } else if (everything_known()) {
      finished = nothing_to_run() && (!is_work_held() || is_planted(Planted::kClosesEarly));
    }
    if (!finished) return;
    draining_since_ = now;
    out.entries.emplace_back(report::Draining{claim_, stop_now_});
    return;
  }
  // The first member that a slice meets brings the rest of the suite.
  if (!stop_reason_ && !nothing_to_run()) {
    marks.reopened.reach();
    out.reopens = true;
    return;
  }
  const bool complete = all_drained();
  if (!complete && now < drained_by()) return;
  if (!complete && stop_reason_ && !std::exchange(stop_now_, true)) {
    ended_since_ = now;
    out.entries.emplace_back(report::Draining{claim_, true});
    return;
  }
  // Of one that came while all was torn down.
  if (awaits_collections()) return;
  if (!complete) marks.drained_late.reach();
  closed_ = true;
  report::Closed closed;
  closed.claim = claim_;
  closed.reason = stop_reason_.value_or(report::CloseReason::kComplete);
  closed.detail = stop_detail_;
  if (!stop_reason_ && config_.slice && config_.slice->total > 1 && !has_company_) {
    closed.reason = report::CloseReason::kSlice;
    closed.detail = slice_note(*config_.slice);
  }
  out.closed = std::move(closed);
}

Instant Scheduler::drained_by() const {
  if (ended_since_) return *ended_since_ + config_.end_within;
  return *draining_since_ + (stop_reason_ ? config_.drain_within : config_.tear_down_within);
}

Instant Scheduler::next_deadline() const {
  if (!active_ || closed_ || job_.closed()) return Instant::never();
  Instant next = Instant::never();
  if (draining_since_ && !awaits_collections()) {
    next = drained_by();
  } else if (config_.deadline.ns > 0) {
    next = began_at_ + config_.deadline;
  }
  if (!draining_since_ && !stop_reason_) {
    for (const auto& [test, since] : accused_since_) {
      next = std::min(next, since + config_.condemn_after);
    }
  }
  for (const auto& [number, recall] : recalls_) next = std::min(next, recall.expires_at);
  return next;
}

}  // namespace dagz::sched
