#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "mesh/mark.hpp"
#include "sched/runs.hpp"
#include "sched/scheduler.hpp"

// The tail of the job: failed tests whose try at once, by the node that ran them, has failed as
// well. Each is given to another node if there is one, which runs it when nothing else is left.

namespace dagz::sched {

using report::kNone;
using report::NodeIndex;
using report::TestIndex;

namespace {

struct {
  Mark landslide{"scheduler: too much fails for retries"};
  Mark elsewhere{"scheduler: the last try of a test goes to another node"};
  Mark settled{"scheduler: a test is not tried again, though tries are left"};
} marks;

// A node whose workers have all run their tests for longer has no room for a retry.
constexpr Duration kRunsLong = Duration::seconds(1);

bool has_run(const report::Test& test, NodeIndex node) {
  return std::any_of(test.attempts.begin(), test.attempts.end(),
                     [node](const report::Attempt& attempt) { return attempt.node == node; });
}

}  // namespace

// What each worker has to do in the whole job.
Duration Scheduler::worker_share() const {
  Duration total;
  for (TestIndex test = 0; test < job_.tests().size(); ++test) total += estimates_.of(test);
  uint32_t workers = 0;
  for (const LiveNode& live : live_) workers += live.workers;
  return total / std::max<uint32_t>(1, workers);
}

// `share` of a worker is filled in when it is needed first: all tests are looked at for it.
bool Scheduler::is_given_up(TestIndex index, std::optional<Duration>& share) const {
  const report::Test& test = job_.tests()[index];
  if (retries_stopped_) return true;
  Duration longest;
  for (const report::Attempt& attempt : test.attempts) {
    longest = std::max(longest, attempt.result.duration);
  }
  if (test.attempts.size() < 2 || longest <= config_.retry_limits.long_test) return false;
  if (!share) share = worker_share();
  return is_out_of_proportion(longest, *share, config_.retry_limits);
}

// A live node that is not ready yet.
bool Scheduler::may_still_come() const {
  return std::any_of(live_.begin(), live_.end(), [this](const LiveNode& live) {
    const NodeIndex index = job_.node_index(live.id);
    if (live.workers == 0) return false;
    if (index == kNone) return true;
    const report::NodeState& node = job_.nodes()[index];
    return !node.unable && !node.departed && !is_ready(live.id);
  });
}

bool Scheduler::is_work_held() const {
  return std::any_of(live_.begin(), live_.end(), [this](const LiveNode& live) {
    const auto books = books_.find(job_.node_index(live.id));
    return books != books_.end() && !books->second.held.empty();
  });
}

void Scheduler::count_retries(Instant now, NodeIndex node, const report::GaveUp& gave_up) {
  for_each_test(job_, gave_up.runs, [&](TestIndex test) {
    if (job_.tests()[test].verdict != report::Verdict::kRetry) return;
    Returned& returned = retries_returned_[{test, node}];
    ++returned.times;
    returned.last = now;
  });
}

Scheduler::Returned Scheduler::returned_by(NodeIndex node, TestIndex test) const {
  const auto found = retries_returned_.find({test, node});
  return found == retries_returned_.end() ? Returned{} : found->second;
}

bool Scheduler::has_ended_any(NodeIndex node, Instant since) const {
  const auto books = books_.find(node);
  return books != books_.end() &&
         std::any_of(books->second.results.begin(), books->second.results.end(),
                     [since](const auto& one) { return one.second > since; });
}

bool Scheduler::is_held_up(Instant now, const LiveNode& node) const {
  const auto books = books_.find(job_.node_index(node.id));
  if (books == books_.end() || books->second.held.size() < node.workers) return false;
  const std::vector<Duration> done = done_since_results(now, node);
  return *std::min_element(done.begin(), done.end()) > kRunsLong;
}

void Scheduler::serve_tail(Instant now, Output& out) {
  if (!retries_stopped_ && is_landslide(job_, config_.retry_limits)) {
    marks.landslide.reach();
    retries_stopped_ = true;
  }
  if (tail_.empty()) return;
  struct Candidate {
    const LiveNode* node = nullptr;
    NodeIndex index = kNone;
    Duration load;
    bool idle = false;
    bool held_up = false;
    std::vector<TestIndex> given;
  };
  std::vector<Candidate> candidates;
  for (const LiveNode& live : live_) {
    const NodeIndex index = job_.node_index(live.id);
    if (live.workers == 0 || !is_ready(live.id)) continue;
    const auto books = books_.find(index);
    const bool idle = books == books_.end() || books->second.held.empty();
    candidates.push_back({&live, index, time_left(now, live), idle, is_held_up(now, live), {}});
  }
  const bool others_come = may_still_come();
  const bool work_left = !open_.empty() || is_work_held();
  std::vector<TestIndex> given_up;
  std::optional<Duration> share;
  for (const TestIndex test : tail_) {
    if (is_given_up(test, share)) {
      given_up.push_back(test);
      continue;
    }
    Candidate* best = nullptr;
    const auto rank = [&](const Candidate& one) {
      const report::Test& it = job_.tests()[test];
      // A node gives one up a second time only for want of room.
      const uint32_t times = returned_by(one.index, test).times;
      const uint32_t in_vain = !one.idle && (one.held_up || times > 1) ? times : 0;
      return std::tuple(in_vain, has_run(it, one.index), !one.idle, one.load);
    };
    // Whoever had no room for it has none yet: it stays here for the first that has. That a worker
    // is not free, as its node runs a test alone, nobody else knows; so another test has to end.
    const auto lacks_room = [&](const Candidate& one) {
      const auto [times, last] = returned_by(one.index, test);
      if (one.held_up && times > 0) return true;
      return !one.idle && times > 1 && !has_ended_any(one.index, last);
    };
    for (Candidate& one : candidates) {
      if (!job_.place_on(test, one.index) || lacks_room(one)) continue;
      if (best == nullptr || rank(one) < rank(*best)) best = &one;
    }
    if (best == nullptr) continue;
    // While there is other work, it can wait for a node that may still come.
    if (others_come && work_left && has_run(job_.tests()[test], best->index)) continue;
    if (!may_lock(now, test, best->index)) continue;
    if (const uint32_t mutex = job_.tests()[test].mutex; mutex != 0) {
      locked_now_[mutex] = best->index;
    }
    if (!has_run(job_.tests()[test], best->index)) marks.elsewhere.reach();
    best->given.push_back(test);
    best->load += estimates_.of(test) / best->node->workers;
  }
  // Whoever limits the failures wants to know soon: such a retry comes next.
  const Kind kind = config_.max_fail > 0 ? Kind::kShare : Kind::kTail;
  for (const Candidate& one : candidates) {
    if (!one.given.empty()) grant(one.node->id, one.given, kind, out);
  }
  if (!given_up.empty()) settle(given_up, out);
}

void Scheduler::settle(const std::vector<TestIndex>& tests, Output& out) {
  report::Settled settled{claim_, {}};
  for (const TestIndex test : tests) {
    marks.settled.reach();
    tail_.erase(test);
    add_place(settled.runs, job_.tests()[test].places.front());
    if (settled.runs.size() < report::kRunsWrittenMax) continue;
    out.entries.emplace_back(settled);
    settled.runs.clear();
  }
  if (!settled.runs.empty()) out.entries.emplace_back(std::move(settled));
}

}  // namespace dagz::sched
