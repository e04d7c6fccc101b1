#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "mesh/time.hpp"
#include "report/job_state.hpp"
#include "report/status.hpp"
#include "sched/estimate.hpp"
#include "sched/long_tests.hpp"
#include "sched/message.hpp"
#include "sched/output_budget.hpp"
#include "sched/retry.hpp"
#include "sched/runner.hpp"

// The manager of one node's workers. It holds the node's share of the tests as groups and feeds
// each worker a window measured in expected time, never more than needed to hide the round trip, so
// that nearly everything can still move: between workers of the node for free, to other nodes on
// recall.

namespace dagz::sched {

struct VassalConfig {
  uint32_t workers = 1;
  // What a worker holds beyond the running test.
  Duration window = Duration::milliseconds(20);
  std::size_t window_tests_max = 64;
  // A test that runs for longer keeps nothing waiting behind it in its worker's queue.
  Duration take_back_after = Duration::milliseconds(50);
  // What a test is taken for at the least until a worker has run some.
  Duration unproven = Duration::milliseconds(20);
  // Ask for more when each worker has less than this left.
  Duration ask_below = Duration::milliseconds(300);
  Duration ask_every = Duration::milliseconds(100);
  // After something came: soon again, then twice as long each time.
  Duration ask_again = Duration::milliseconds(10);
  // With less than this left the end is near: results are waited for.
  Duration end_below = Duration::seconds(1);
  // A test that runs longer is ended from outside, with its worker; 0: never. Collecting a file may
  // take so many times as long, for it may be the first to import a large package.
  Duration test_timeout;
  uint32_t collection_timeouts = 10;
  // What a worker has set up may take so long to be torn down at its end.
  Duration tear_down_within = Duration::seconds(60);
  // A worker that is larger is ended between tests and begins anew; bytes, 0: never.
  uint64_t max_worker_memory = 0;
  // A worker that dies this often without finishing a test is not started again.
  uint32_t deaths_in_a_row_max = 5;
  // A runner that is lost more often, or so often in a row while nothing runs, stays lost.
  uint32_t runner_losses_max = 20;
  uint32_t idle_losses_max = 3;
  RetryLimits retry_limits;
  // A worker that is busy for longer leaves the retry at once of its own failure to another.
  Duration retry_within = Duration::seconds(1);
  // A test, the collection of a file or a tear-down that takes so long is told to people; again
  // after twice the time.
  Duration slow_test = Duration::seconds(60);
  Duration slow_collection = Duration::seconds(30);
  Duration slow_tear_down = Duration::seconds(10);
  // Workers stay idle for a heavy test if all others are expected to be done within this.
  Duration room_within = Duration::seconds(1);
};

class Vassal {
 public:
  struct Output {
    std::vector<RunnerCommand> commands;
    std::vector<report::Entry> entries;
    bool steal_request = false;
    std::optional<StopRequest> stop_request;
    std::optional<std::string> notice;  // one line, for people
    bool has_finished_test = false;
    bool ends_soon = false;  // as of the last look
  };

  Vassal(const VassalConfig& config, const report::JobState& job, Estimates& estimates)
      : config_(config), job_(job), estimates_(estimates), workers_(config.workers) {}

  // ---- from the runner
  void handle(Instant now, int64_t wall_ms, const RunnerEvent& event, Output& out);

  // ---- from the log
  // The key of a file of this node's catalog.
  void offer(report::FileKey key, uint32_t file);
  // What this node can collect file by file, in the workers.
  void found(const std::vector<FilesFound::File>& files);
  // A granted file was collected by this node, and its tests are granted to it by that.
  void expanded(const report::Expanded& expanded, Output& out);
  // One of this node's workers has collected a file; `versions` are what it holds.
  void collected(Instant now, const WorkerCollected& event,
                 const std::vector<report::FileKey>& versions, Output& out);
  // How this node and its workers are numbered, perhaps anew.
  void enlisted(const report::Enlisted& enlisted);
  // `kFenced`: under an outdated claim, all of it goes back. `kTail`: retries for the end.
  // `kCopies`: of what another node runs.
  enum class GrantKind : uint8_t { kFenced, kWork, kTail, kCopies };
  void granted(const std::vector<report::Run>& runs, GrantKind kind, Output& out);
  // Another node has finished this one: what runs here may be of no use any more.
  void finished_elsewhere(report::TestIndex test, Output& out);
  void recalled(Instant now, uint64_t number, Duration wanted, Output& out);
  // Drop what has not begun, let the workers end; `now` ends what runs, too.
  void drain(Output& out, bool now = false);
  // A new scheduler may still have work.
  void resume();
  // Give back what no worker was sent, for good. What one was sent still runs, the tests of its
  // window behind the running one as well, and counts.
  void leave(Output& out);
  // The runner broke: nothing more will come of it.
  void runner_failed(Output& out);

  // Feeds the workers and asks for more.
  void advance(Instant now, Output& out);
  Instant next_deadline() const;

  bool is_drained() const;
  bool is_draining() const { return draining_; }
  // Tests being run right now.
  std::size_t running() const;
  std::vector<report::WorkerStatus> statuses(Instant now) const;

 private:
  struct Item {
    report::TestIndex test = 0;
    report::Place place;
    LocalTest local;
    bool stolen = false;
    uint32_t batch = 0;              // the how-manieth grant it came with
    uint32_t found = report::kNone;  // its file, where files are collected one by one
    std::optional<Slot> only = {};   // no other worker has it in its collection
    bool again = false;              // failed here a moment ago
    bool tail = false;               // a retry in a fresh process
    bool copy = false;               // runs elsewhere as well
    bool suspect = false;            // ran when the runner was lost: runs alone on its node
    uint8_t excused = 0;             // runners lost when it had only just begun
  };
  struct Group {
    std::deque<Item> items;
    bool very_long = false;  // one test, which comes before what workers have reserved
  };
  // On recall.
  struct Given {
    std::vector<Item> items;
    Duration time;  // what it takes, with what it costs to begin it
  };
  struct Rank {
    Duration urgent;  // a long test that cannot wait for those that nobody knows
    bool is_new = false;
    Duration longest;  // if it is long
    Duration total;
    auto operator<=>(const Rank&) const = default;
  };
  // Against all that this node has to do: from when on a test is long, and urgent.
  struct Lengths {
    Duration long_test;
    Duration urgent;
    Duration share;  // of a worker of this node
  };
  struct Worker {
    enum class State : uint8_t { kDown, kStarting, kUp, kDraining, kGone } state = State::kDown;
    std::deque<Item> sent;        // the head is running
    std::deque<Item> group;       // reserved for it
    bool wants = false;           // waits for an answer
    bool greeted = false;         // its first question, right after the start, was heard
    bool fresh = false;           // has run nothing since its start
    Instant head_since;           // that the head runs, or that the worker starts or tears down
    Duration slow_told;           // of what it does; nothing: not yet
    bool tear_down_seen = false;  // since then it does nothing else
    bool timed_out = false;       // its end has been ordered
    bool cancelled = false;       // it ends, and what it says counts no more
    std::optional<report::Place>
        last;  // finished here: it answers for what is torn down at the end
    Instant last_finished;
    bool told_nothing = false;       // on its last question: with its test all is torn down
    std::optional<uint32_t> stands;  // the path of what is set up
    Instant taken_back_behind;       // since when that head runs behind which all was taken back
    // What its tests took lately: a guess that is much too low would fill its queue.
    Duration lately;
    uint64_t finished = 0;
    uint64_t stolen = 0;
    uint64_t stolen_finished = 0;
    Duration delta;
    uint32_t restarts = 0;
    uint32_t deaths_in_a_row = 0;
    std::set<uint32_t> collected;  // found files
    // How long its process has collected, and run tests.
    Duration collecting;
    Duration running;
    // One that is too large, or bears another number than its slot has by now, gets no more tests
    // and ends with what it has.
    bool oversized = false;
    uint32_t number = 0;      // in the whole mesh, as it was told at its start
    bool gives_back = false;  // what it has not begun, as it bears another number by now
  };

  void finish(Instant now, Slot slot, report::Finished result, Output& out);
  void on(Instant now, int64_t wall_ms, const WorkerReady& event, Output& out);
  void on(Instant now, int64_t wall_ms, const WorkerWants& event, Output& out);
  void on(Instant now, int64_t wall_ms, const TestDone& event, Output& out);
  void on(Instant now, int64_t wall_ms, const WorkerGone& event, Output& out);
  void on(Instant now, int64_t wall_ms, const TestMissing& event, Output& out);
  void on(Instant now, int64_t wall_ms, const TakenBack& event, Output& out);
  void on(Instant now, int64_t wall_ms, const WorkerMemory& event, Output& out);
  void on(Instant now, int64_t wall_ms, const RunnerLost& event, Output& out);
  void on(Instant now, int64_t wall_ms, const LeftOver& event, Output& out);
  void name_left_overs(const Item& item, report::Finished& result);
  void die_collecting(Slot slot, const WorkerGone& event, Output& out);
  void die_tearing_down(Slot slot, const WorkerGone& event, Output& out);
  static bool tears_down(const Worker& worker);
  void die_running(Instant now, int64_t wall_ms, const WorkerGone& event, Output& out);
  void reset(Worker& worker);
  void amend(const TestDone& event, report::Finished result, Output& out);
  void feed(Instant now, Slot slot, Output& out);
  Instant take_back_from(Slot slot) const;
  void take_back(Instant now, Output& out);
  void end_overdue_tests(Instant now, Output& out);
  Duration limit_of(const Item& item) const;
  Instant overdue_from(const Worker& worker) const;
  Instant slow_from(const Worker& worker) const;
  void tell_slow(Instant now, Output& out);
  std::string deed_of(const Worker& worker) const;
  void send(Instant now, Slot slot, Item item, std::vector<LocalTest>& tests);
  std::vector<Group> groups_of(const std::vector<report::Run>& runs, bool valid, Output& out);
  bool is_undecided(const Item& item) const;
  bool is_wanted(const Item& item) const;
  void put_back(Worker& worker, const std::deque<Item>::iterator& end);
  void miss(const std::vector<Item>& items, Output& out);
  Duration collection_time(uint32_t found) const;
  std::deque<Group>::iterator file_ahead(Slot slot, const std::deque<Item>& next);
  Duration foretold(const std::deque<Item>& items) const;
  std::vector<RunTests::Name> names_of(const Worker& worker, std::size_t count) const;
  static bool collects(const Item& item) { return item.local.index >= kCollectAgain; }
  static bool is_first(const Item& item) { return item.place.index == 0; }
  std::optional<Item> item_at(report::FileKey file, uint32_t index);
  bool stay_together(const Item& a, const Item& b) const;
  bool is_bound(const Item& item) const;
  bool may_be_cut(const std::deque<Item>& items) const;
  bool may_be_shortened(const std::deque<Item>& items) const;
  std::vector<Group> apart(std::deque<Item> items) const;
  void refuse(const std::vector<Item>& items, Output& out, uint64_t recall = 0);
  Duration expected(const std::deque<Item>& items) const;
  report::QueueKind queue_of(const Item& item) const;
  void give_up(const std::vector<Item>& items, uint64_t recall, Output& out);
  std::vector<Item> take_everything();
  uint32_t live_workers() const;
  void end_running_tests(Output& out);
  // Work that moves (vassal_steals.cpp)
  uint32_t path_of(const Item& item) const;
  Duration beginning_of(const Worker& worker, const Item& item) const;
  Duration running_left(const Worker& worker, Instant now) const;
  Duration busy_for(const Worker& worker, Instant now) const;
  bool is_any_in_want() const;
  Duration time_left(Instant now, Duration enough) const;
  bool steal_locally(Instant now, Slot slot);
  void take_last(std::deque<Item>& items, Given& given) const;
  void give_up_long(Duration wanted, Given& given);
  void give_up_queued(Duration wanted, Given& given);
  void give_up_reserved(Instant now, Duration wanted, Given& given);
  // Weights and mutexes (vassal_admission.cpp)
  uint32_t weight_of(const Item& item) const;
  bool is_restricted(const Item& item) const;
  bool admits(Slot slot, const Item& item) const;
  bool makes_room(Instant now, Slot slot);
  std::vector<Group> heavy_first(std::vector<Group> groups);
  std::vector<Group>::iterator first_light(std::vector<Group>& groups) const;
  void enqueue(std::vector<Group> groups);
  // Order (vassal_order.cpp)
  Lengths lengths(const std::vector<Group>& more) const;
  bool is_new(const Item& item) const;
  Duration setup_of(const Item& item) const;
  std::vector<Group> cut(Group group, Duration share) const;
  Rank rank_of(const Group& group, const Lengths& lengths) const;
  std::vector<Group> long_first(std::vector<Group> groups, const Lengths& lengths) const;
  bool is_very_long(const Item& item, Duration long_test) const;
  bool is_cheap_elsewhere(const Item& item) const;
  LongFirst order_of(const std::deque<Item>& items, Duration long_test, Duration share,
                     bool has_first) const;
  std::vector<Group> take_out_long(std::deque<Item>& items) const;
  void spread(std::vector<Group> alone, Output& out);
  void take_first(Slot slot);
  bool take_group(Instant now, Slot slot);
  bool set_aside(Instant now, Slot slot);
  void take_heavy(Slot slot);
  void return_locked(std::vector<Group>& groups, Output& out);
  // Retries (vassal_retry.cpp)
  bool tries_again(const Item& item, report::Outcome outcome) const;
  bool is_time_for_tail() const;
  void take_tail(Instant now, Slot slot, std::vector<LocalTest>& tests, std::vector<Item>& missing);
  void freshen_workers(Instant now, Output& out);
  std::optional<Slot> failed_on(const Item& item) const;
  bool keeps_retry(const Worker& worker, Instant now) const;
  bool is_held_up(const Item& item, Instant now) const;
  void give_up_tail(Instant now, Duration wanted, Given& given);
  void requeue(Worker& worker, Output& out);
  // Processes (vassal_recycle.cpp)
  uint32_t number_of(Slot slot) const { return enlisted_->first_worker + slot; }
  void start(Instant now, Slot slot, Output& out);
  void recycle(Slot slot, Output& out);
  // Tests that take their nodes down (vassal_poison.cpp)
  void tell_begun(Slot slot, std::size_t count, Output& out) const;
  // Second copies (vassal_copies.cpp)
  bool is_cancelled(Slot slot) const;
  bool is_futile(const Item& item) const;
  void cancel(Slot slot, Output& out);
  // The runner (vassal_runner.cpp)
  void suspect(Worker& worker);
  std::string loss_notice(const RunnerLost& event, const std::vector<Slot>& busy) const;

  const VassalConfig config_;
  const report::JobState& job_;
  Estimates& estimates_;
  std::map<report::FileKey, uint32_t> files_;
  std::map<std::string, uint32_t> found_;  // paths
  std::map<uint32_t, Duration> took_;      // to collect a found file
  Duration took_total_;
  std::map<report::FileKey, Slot> homes_;  // who collected it
  std::set<uint32_t> uncollectable_;       // found files that took a worker down
  std::deque<Group> queue_;
  std::deque<Item> tail_;  // when nothing else is left
  // How often retries of the tail were given up: what comes back is meant for this node.
  std::unordered_map<report::TestIndex, uint32_t> tail_given_up_;
  std::vector<Worker> workers_;
  std::unordered_set<report::TestIndex> held_;  // not finished, not given up
  bool told_missing_ = false;                   // of a test
  std::string last_death_;                      // of a worker that had not run anything
  std::optional<uint64_t> smallest_worker_;     // bytes, of those that have run a test
  bool restricted_ = false;  // a test that asks for more than a worker was granted
  std::optional<Instant> room_wanted_since_;
  std::optional<report::Enlisted> enlisted_;
  uint32_t batch_ = 0;
  bool draining_ = false;
  bool leaving_ = false;
  bool ended_ = false;  // what ran was ended
  OutputBudget output_budget_;
  bool broken_ = false;
  std::map<std::string, std::string> left_overs_;  // by the id of a test that still runs
  bool runner_lost_ = false;
  uint32_t runner_losses_ = 0;
  uint32_t idle_losses_ = 0;        // in a row, with nothing running
  std::vector<LocalTest> charged_;  // with a loss, since the last start
  Instant next_question_at_ = Instant{INT64_MIN / 2};
  Duration question_gap_;
  bool ends_soon_ = false;
};

}  // namespace dagz::sched
