#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mesh/awareness.hpp"
#include "mesh/config.hpp"
#include "mesh/election.hpp"
#include "mesh/ledger.hpp"
#include "mesh/links.hpp"
#include "mesh/membership.hpp"
#include "mesh/overlay.hpp"
#include "mesh/probe.hpp"
#include "mesh/relay.hpp"
#include "mesh/rng.hpp"
#include "report/events.hpp"
#include "report/job_state.hpp"
#include "report/progress.hpp"
#include "report/status.hpp"
#include "sched/estimate.hpp"
#include "sched/rerun.hpp"
#include "sched/runner.hpp"
#include "sched/scheduler.hpp"
#include "sched/vassal.hpp"
#include "wire.hpp"

// One mesh member, whole and pure: events and the time go in, actions come out. The agent performs
// them with sockets, processes and a terminal; the simulator with none of these.

namespace dagz {

// Both clocks at one moment: decisions use the first, records the second.
struct Moment {
  Instant now;
  int64_t wall_ms = 0;
};

struct NodeConfig {
  mesh::Config mesh;
  sched::SchedulerConfig scheduler;
  sched::VassalConfig vassal;
  std::optional<sched::EarlierAttempt> earlier;  // of this job, as this node remembers it
  mesh::Profile profile;                         // unsigned; the node completes it
  std::string ci_url;
  std::string dashboard_url;
  uint32_t place = 0;  // among the nodes of the CI step, from 1; 0: unknown
  std::string job_id;  // names the job if this node becomes its scheduler
  std::string short_id;
  uint32_t expected_nodes = 0;  // a hint for the report; 0: nobody said
  uint64_t seed = 1;
  mesh::Role role = mesh::Role::kVassal;
  bool events = false;              // tell what happens, line by line
  bool report_may_be_left = false;  // by those who close the job, where the shell can look for it
  Duration status_every = Duration::seconds(30);
  // After the end: how long the scheduler stays for those that lack a part of the logs.
  Duration linger = Duration::seconds(3);
  // Between the polite and the hard end of what runs.
  Duration grace = Duration::seconds(10);
};

// Everything that one call wants done, in order of the fields.
struct NodeActions {
  mesh::LinkActions links;
  std::vector<sched::RunnerCommand> commands;
  std::vector<report::ProgressEvent> progress;
  std::vector<report::WorkerStatus> statuses;
  std::vector<std::string> notices;  // one line each, for stderr, safe to print
  std::string events;                // whole lines, for --events
};

// How this node's part ended.
struct NodeEnd {
  enum class Kind : uint8_t {
    kClosed,    // the job is over and this node holds all of it
    kDeparted,  // this node left before the end
    kForsaken,  // an archivist's: all others are gone, and nobody has closed the job
    kFound,     // others have closed the job, and of that there is only the report that they left
  } kind = Kind::kClosed;
  report::JobSummary summary;
  // Who closed the job, and with what words: a better closing may be heard of later, too late.
  // Neither is known of a report that was found; its reason is complete or stopped, by its tests.
  NodeId closed_by;
  report::Closed closed;
  report::CloseReason reason = report::CloseReason::kComplete;
  uint32_t unable_code = 0;  // why nobody could run anything, as an exit code
  std::string unable_text;
};

class Node {
 public:
  Node(NodeConfig config, const Crypto& crypto, const std::vector<sched::KnownDuration>& history,
       Moment at);

  // ---- events
  void candidate(Moment at, const std::string& address);
  void dialled(Moment at, const std::string& address, mesh::Lane lane, mesh::LinkId link);
  void link_up(Moment at, mesh::LinkId link);
  void link_down(Moment at, mesh::LinkId link, mesh::LinkLoss loss);
  void receive(Moment at, mesh::LinkId link, mesh::Lane lane, Bytes bytes);
  void runner_event(Moment at, const sched::RunnerEvent& event);
  // Once: hand back what has not begun, finish what runs, leave. Twice: leave now, and if all
  // others go as well, with a report of what is known here.
  void interrupt(Moment at);
  // Whether others may have closed the job without this node: it has lost them all, or stood still
  // for long. It schedules nothing until it is told whether they have left the job's report.
  bool seeks_report(Instant now) const;
  // That of this node's job (`job().named()`), if it is there: then this node ends with it, as soon
  // as its workers have ended.
  void sought_report(Moment at, std::optional<report::JobSummary> found);
  void advance(Moment at);

  Instant next_deadline() const;
  NodeActions take_actions();

  // Set once this node has nothing more to do but wind up its runner.
  const std::optional<NodeEnd>& end() const { return end_; }
  // True once others no longer need this node either: the process may exit.
  bool may_exit(Instant now) const;
  // Says goodbye; call before exiting.
  void say_goodbye(Moment at);

  // ---- for the agent's eyes and the simulator's checkers
  const NodeId& id() const { return self_.id; }
  const mesh::Membership& membership() const { return membership_; }
  const mesh::Election& election() const { return election_; }
  const report::JobState& job() const { return job_; }
  const mesh::Ledger& ledger() const { return ledger_; }
  const mesh::Links& links() const { return links_; }
  const sched::Vassal& vassal() const { return vassal_; }
  const mesh::Claim& fence() const { return fence_; }
  bool is_scheduler() const { return election_.is_scheduler(self_.id); }
  Duration elapsed(Moment at) const;
  // Every worker of the job as this node last heard.
  std::vector<report::WorkerStatus> worker_statuses(Moment at) const;
  // What each of them runs now, a line each, as far as this node knows.
  std::vector<std::string> what_runs(Moment at) const;

  // ---- for observers
  void ask(Moment at, Query query);
  const std::optional<std::string>& answer() const { return answer_; }  // the first one
  // From the question to the answer, of each member that has answered.
  const std::map<NodeId, Duration>& round_trips() const { return round_trips_; }

 private:
  // mesh (node.cpp)
  void on_member_change(Instant now, const mesh::Member& member, mesh::MemberChange change);
  void on_new_peer(Moment at, const mesh::Profile& profile);
  void handle(Moment at, const NodeId& from, const Message& message, bool from_observer);
  void on(Moment at, const NodeId& from, const mesh::Ping& message);
  void on(Moment at, const NodeId& from, const mesh::Ack& message);
  void on(Moment at, const NodeId& from, const mesh::PingRequest& message);
  void on(Moment at, const NodeId& from, const mesh::Rumours& message);
  void on(Moment at, const NodeId& from, const mesh::PushPull& message);
  void on(Moment at, const NodeId& from, const mesh::StateDigest& message);
  void on(Moment at, const NodeId& from, const mesh::Relayed& message);
  void on(Moment at, const NodeId& from, const mesh::Announce& message);
  void on(Moment at, const NodeId& from, const mesh::LogDigest& message);
  void on(Moment at, const NodeId& from, const mesh::LogPush& message);
  void on(Moment at, const NodeId& from, const sched::NamesWanted& message);
  void on(Moment at, const NodeId& from, const sched::StealRequest& message);
  void on(Moment at, const NodeId& from, const sched::WorkerReport& message);
  void on(Moment at, const NodeId& from, const sched::StopRequest& message);
  void on(Moment at, const NodeId& from, const Query& message);
  void on(Moment at, const NodeId& from, const QueryAnswer& message);
  bool send(Instant now, const NodeId& to, const Message& message,
            mesh::Lane lane = mesh::Lane::kControl);
  bool send_through_another(Instant now, const NodeId& to, Buffer content);
  std::optional<NodeId> go_between(const NodeId& to);
  void meet(Moment at, mesh::Profile profile);
  void take_rumours(Moment at, const std::vector<mesh::Statement>& rumours);
  std::vector<mesh::Statement> some_rumours();
  std::vector<mesh::Profile> some_newcomers();
  void send_view(Instant now, const NodeId& to, bool answer);
  const NodeId* random_peer(bool also_dead = false);
  void perform(Instant now, const mesh::Prober::Requests& requests);
  void advance_mesh(Moment at);
  void guard_against_stall(Instant now);
  void await_first_view(Instant now);
  bool is_shut_out(const NodeId& id) const;
  bool is_unheard(Instant now, const NodeId& id) const;
  std::vector<NodeId> watched() const;
  Instant next_weave_at() const;
  void weave_overlay(Instant now);
  void advance_gossip(Moment at);
  void remind_of_end(Moment at);
  void claim_changed(Moment at);

  // events (node_events.cpp)
  void tell(const std::string& notice);
  report::EventLog::When event_time(Instant now) const;
  void tell_member(Instant now, const mesh::Member& member, mesh::MemberChange change);
  void tell_scheduler(Instant now);

  // logs and work (node_work.cpp)
  void write(const report::Entry& entry);
  void advance_work(Moment at);
  void fold(Moment at);
  void folded(Moment at, const NodeId& origin, const report::Entry& entry);
  void tests_changed(Moment at);
  void tell_progress(Moment at, const report::Test& test, const report::Attempt& attempt);
  void run_scheduler(Moment at);
  void perform(Moment at, sched::Vassal::Output output);
  void publish_logs(Moment at);
  void push_batches(Instant now, const NodeId& to, std::vector<mesh::LogBatch> batches);
  void shut_out(const mesh::Profile& author, const NodeId& told_by);
  report::FileKey offer(sched::FileCollected file);
  void tell_found(sched::FilesFound found);
  void worker_collected(Moment at, const sched::WorkerCollected& event, sched::Vassal::Output& out);
  void list(report::FileKey key);
  void list_requirements(report::FileKey key, const sched::FileCollected& file);
  void close(report::Closed closed);
  std::vector<NodeId> lost_nodes() const;
  void tell_alone(const report::Granted& granted);
  void take_grants(Moment at);
  void drain(Moment at);
  void report_workers(Moment at);
  void update_live_nodes();
  std::string answer_query(Moment at, const Query& query) const;

  // the end (node_end.cpp)
  void finish(Moment at);
  bool holds_exactly(const report::Closed& closed) const;
  bool somebody_lacks(Instant now) const;
  bool others_hold_all() const;
  report::JobState fold_anew(const report::Closed& closed, const NodeId& closed_by) const;
  std::optional<NodeEnd> end_with_what_is_known(Moment at, const std::string& detail) const;
  void end_forsaken(Moment at);
  void end_found(Moment at);
  NodeEnd end_with(const report::JobState& state) const;
  bool everybody_departs() const;
  bool is_forsaken(Moment at) const;
  bool has_departed() const { return end_ && end_->kind == NodeEnd::Kind::kDeparted; }
  bool schedules_no_more() const;
  bool may_miss_the_end() const;
  bool is_out_of_touch() const;
  bool is_handed_over() const;
  bool has_left(Moment at);
  void end_tests(Moment at);
  void hand_over(Instant now);
  void heard_holdings(const NodeId& from, const std::vector<mesh::LogPosition>& positions);

  // reruns (node_rerun.cpp)
  void skip_passed(report::FileKey key, const std::vector<std::string>& ids);
  void tell_earlier_attempt();
  void rerun_changed(const report::Entry& entry);

  NodeConfig config_;
  const Crypto& crypto_;
  Rng rng_;
  mesh::Profile self_;
  Instant started_at_;
  int64_t started_wall_ms_ = 0;

  mesh::Links links_;
  mesh::Relay relay_;
  bool relays_ = false;  // this node has passed on others' words
  mesh::Membership membership_;
  mesh::Awareness awareness_;
  mesh::Prober prober_;
  mesh::Election election_;
  mesh::Ledger ledger_;
  report::JobState job_;
  std::map<NodeId, uint64_t> folded_lengths_;  // of the logs, in the state of the job
  sched::Estimates estimates_;
  sched::Rerun rerun_;
  sched::Scheduler scheduler_;
  sched::Vassal vassal_;

  report::EventLog events_;
  NodeActions actions_;
  std::optional<NodeEnd> end_;
  std::optional<Query> query_;
  std::optional<std::string> answer_;
  std::map<NodeId, Instant> asked_at_;
  std::map<NodeId, Duration> round_trips_;

  uint32_t links_made_ = 0;
  Instant held_until_ = Instant::never();   // as a scheduler, after a long stall
  Instant expected_at_ = Instant::never();  // when this node wanted to be called again
  bool stood_still_ = false;                // for long, and no report was sought since
  Instant seeks_again_at_{};
  std::optional<report::JobSummary> found_;  // what others left of the job
  Instant end_found_by_ = Instant::never();
  Instant next_gossip_at_;
  Instant view_changed_at_;
  Instant next_digest_at_;
  Instant next_view_at_;
  Instant next_announce_at_;
  Instant next_reminder_at_{};  // of the end
  Instant next_log_flush_at_ = Instant::never();
  Instant next_fan_out_at_;
  Instant next_worker_report_at_;
  Instant next_status_at_;
  bool flush_now_ = false;
  bool ends_soon_ = false;  // this node's own work
  bool live_nodes_dirty_ = true;
  Instant weave_by_ = Instant::never();
  bool view_heard_ = false;  // somebody else's
  std::set<NodeId> neighbours_;

  std::map<report::FileKey, sched::FileCollected> catalog_;
  std::set<report::FileKey> listed_;
  std::map<NodeId, std::vector<report::WorkerStatus>> reported_;
  NodeId last_scheduler_;
  mesh::Claim fence_;  // the best claim under which work was taken
  std::map<std::pair<report::NodeIndex, sched::Slot>, Duration> lag_;  // per worker of the mesh
  std::set<NodeId> departed_;
  std::vector<mesh::LogBatch> to_forward_;
  mesh::Claim drained_told_;
  struct WaitingGrant {
    report::Run run;
    sched::Vassal::GrantKind kind = sched::Vassal::GrantKind::kFenced;
  };
  std::vector<WaitingGrant> waiting_grants_;  // for names that are still on their way
  bool departing_ = false;
  bool cut_short_ = false;  // was interrupted twice
  Instant end_tests_at_ = Instant::never();
  Instant depart_by_ = Instant::never();
  std::optional<Instant> drained_at_;
  bool takes_leave_ = false;  // schedules nothing any more
  Instant next_hand_over_at_{};
  uint64_t own_log_held_ = 0;  // so much of it a member who stays has said to hold
  std::optional<Instant> closed_seen_at_;
  std::optional<Instant> ended_at_;
  std::map<NodeId, uint64_t> logs_of_;  // the digest of what others hold, as last heard
  std::map<NodeId, Instant> lacking_;   // when they last asked for logs that they did not have
  bool goodbye_said_ = false;
  // Has closed a slice: whoever comes now must not take that for the whole job.
  bool deaf_ = false;
};

}  // namespace dagz
