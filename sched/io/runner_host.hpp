#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mesh/io/descriptor.hpp"
#include "mesh/time.hpp"
#include "sched/io/line_channel.hpp"
#include "sched/io/orphans.hpp"
#include "sched/io/process.hpp"
#include "sched/io/runner_files.hpp"
#include "sched/io/tickets.hpp"
#include "sched/runner.hpp"
#include "sched/runners/pytest_driver.hpp"
#include "sched/runners/pytest_environment.hpp"
#include "sched/runners/pytest_protocol.hpp"

struct pollfd;

namespace dagz::sched {

struct RunnerConfig {
  std::vector<std::string> argv = {"pytest"};
  std::vector<EnvironmentEntry> extra_env;           // DAGZ_JOB, DAGZ_NODE
  std::string cwd;                                   // empty: ours
  std::string collect = "whole";                     // or "shared", "auto", "strict"
  std::string start_method;                          // of workers: "fork", "spawn"; empty: auto
  bool measure_memory = false;                       // of workers, after each test
  bool owns_orphans = false;                         // they are told, and ended at the end
  Duration grace = Duration::seconds(10);            // between the polite and the hard kill
  Duration slow_collection = Duration::seconds(30);  // one that takes longer is told
  Duration file_within;  // of one file, by the zygote; nothing: no limit
  Duration finish_patience = Duration::seconds(120);     // for summaries and reports of plug-ins
  std::span<const DriverModule> driver = kPytestDriver;  // must outlive `start`
};

// What the runner said about itself; complete once CollectionDone has been reported.
struct RunnerInfo {
  std::string pytest;
  std::vector<std::string> notes;                    // for people
  std::optional<report::RunnerArguments> arguments;  // of its command line, if that is clear
  uint32_t threads = 0;  // beside the main one, when the zygote begins to fork
};

// Runs the user's command and, through the driver inside it, forks and feeds the workers: commands
// in, events out, as sched/runner.hpp describes them. Never blocks. One thread makes all calls, and
// it must outlive the host (the command dies with it).
//
// - RunnerLost ends the workers, too, with no WorkerGone; then RestartRunner or AbandonRunner is
// due.
// - Exactly one RunnerFailed (from `start` or `poll`) or RunnerFinished ends the stream of events;
//   workers that are alive then get no WorkerGone. Commands after it do nothing.
// - A worker's tests are reported before its WorkerGone. Only tests that were given to a worker and
//   not yet reported by it can be reported by it, and the last one that was up to twice more.
// - A worker that breaks the protocol (tests can write into any descriptor) is killed; a zygote
//   that does ends the runner.
// - The trust root's variables are kept from the command.
class RunnerHost {
 public:
  RunnerHost() = default;
  RunnerHost(const RunnerHost&) = delete;
  RunnerHost& operator=(const RunnerHost&) = delete;
  // No process of the command's or of a worker's group and no file stays behind.
  ~RunnerHost();

  // Once only. A command that cannot be started is told here, all later ends by `poll`.
  std::optional<RunnerFailed> start(const RunnerConfig& config);

  // Everything that `poll` waits for, as plain descriptors.
  void append_poll_items(std::vector<pollfd>& items) const;
  // Of these only workers that may be done with all they hold within `time`, if all of it is as
  // quick as their last test.
  void append_hungry_workers(Duration time, std::vector<pollfd>& items) const;
  // Does what can be done now, and appends what happened.
  void poll(Instant now, std::vector<RunnerEvent>& out);
  // `poll` wants to be called then, even if no descriptor is ready.
  Instant next_deadline() const;

  // PYTEST_XDIST_TESTRUNUID of all workers that are started from now on: should be the same on all
  // nodes, and different in each run. Only the first word counts.
  void name_run(const std::string& uid);
  // The same for the runner's own session, as early as it is known. What a runner has heard stays:
  // one that is started again has to collect the same.
  void name_job(const std::string& name);
  void perform(const RunnerCommand& command);
  // SIGKILL to the command, its zygote and all workers. The end is reported by `poll`.
  void kill_all();

  const RunnerInfo& info() const { return info_; }
  // The worker's process, for measuring it; 0 while unknown.
  pid_t worker_pid(Slot slot) const;
  // Lines that were refused, of workers, the zygote and strangers.
  uint64_t rejected_lines() const { return rejected_lines_; }

 private:
  static constexpr std::size_t kHearOutMax = 64 << 20;  // bytes of a peer that has ended

  enum class Phase { kIdle, kCollecting, kRunning, kLost, kFinishing, kEnded };
  enum class Role { kUnknown, kZygote, kWorker };

  struct Connection {
    LineChannel channel;
    pid_t pid = 0;  // from the kernel, not from the peer
    Instant hello_by = Instant::never();
    Role role = Role::kUnknown;
    Slot slot = 0;         // of a worker
    bool dropped = false;  // no line of it counts any more
  };

  struct Worker {
    int32_t forked_pid = 0;   // as the zygote tells it
    int32_t claimed_pid = 0;  // as the worker tells it: must be the same
    pid_t pid = 0;            // as the kernel tells it: what is killed
    Connection* connection = nullptr;
    std::string unsent;  // lines for it from before its hello
    std::deque<LocalTest> given;
    Tickets tickets;
    FileCollected file;  // being told
    // May be told again: wider fixtures failed to be torn down.
    std::optional<LocalTest> last_done;
    uint32_t late_words = 0;     // on that
    Duration cpu;                // of that
    bool asked_for_end = false;  // of the run
    bool said_bye = false;
    bool kill_wanted = false;  // before its pid was known
    Instant kill_at = Instant::never();
    Instant measured_at;  // its memory
    std::string fault;    // why we killed it
  };
  using Workers = std::map<Slot, Worker>;

  // Lines come in.
  void accept_peers();
  void service_ready();
  bool service(Connection& connection);
  void hear_out(Connection& connection);
  void hear_out_workers();
  void handle(Connection& connection, DriverMessage& message);
  void handle_hello(Connection& connection, const DriverMessage& message);
  void handle_zygote(DriverMessage& message);
  void handle_worker(Connection& connection, DriverMessage& message);
  void drop(Connection& connection);
  void closed(Connection& connection);
  void misbehaved(Connection& connection, const std::string& why);
  void sweep_connections();

  // What they say.
  void on_zygote_hello(Connection& connection, const ZygoteHello& hello);
  void on_worker_hello(Connection& connection, const WorkerHello& hello);
  void on_found(FoundPart& part);
  void on_file(FilePart& part);
  void on_worker_file(Worker& worker, FilePart& part);
  void on_filed(Worker& worker, Slot slot, FiledLine& filed);
  void on_missing(Worker& worker, Slot slot, const MissingLine& missing);
  std::string what_is_too_large(const std::string& path, std::size_t tests, std::size_t more) const;
  void refuse_collection(std::string why);
  bool add_part(FileCollected& file, FilePart& part);
  void on_collected(Collected& collected);
  void on_forked(const WorkerForked& forked);
  void on_exited(const WorkerExited& exited);
  void on_done(Worker& worker, Slot slot, DoneLine& done);
  void measure(Worker& worker, Slot slot);
  void look_for_orphans();
  void tell_if_slow();
  Instant collecting_until() const;
  void collects_too_long();

  void do_command(const StartWorker& start);
  void do_command(const RunTests& run);
  void do_command(const TakeBack& back);
  void do_command(const DrainWorker& drain);
  void do_command(const CancelTest& cancel);
  void do_command(const KillWorker& kill);
  void do_command(const FinishRunner& finish);
  void do_command(const RestartRunner& restart);
  void do_command(const AbandonRunner& abandon);
  std::optional<RunnerFailed> start_command();
  void fork_worker(const StartWorker& start);
  bool collected_the_same(const Collected& collected);

  void tell(Slot slot, const std::string& line);
  pid_t target_of(const Worker& worker) const;
  void kill_worker(Worker& worker);
  void wake_zygote() const;
  void tell_job();
  void command_ended(int wait_status);
  bool was_lost() const;
  bool goes_on() const;
  void lose(int wait_status, RunnerFailed failure);
  void forget_peers();
  void end(RunnerEvent event);
  void forget_workers();
  void forget_dead_workers();
  void check_deadlines();

  Phase phase_ = Phase::kIdle;
  RunnerConfig config_;
  std::string run_uid_;
  std::string job_name_;
  bool job_told_ = false;
  RunnerInfo info_;
  Instant now_;
  std::vector<RunnerEvent> events_;  // for the next `poll`

  RunnerFiles files_;  // outlives the processes that use it
  std::optional<Process> process_;
  std::vector<std::unique_ptr<Connection>> connections_;
  Connection* zygote_ = nullptr;
  bool same_pids_ = false;  // the zygote's pids mean the same to us
  bool connected_ = false;  // there was a zygote
  Workers workers_;
  std::map<LocalTest, uint32_t> failed_runs_;  // and those after them: only such tests run again
  Orphans orphans_;
  Instant looked_for_orphans_at_;
  Instant began_at_;  // to collect
  Instant slow_at_ = Instant::never();
  std::string collecting_;  // the zygote does, since then
  Instant collecting_since_;
  std::vector<Descriptor> dying_;  // pidfds of workers that were killed with their runner

  FileCollected file_;  // being told
  bool file_open_ = false;
  std::vector<FilesFound::File> found_;
  uint32_t files_told_ = 0;
  uint32_t tests_told_ = 0;
  bool collected_ = false;

  // Of a runner that was lost.
  std::optional<RunnerFailed> lost_;    // what it comes to if it is not started again
  bool restarted_ = false;              // the catalog is known
  bool differs_ = false;                // from the one before
  std::vector<uint64_t> fingerprints_;  // of the files that were told, in their order
  std::vector<StartWorker> to_fork_;    // once all is collected again

  std::optional<std::string> failure_;
  std::optional<std::string> exit_reason_;  // of a pytest.exit before all was collected
  std::optional<int> session_status_;
  Instant ask_at_ = Instant::never();   // SIGTERM to the command
  Instant kill_at_ = Instant::never();  // kill_all
  Instant wake_at_;                     // the zygote, once more
  bool asked_ = false;
  bool going_on_told_ = false;
  uint64_t rejected_lines_ = 0;
};

}  // namespace dagz::sched
