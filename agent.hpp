#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands/carrier.hpp"
#include "commands/ended_job.hpp"
#include "commands/mesh_access.hpp"
#include "mesh/io/discovery.hpp"
#include "node.hpp"
#include "options/options.hpp"
#include "report/io/console.hpp"
#include "report/io/event_file.hpp"
#include "report/io/history.hpp"
#include "report/io/keyboard.hpp"
#include "report/io/terminal.hpp"
#include "sched/io/machine.hpp"
#include "sched/io/runner_host.hpp"

// The shell around a Node: one poll loop that feeds it messages, process events, signals and the
// time, and performs what it decides. No decision about the job is made here.

namespace dagz {

class Agent {
 public:
  Agent(const RunOptions& options, MeshAccess access);
  ~Agent();

  // Runs this node's part of the job to its end. Returns the exit code.
  int run();

 private:
  int run_to_the_end();
  bool listen();
  void make_node();
  NodeConfig node_config(const sched::MachineFacts& machine) const;
  sched::SchedulerConfig scheduler_config() const;
  bool start_discovery();
  void start_runner();
  void loop();
  void wait(Instant until);
  bool pauses(Instant now) const;
  void look_for_report();
  void poll_network(Moment at);
  void poll_discovery(Moment at);
  void look_for_foreigners(Instant now);
  void poll_runner(Moment at);
  void poll_signals(Moment at);
  void stop_at_once(Moment at);
  void tell_what_runs(Moment at);
  void perform(Moment at);
  void name_run(const std::vector<sched::RunnerCommand>& commands);
  void show(const NodeActions& actions, Moment at);
  void tell_events_lost();
  void check_formation(Moment at);
  void draw_live(Moment at);
  void finish_runner();
  std::string own_name(const report::JobSummary& summary) const;
  std::string job_label() const;
  int conclude();
  std::string lasting_place() const;
  int conclude_late(const EndedJob& ended);
  void run_again(const report::JobSummary& earlier);
  report::KnownFlaky known_flaky(const report::JobSummary& summary);
  void print_report(const report::JobSummary& summary);
  void tell_what_came_too_late();
  void tell_what_is_not_in_force(const report::JobSummary& summary);
  int exit_code_of(const report::JobSummary& summary);
  int code_of_session(const report::JobSummary& summary);
  bool open_files();
  void make_folder(const std::string& path);
  void write_file(const std::string& path, const char* what, const std::string& text);
  void say(const std::string& line) { console_.say(line); }
  int fail(int code, const std::string& sentence);

  RunOptions options_;
  MeshAccess access_;
  report::TerminalTraits traits_;
  report::Console console_;
  report::Keyboard keyboard_;
  bool color_ = false;
  report::History history_;
  std::unique_ptr<report::EventFile> events_;
  Carrier carrier_;
  std::unique_ptr<mesh::Discovery> discovery_;
  sched::RunnerHost runner_;
  std::unique_ptr<Node> node_;
  mesh::Listen listen_;
  uint32_t workers_ = 1;

  int signal_fd_ = -1;
  int interrupts_ = 0;
  std::vector<std::string> given_addresses_;  // by --peers
  std::optional<sched::EarlierAttempt> earlier_;
  // Of what a rerun has to run, others may have run a part, and may not come again.
  bool may_slice_ = true;
  bool is_further_run_ = false;  // this CI job has run the command before
  ClosedReports closed_reports_;
  std::size_t members_seen_ = 1;
  Instant began_at_;
  bool runner_ended_ = false;
  bool finish_asked_ = false;
  bool session_stopped_ = false;
  Instant read_workers_at_;
  Instant next_draw_at_;
  std::optional<sched::RunnerFailed> runner_failure_;
  std::string runner_output_;
  int runner_status_ = 0;              // of pytest's session
  std::optional<int> command_status_;  // of all that the command did
  bool lonely_told_ = false;
  bool foreigners_told_ = false;
  std::optional<int> failed_with_;
};

}  // namespace dagz
