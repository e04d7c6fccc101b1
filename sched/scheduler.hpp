#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "mesh/claim.hpp"
#include "mesh/time.hpp"
#include "report/job_state.hpp"
#include "report/status.hpp"
#include "sched/estimate.hpp"
#include "sched/groups.hpp"
#include "sched/plan.hpp"
#include "sched/rerun.hpp"
#include "sched/retry.hpp"
#include "sched/slice.hpp"
#include "sched/speed.hpp"

// Decides who runs what, on the node that is the scheduler; on all others it keeps the books, so
// that any of them can take over at any moment: everything it knows comes from the fold. It acts by
// writing entries into its own log; what cannot be lost is therefore never a message.

namespace dagz::sched {

struct SchedulerConfig {
  Affinity affinity = Affinity::kModule;
  uint32_t retries = 2;
  uint32_t max_fail = 0;      // failures that end the job; 0: none
  bool max_fail_now = false;  // running tests are ended as well
  Duration deadline;          // of the whole job; 0: none
  // Not worth a steal: the victim finishes it sooner than it could travel.
  Duration steal_min = Duration::milliseconds(2);
  // An unanswered recall is forgotten after this.
  Duration recall_within = Duration::seconds(2);
  // Who answered that it has nothing to give is not asked again for so long.
  Duration empty_answer_holds = Duration::milliseconds(100);
  // How long workers may take to end what they run and to tear down when the job is stopped.
  Duration drain_within = Duration::seconds(10);
  // After that what runs is ended; so long may its nodes take to say where it was.
  Duration end_within = Duration::seconds(3);
  // And to tear down when all is done.
  Duration tear_down_within = Duration::seconds(65);
  // For so long after a takeover no mutex is granted: the one who held it may not have been heard.
  Duration mutex_after_takeover = Duration::seconds(2);
  RetryLimits retry_limits;
  // Workers that have nothing else to do run second copies of tests that take much longer than
  // expected, or whose node is suspected of being dead, where that is expected to save so much.
  bool speculation = true;
  Duration copy_saves_min = Duration::seconds(1);
  // A test is not blamed for the loss of its nodes before they have been silent for so long: they
  // may only have been cut off.
  Duration condemn_after = Duration::seconds(20);
  // Until it is certain that a suspect is dead.
  Duration suspicion_takes = Duration::seconds(3);
  // These two, and the retries, are the job's if this node names it. Strict: the collections of all
  // nodes are compared, so none is left out because others were faster.
  bool strict_collection = false;
  bool flaky_fails = false;
  // What it runs as long as it has met nobody; nothing: everything.
  std::optional<Slice> slice;
};

// A member that takes part, as the mesh sees it.
struct LiveNode {
  NodeId id;
  uint32_t workers = 0;
  bool suspected = false;
  uint32_t measured_speed = 0;  // of a worker, in any unit that all share; 0: not known
};

class Scheduler {
 public:
  // What it wants done; the node performs it at once.
  struct Output {
    std::vector<report::Entry> entries;
    std::vector<std::pair<NodeId, std::vector<report::FileKey>>> names_wanted;
    // Work came while everything was torn down: the node claims anew, so that all begin again.
    bool reopens = false;
    // Set once: the node completes it with the lengths of the logs.
    std::optional<report::Closed> closed;
  };

  // `rerun`: what passed in an earlier attempt of the job is not run again.
  Scheduler(const SchedulerConfig& config, const report::JobState& job, Estimates& estimates,
            const Rerun& rerun)
      : config_(config), job_(job), estimates_(estimates), rerun_(rerun) {}

  // Every change of the fold, on every node.
  void changed(const report::Change& change);
  // More is known of an earlier attempt, or of a newer one.
  void rerun_changed();
  // Every entry, after it was applied.
  void seen(Instant now, const NodeId& origin, const report::Entry& entry);

  // `now` is when the job began, as far as this node knows: the deadline counts from the earliest.
  void begin(Instant now, const mesh::Claim& claim, report::Named name);
  void step_down() { active_ = false; }
  bool is_active() const { return active_; }

  // In order of birth.
  void set_live(const std::vector<LiveNode>& live);
  void steal_requested(const NodeId& thief);
  // What the node's workers run, by its own word.
  void told(Instant now, const NodeId& node, const std::vector<report::WorkerStatus>& workers);
  // What runs may end.
  void stop(report::CloseReason reason, const std::string& detail);
  // The runner's own --maxfail, where dagz was given none.
  void limit_failures(uint32_t max_fail) {
    if (config_.max_fail == 0) config_.max_fail = max_fail;
  }

  void advance(Instant now, Output& out);
  Instant next_deadline() const;

 private:
  Instant drained_by() const;
  // What the tests of a file share.
  struct SetUp {
    uint32_t held = 0;    // of its tests
    bool stands = false;  // one of them has run
    Duration counted;     // as still to be done
  };
  struct Unknown {
    uint64_t usual = 0;     // so many
    uint64_t foretold = 0;  // for so many usual ones their marks count
  };
  struct Books {
    Duration fixed;  // of tests with a history
    // Per path, and what is still to be set up in all.
    std::unordered_map<uint32_t, SetUp> setups;
    Duration to_set_up;
    // Per path: its tests without a history.
    std::unordered_map<uint32_t, Unknown> unknown;
    // What it holds, and with what expectation (0: by path).
    std::unordered_map<report::TestIndex, Duration> held;
    // Of that: they wait for room or for a certain worker, beside others that may be idle.
    std::set<report::TestIndex> restricted;
    NodeSpeed speed;
    bool was_idle = true;                 // until the grant that is being read
    Instant busy_since;                   // that it holds anything
    std::map<uint32_t, Instant> results;  // per slot, when its last one came
  };
  struct Recall {
    NodeId victim;
    NodeId thief;
    Instant expires_at;
  };
  // How often a node gave a retry up.
  struct Returned {
    uint32_t times = 0;
    Instant last;
  };
  struct Running {
    report::TestIndex test = 0;
    Instant since;
  };
  struct Told {
    Instant at;
    std::vector<Running> running;
  };

  bool has_worker(report::NodeIndex node, uint32_t slot) const;
  bool is_live(report::NodeIndex node) const;
  bool is_ready(const NodeId& id) const;
  bool is_open(report::TestIndex test) const;
  bool is_for_others(const report::Test& test) const;
  bool is_redundant(const report::Test& test) const;
  // Reruns (scheduler_rerun.cpp)
  bool is_chained(const report::Test& test) const;
  void run_chains_whole();
  void skip_redundant(Output& out);
  void review(report::TestIndex test);
  void review_all();
  void review_held(report::NodeIndex node);
  void learn_speed(const report::Change& change);
  void book_setup(Books& books, const report::Change& change, bool held);
  Duration setup_left(report::NodeIndex node, report::TestIndex test) const;
  Duration load(report::NodeIndex node) const;
  std::vector<Duration> done_since_results(Instant now, const LiveNode& node) const;
  Duration load_left(Instant now, const LiveNode& node) const;
  Duration restricted_load(const LiveNode& node) const;
  int64_t speed(const LiveNode& node) const;
  Duration time_left(Instant now, const LiveNode& node) const;
  const std::vector<Running>* running_now(const LiveNode& node) const;
  std::size_t waiting(const LiveNode& node) const;
  Duration wait_for_worker(Instant now, const LiveNode& node) const;
  void name_job(Output& out);
  // Numbers (scheduler_enlist.cpp)
  std::vector<const report::NodeState*> namesakes() const;
  void enlist(Output& out);
  void ask_for_names(Instant now, Output& out);
  bool names_are_coming() const;
  void grant_shares(Instant now, Output& out);
  std::vector<TestGroup> open_groups(report::NodeIndex able) const;
  enum class Kind : uint8_t { kShare, kStolen, kTail, kCopies, kAlone };
  void grant(const NodeId& to, const std::vector<report::TestIndex>& tests, Kind kind, Output& out);
  Duration surplus(Instant now, const LiveNode& victim, const LiveNode& thief) const;
  void serve_thief(Instant now, const NodeId& thief, Output& out);
  bool recall_for(Instant now, const LiveNode& thief, Output& out);
  void recall(Instant now, const LiveNode& victim, const LiveNode& thief, Output& out);
  bool may_give(Instant now, const LiveNode& node) const;
  // Long tests (scheduler_long.cpp)
  void place_long_tests(Output& out);
  bool may_be_placed(report::TestIndex test) const;
  // Second copies (scheduler_copies.cpp)
  void serve_copies(Instant now, const LiveNode& thief, Output& out);
  bool may_copy(report::TestIndex test, report::NodeIndex from, report::NodeIndex to) const;
  Duration saved_by_copy(Instant now, const LiveNode& from, const Running& one,
                         const LiveNode& to) const;
  std::vector<Running> running_on(Instant now, const LiveNode& node) const;
  bool is_given_up(report::TestIndex test, std::optional<Duration>& share) const;
  void count_retries(Instant now, report::NodeIndex node, const report::GaveUp& gave_up);
  Returned returned_by(report::NodeIndex node, report::TestIndex test) const;
  bool is_held_up(Instant now, const LiveNode& node) const;
  bool has_ended_any(report::NodeIndex node, Instant since) const;
  void serve_tail(Instant now, Output& out);
  // Tests that take their nodes down (scheduler_poison.cpp)
  bool is_lost(report::NodeIndex node) const;
  bool was_lost_with(const report::Assignment& one) const;
  bool is_suspect(const report::Test& test) const;
  void review_begun(const report::Began& began);
  bool is_busy_with_suspects_only(report::NodeIndex node) const;
  bool is_accused(report::TestIndex test) const;
  void condemn(Instant now, Output& out);
  bool may_run_alone(Instant now, report::TestIndex test, const NodeId& id) const;
  void serve_suspects(Instant now, Output& out);
  bool may_lock(Instant now, report::TestIndex test, report::NodeIndex node) const;
  void leave_locked(Instant now, report::NodeIndex node, std::vector<TestGroup>& groups) const;
  void leave_named_groups(std::vector<TestGroup>& groups);
  void settle(const std::vector<report::TestIndex>& tests, Output& out);
  Duration worker_share() const;
  bool may_still_come() const;
  bool is_work_held() const;
  bool nobody_can_run(const std::set<report::TestIndex>& tests) const;
  void end(Instant now, Output& out);
  void stop_at_failures();
  void stop_if_too_large();
  bool all_collected() const;
  bool awaits_collections() const;
  bool everything_known() const;
  bool nobody_left() const;
  bool nothing_to_run() const;
  bool all_drained() const;

  SchedulerConfig config_;
  const report::JobState& job_;
  Estimates& estimates_;
  const Rerun& rerun_;

  std::vector<LiveNode> live_;
  std::set<NodeId> live_ids_;
  int64_t mean_measured_speed_ = 0;  // of the live ones that have one
  std::map<report::NodeIndex, Books> books_;
  NodeSpeed usual_speed_;  // of all nodes together
  // Tests that nobody has, and failed ones that are tried again last; kept only while active.
  std::set<report::TestIndex> open_;
  std::set<report::TestIndex> tail_;
  // By test and node, as far as this scheduler has seen.
  std::map<std::pair<report::TestIndex, report::NodeIndex>, Returned> retries_returned_;
  std::set<report::TestIndex> suspects_;                // open ones with which two nodes were lost
  std::map<report::TestIndex, Instant> accused_since_;  // with which one more was, alone
  std::set<report::TestIndex> redundant_;               // and that is not written yet
  std::set<uint32_t> whole_chains_;  // groups of which some test must run, hence all
  bool newly_open_ = false;          // some may be, since long ones were looked for
  bool left_named_groups_ = false;   // some wait until all names are known
  bool retries_stopped_ = false;
  bool has_company_ = false;  // or had

  bool active_ = false;
  mesh::Claim claim_;
  std::optional<report::Named> name_;
  Instant began_at_ = Instant::never();
  uint32_t recalls_made_ = 0;
  std::map<uint64_t, Recall> recalls_;
  std::map<NodeId, Instant> barren_until_;  // those that had nothing to give
  std::map<NodeId, Told> told_;
  std::set<NodeId> thieves_;
  std::set<NodeId> stolen_for_;
  std::set<NodeId> got_share_;
  Instant names_asked_at_ = Instant{INT64_MIN / 2};
  uint64_t enlistments_seen_ = 0;
  std::size_t files_named_ = 0;  // so many there were when the names of all were known
  // Mutexes granted in this call, whose grants are not in the fold yet.
  std::map<uint32_t, report::NodeIndex> locked_now_;
  std::optional<Instant> locks_from_;
  std::map<report::NodeIndex, Instant> departed_at_;
  std::optional<report::CloseReason> stop_reason_;
  std::string stop_detail_;
  bool stop_now_ = false;
  std::optional<Instant> draining_since_;
  std::optional<Instant> ended_since_;  // what still ran, as the time to drain was over
  bool closed_ = false;
};

}  // namespace dagz::sched
