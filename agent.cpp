#include "agent.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "commands/commands.hpp"
#include "commands/shared_durations.hpp"
#include "mesh/io/address.hpp"
#include "mesh/io/system_clock.hpp"
#include "options/command_identity.hpp"
#include "report/calendar.hpp"
#include "report/exit_code.hpp"
#include "report/failures.hpp"
#include "report/io/whole_file.hpp"
#include "report/io/write_all.hpp"
#include "report/job_report.hpp"
#include "report/junit.hpp"
#include "report/late_results.hpp"
#include "report/text.hpp"
#include "report/trace.hpp"
#include "sched/io/core_speed.hpp"
#include "sched/io/machine.hpp"
#include "sched/slice.hpp"
#include "sched/test_hash.hpp"
#include "sched/worker_speed.hpp"

namespace dagz {

namespace {

// Results of short tests come faster than they need to be handled: reading them in steps of this
// keeps the agent off the CPU that the tests want. A worker that may be done with what it holds
// within this is heard at once.
constexpr Duration kWorkerReadStep = Duration::milliseconds(5);
// The directories have been read by then, however slow they are at the beginning, and what lives
// has touched its entries.
constexpr Duration kForeignersSeenWithin = Duration::seconds(3);
constexpr Duration kPeersAnswerWithin = Duration::seconds(2);
constexpr int64_t kTearDownTimesGrace = 6;
constexpr Duration kDrawEvery = Duration::milliseconds(200);

// As the driver knows them, in the order of the enumerators.
constexpr std::array<const char*, 3> kCollectWords = {"auto", "shared", "whole"};
constexpr std::array<const char*, 3> kStartWords = {"auto", "fork", "spawn"};

// Which of how many nodes this is, as far as the CI tells.
std::optional<sched::Slice> slice_of(const CiRun& run) {
  if (!run.node_index || !run.node_total || *run.node_total == 0) return std::nullopt;
  return sched::Slice{*run.node_index, *run.node_total};
}

// A tear-down may stop databases and containers; where tests have a limit it is no less.
Duration tear_down_limit(const RunOptions& options) {
  if (!options.test_timeout) return options.grace * kTearDownTimesGrace;
  return std::max(options.grace, *options.test_timeout);
}

}  // namespace

int run_command(const RunOptions& options) {
  if (options.plan) return plan_command(options);
  MeshAccess access = open_mesh_access(options.network, options.place);
  if (!access.error.empty()) {
    std::fprintf(stderr, "dagz: %s\n", access.error.c_str());
    return access.exit_code;
  }
  // A setting of the project, or of all jobs of a CI, also holds where there are no slices.
  const bool slice_wanted =
      options.on_isolation == IsolationPolicy::kSlice && options.on_isolation_given;
  if (slice_wanted && !slice_of(access.run)) {
    std::fprintf(stderr,
                 "dagz: --on-isolation slice: this CI does not say which of how many nodes this "
                 "is; leave the option out, or run everything\n");
    return report::kExitUsage;
  }
  access.trust.key = mesh::Secret();
  std::error_code error;
  access.command = mesh::short_digest(command_identity(
      options.command, std::filesystem::current_path(error).string(), options.place.project_root));
  return Agent(options, std::move(access)).run();
}

Agent::Agent(const RunOptions& options, MeshAccess access)
    : options_(options),
      access_(std::move(access)),
      traits_(report::read_terminal_traits(STDOUT_FILENO, access_.run.platform != "local")),
      console_(STDOUT_FILENO, STDERR_FILENO, report::may_draw_live(traits_), traits_.columns,
               traits_.rows),
      history_(options.place.state_dir),
      carrier_(*access_.keyring) {
  color_ = wants_color(options.place, access_.run.platform != "local");
  for (const Endpoint& peer : options.network.peers) {
    given_addresses_.push_back(peer.host + ":" + std::to_string(peer.port));
  }
}

Agent::~Agent() {
  if (signal_fd_ >= 0) close(signal_fd_);
}

int Agent::fail(int code, const std::string& sentence) {
  say(sentence);
  failed_with_ = code;
  return code;
}

// What is said is read to its end, however slowly, once nobody in the job waits for this node.
int Agent::run() {
  const int code = run_to_the_end();
  console_.set_live({});
  hear_ending_signals_only(signal_fd_);
  if (events_ && !events_->drain(signal_fd_, report::kStallMaxMs)) tell_events_lost();
  console_.drain(signal_fd_);
  return code;
}

int Agent::run_to_the_end() {
  began_at_ = mesh::monotonic_now();
  // What tests leave behind comes to us.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  signal_fd_ = open_signals({SIGUSR1});
  if (console_.live()) keyboard_.open(STDIN_FILENO);

  if (!open_files()) return *failed_with_;
  const EndedSearch ended = find_ended(access_, lasting_place(), history_);
  if (!ended.note.empty()) say(ended.note);
  is_further_run_ = ended.is_further_run;
  if (ended.found && !ended.found->rerun) return conclude_late(*ended.found);
  may_slice_ = access_.run.attempt == 1;
  if (ended.found) run_again(ended.found->summary);
  if (!listen()) return *failed_with_;
  make_node();
  if (!start_discovery()) return *failed_with_;
  start_runner();
  loop();
  if (failed_with_) {
    discovery_->stop();
    return *failed_with_;
  }
  return conclude();
}

// A later attempt runs what did not pass in the earlier one.
void Agent::run_again(const report::JobSummary& earlier) {
  const std::unordered_set<std::string> passed = passed_tests(earlier);
  earlier_ = {earlier.full_id, earlier.short_id, earlier.started.ms, {}};
  const auto slice = slice_of(access_.run);
  may_slice_ = slice && std::find(earlier.notes.begin(), earlier.notes.end(),
                                  sched::slice_note(*slice)) != earlier.notes.end();
  for (const std::string& id : passed) earlier_->passed.insert(sched::test_hash(id));
  if (passed.empty()) return;
  say("this is a rerun of " + earlier.short_id + ": " + sched::left_out(passed.size()));
}

// ---- setting up -------------------------------------------------------------------------------

// What cannot be written should be known before anything starts.
bool Agent::open_files() {
  if (!options_.junit.empty()) make_folder(options_.junit);
  for (const auto& [option, path] :
       {std::pair("--junit", options_.junit), std::pair("--trace", options_.trace)}) {
    const auto reason = path.empty() ? std::nullopt : report::why_not_writable(path);
    if (!reason) continue;
    fail(report::kExitUsage,
         std::string(option) + ": " + report::visible(path) + " cannot be written: " + *reason);
    return false;
  }
  if (options_.events.empty()) return true;
  events_ = std::make_unique<report::EventFile>(options_.events);
  if (!events_->error().empty()) {
    fail(report::kExitUsage, "--events: " + events_->error());
    return false;
  }
  if (events_->is_taken()) {
    say("another node writes " + options_.events +
        " already, the events of the whole job; this node writes none");
  }
  return true;
}

bool Agent::listen() {
  mesh::raise_descriptor_limit();
  if (const std::string error = carrier_.transport().open(); !error.empty()) {
    fail(report::kExitUnusableEnvironment, error);
    return false;
  }
  const Binding binding = choose_binding(options_.network, access_);
  listen_ = carrier_.transport().listen(binding.host, binding.port);
  if (listen_.error.empty()) return true;
  fail(options_.network.listen ? report::kExitUsage : report::kExitUnusableEnvironment,
       listen_.error);
  return false;
}

// What this machine is like, and what was asked for.
NodeConfig Agent::node_config(const sched::MachineFacts& machine) const {
  NodeConfig config;
  config.profile.control_address = listen_.control_address;
  config.profile.bulk_address = listen_.bulk_address;
  config.profile.host = host_name();
  config.profile.workers = workers_;
  config.profile.speed = sched::worker_speed(sched::measure_core_speed(), machine, workers_);
  config.scheduler = scheduler_config();
  config.vassal.workers = workers_;
  config.vassal.tear_down_within = tear_down_limit(options_);
  config.vassal.max_worker_memory = options_.max_worker_memory.value_or(0);
  config.vassal.test_timeout = options_.test_timeout.value_or(Duration{});
  config.earlier = earlier_;
  config.expected_nodes = options_.nodes.value_or(access_.run.node_total.value_or(0));
  config.status_every = options_.status_interval;
  config.grace = options_.grace;
  config.ci_url = access_.run.job_url;
  config.dashboard_url = options_.dashboard_url;
  if (access_.run.node_index) config.place = *access_.run.node_index + 1;
  config.events = events_ && !events_->is_taken();
  config.report_may_be_left = !lasting_place().empty() && !is_further_run_;
  return config;
}

sched::SchedulerConfig Agent::scheduler_config() const {
  sched::SchedulerConfig config;
  config.affinity = sched_affinity(options_.affinity);
  config.retries = options_.retries;
  config.max_fail = options_.max_fail.count;
  config.max_fail_now = options_.max_fail.now;
  config.deadline = options_.deadline.value_or(Duration{});
  config.drain_within = options_.grace;
  config.tear_down_within = tear_down_limit(options_) + options_.grace;
  config.speculation = options_.speculation;
  config.strict_collection = options_.strict_collection;
  config.flaky_fails = options_.flaky == FlakyPolicy::kFail;
  if (options_.on_isolation == IsolationPolicy::kSlice && may_slice_) {
    config.slice = slice_of(access_.run);
  }
  return config;
}

void Agent::make_node() {
  const sched::MachineFacts machine = sched::read_machine();
  workers_ = options_.workers.value_or(sched::auto_workers(machine));
  NodeConfig config = node_config(machine);
  const Moment at = moment_now();
  config.seed = static_cast<uint64_t>(at.now.ns) ^ static_cast<uint64_t>(getpid());
  const auto number = history_.next_number({at.wall_ms});
  config.short_id = report::format_short_id({at.wall_ms}, number.value);
  config.job_id = full_job_id(access_, at.wall_ms, short_name(access_.crypto->node_id()));
  const auto known =
      known_durations(history_.durations().value, access_, options_.network.rendezvous);
  for (const std::string& message : history_.take_messages()) say(message);
  if (number.problem) say(*number.problem);
  node_ = std::make_unique<Node>(config, *access_.crypto, known, at);
}

bool Agent::start_discovery() {
  discovery_ = std::make_unique<mesh::Discovery>(*access_.keyring, access_.discovery);
  const Moment at = moment_now();
  const std::string error = discovery_->start({at.wall_ms, {listen_.control_address}}, at.now);
  if (!error.empty()) {
    fail(report::kExitUsage, error);
    return false;
  }
  say("job " + report::visible(job_label()) + ", node " + short_name(node_->id()) + " at " +
      listen_.control_address + ", " + std::to_string(workers_) +
      (workers_ == 1 ? " worker" : " workers"));
  say(access_.trust.description);
  for (const std::string& note : discovery_->notes()) say(note);
  return true;
}

// The job's key as people know it.
std::string Agent::job_label() const {
  if (!options_.network.job.empty()) return options_.network.job;
  return access_.run.platform == "local" ? options_.place.project_root : access_.job;
}

void Agent::start_runner() {
  sched::RunnerConfig config;
  config.argv = options_.command;
  config.extra_env = {{"DAGZ_JOB", job_label()}, {"DAGZ_NODE", short_name(node_->id())}};
  config.grace = options_.grace;
  config.collect = options_.strict_collection
                       ? "strict"
                       : kCollectWords.at(static_cast<std::size_t>(options_.collect));
  config.start_method = kStartWords.at(static_cast<std::size_t>(options_.start_method));
  config.measure_memory = options_.max_worker_memory.has_value();
  config.owns_orphans = true;
  config.file_within =
      options_.test_timeout.value_or(Duration{}) * sched::VassalConfig{}.collection_timeouts;
  if (const auto failure = runner_.start(config)) {
    runner_failure_ = *failure;
    runner_ended_ = true;
    node_->runner_event(moment_now(), *failure);
  }
}

// ---- the loop ---------------------------------------------------------------------------------

void Agent::loop() {
  while (!failed_with_) {
    look_for_report();
    Moment at = moment_now();
    poll_network(at);
    poll_discovery(at);
    poll_runner(at);
    poll_signals(at);
    if (keyboard_.take('t')) tell_what_runs(at);
    at = moment_now();
    node_->advance(at);
    perform(at);
    check_formation(at);
    draw_live(at);
    finish_runner();
    if (node_->end() && (interrupts_ > 1 || (runner_ended_ && node_->may_exit(at.now)))) return;
    Instant next = std::min({node_->next_deadline(), discovery_->next_deadline(),
                             runner_.next_deadline(), at.now + Duration::seconds(1)});
    if (node_->end()) next = std::min(next, at.now + Duration::milliseconds(20));
    if (console_.live()) next = std::min(next, next_draw_at_);
    wait(next);
  }
}

// Whether the workers are left alone for the moment.
bool Agent::pauses(Instant now) const {
  return now < read_workers_at_ && now < runner_.next_deadline();
}

void Agent::wait(Instant until) {
  console_.flush();
  std::vector<pollfd> items;
  console_.append_poll_items(items);
  if (events_ && events_->poll_fd() >= 0) items.push_back({events_->poll_fd(), POLLOUT, 0});
  for (const int fd :
       {carrier_.transport().poll_fd(), discovery_->poll_fd(), signal_fd_, keyboard_.fd()}) {
    if (fd >= 0) items.push_back({fd, POLLIN, 0});
  }
  const auto others = static_cast<std::ptrdiff_t>(items.size());
  const Instant now = mesh::monotonic_now();
  if (!runner_ended_ && pauses(now)) {
    runner_.append_hungry_workers(kWorkerReadStep, items);
    until = std::min(until, read_workers_at_);
  } else if (!runner_ended_) {
    runner_.append_poll_items(items);
  }
  // Rounded up: waking just before a deadline would only mean waiting again.
  const int64_t ms = std::clamp<int64_t>((until - now).ns / 1'000'000 + 1, 0, 1000);
  poll(items.data(), items.size(), until <= now ? 0 : static_cast<int>(ms));
  const bool heard = std::any_of(items.begin() + others, items.end(),
                                 [](const pollfd& item) { return item.revents != 0; });
  if (heard) read_workers_at_ = Instant{};
}

// The others may have closed the job without this node.
void Agent::look_for_report() {
  const Moment at = moment_now();
  if (!node_->seeks_report(at.now)) return;
  const std::string place = lasting_place();
  auto found = closed_reports_.find(access_, place, node_->job().named()->full_id);
  if (found) {
    say("job " + found->short_id + " was over before this node was back; its report is in " +
        place + ", and nothing more is begun here");
  }
  node_->sought_report(at, std::move(found));
}

void Agent::poll_network(Moment at) {
  for (const std::string& address : carrier_.receive(*node_, at)) {
    const bool given = std::find(given_addresses_.begin(), given_addresses_.end(), address) !=
                       given_addresses_.end();
    if (!given || members_seen_ > 1) continue;
    fail(report::kExitUsage,
         "the peer at " + address +
             " refuses our key: it has another secret, or belongs to another job; give all nodes "
             "the same DAGZ_SECRET and --job");
  }
}

void Agent::poll_discovery(Moment at) {
  std::vector<mesh::Candidate> candidates;
  discovery_->poll(at.now, {at.wall_ms}, candidates);
  for (const mesh::Candidate& candidate : candidates) node_->candidate(at, candidate.address);
  if (members_seen_ > 1) return;
  look_for_foreigners(at.now);
  if (!failed_with_ && !given_addresses_.empty() && !lonely_told_ &&
      at.now > began_at_ + kPeersAnswerWithin) {
    lonely_told_ = true;
    std::string peers;
    for (const std::string& peer : given_addresses_) peers += (peers.empty() ? "" : ", ") + peer;
    say("no answer from " + peers + " yet; going on alone, and asking again");
  }
}

// Nodes of this job that have another secret. Who was here first goes on: anybody may leave a file
// or send a beacon that nobody can check.
void Agent::look_for_foreigners(Instant now) {
  const mesh::DiscoveryStats& seen = discovery_->stats();
  const bool any = seen.entries_foreign + seen.beacons_foreign > 0;
  if (access_.trust.source != mesh::TrustSource::kSecret || !any) return;
  if (seen.entries_foreign_elder > 0 && now < began_at_ + kForeignersSeenWithin) {
    fail(report::kExitUsage,
         "other nodes of this job are here, but with another secret; give all nodes the same "
         "DAGZ_SECRET");
  } else if (seen.entries_foreign_unsure > 0 && now < began_at_ + kForeignersSeenWithin) {
    return;
  } else if (!std::exchange(foreigners_told_, true)) {
    say("a node with another secret wants to take part in this job, and cannot; give all nodes "
        "the same DAGZ_SECRET");
  }
}

void Agent::poll_runner(Moment at) {
  if (runner_ended_ || pauses(at.now)) return;
  std::vector<sched::RunnerEvent> events;
  runner_.poll(at.now, events);
  bool urgent = events.empty();
  for (const sched::RunnerEvent& event : events) {
    if (const auto* failed = std::get_if<sched::RunnerFailed>(&event)) {
      runner_failure_ = *failed;
      runner_ended_ = true;
    } else if (const auto* finished = std::get_if<sched::RunnerFinished>(&event)) {
      runner_output_ = finished->output;
      runner_status_ = finished->status;
      command_status_ = finished->command_status;
      runner_ended_ = true;
    } else if (const auto* more = std::get_if<sched::CommandGoesOn>(&event)) {
      say(more->ends ? "the process of pytest does not end, and is told to"
                     : "pytest has ended; `" + options_.command.front() + "` goes on");
    }
    if (!std::holds_alternative<sched::TestDone>(event) &&
        !std::holds_alternative<sched::WorkerMemory>(event)) {
      urgent = true;
    }
    node_->runner_event(moment_now(), event);
  }
  if (!urgent) read_workers_at_ = at.now + kWorkerReadStep;
}

void Agent::poll_signals(Moment at) {
  signalfd_siginfo info;
  while (read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGUSR1) {
      tell_what_runs(at);
    } else if (++interrupts_ == 1) {
      say("interrupted: what runs may finish (again to stop at once)");
      node_->interrupt(at);
    } else {
      return stop_at_once(at);
    }
  }
}

// The second signal: nobody is waited for. The next one does what it does to any process, whatever
// this one is busy with by then.
void Agent::stop_at_once(Moment at) {
  keyboard_.close();  // nobody could do it any more
  release_signals();
  say("interrupted again: what runs is ended");
  read_workers_at_ = Instant{};
  poll_runner(at);
  runner_.kill_all();
  node_->interrupt(at);
}

void Agent::tell_what_runs(Moment at) {
  say("running after " + report::format_clock(node_->elapsed(at)) + ":");
  for (const std::string& line : node_->what_runs(at)) say(line);
}

void Agent::perform(Moment at) {
  NodeActions actions = node_->take_actions();
  carrier_.perform(*node_, at, actions.links);
  name_run(actions.commands);
  for (const sched::RunnerCommand& command : actions.commands) runner_.perform(command);
  show(actions, at);
}

// Workers start once the scheduler has named the job, the same for all nodes.
void Agent::name_run(const std::vector<sched::RunnerCommand>& commands) {
  const auto& named = node_->job().named();
  if (!named) return;
  runner_.name_job(named->full_id);
  const bool starts = std::any_of(commands.begin(), commands.end(), [](const auto& command) {
    return std::holds_alternative<sched::StartWorker>(command);
  });
  if (!starts) return;
  const std::string& id = named->full_id;
  const Hash hash =
      access_.crypto->hash(Bytes(reinterpret_cast<const uint8_t*>(id.data()), id.size()));
  runner_.name_run(to_hex(hash).substr(0, 32));
}

void Agent::show(const NodeActions& actions, Moment at) {
  for (const report::ProgressEvent& event : actions.progress) {
    console_.print_progress(report::format_progress(event, color_));
  }
  const Duration elapsed = node_->elapsed(at);
  for (const report::WorkerStatus& status : actions.statuses) {
    if (console_.live()) break;
    console_.print_progress(report::format_status(elapsed, status, color_));
  }
  for (const std::string& notice : actions.notices) say(notice);
  if (events_ && !events_->write(actions.events)) tell_events_lost();
}

void Agent::tell_events_lost() {
  say("the events file " + report::visible(options_.events) +
      " could not be written any further: " + events_->error() + "; the job goes on without it");
}

void Agent::check_formation(Moment at) {
  const std::size_t members = node_->membership().working_count();
  if (members == members_seen_ || node_->end()) return;
  members_seen_ = members;
  if (members > 1) lonely_told_ = true;  // whoever is lost later is no news of that kind
  const std::string elapsed = report::format_clock(at.now - began_at_);
  say(std::to_string(members) + (members == 1 ? " node" : " nodes") + " after " + elapsed);
}

// The lines of the workers, redrawn below everything else.
void Agent::draw_live(Moment at) {
  if (!console_.live() || at.now < next_draw_at_) return;
  next_draw_at_ = at.now + kDrawEvery;
  std::vector<std::string> lines;
  if (!node_->end()) {
    for (const report::WorkerStatus& status : node_->worker_statuses(at)) {
      lines.push_back(report::format_status(node_->elapsed(at), status, color_));
    }
  }
  console_.set_live(lines);
}

// Once the job is over, the runner's own session ends too: plug-ins print their summaries.
void Agent::finish_runner() {
  if (!node_->end() || finish_asked_) return;
  finish_asked_ = true;
  if (runner_ended_) return;
  sched::FinishRunner finish;
  const NodeEnd& end = *node_->end();
  finish.hard = interrupts_ > 0 || end.kind == NodeEnd::Kind::kDeparted;
  session_stopped_ = finish.hard;
  finish.job = end.summary.full_id;
  finish.began_s = end.summary.started.ms / 1000;
  const std::string name = own_name(end.summary);
  for (const report::TestSummary& test : end.summary.tests) {
    const bool unfinished = report::bucket_of(test.verdict) == report::Bucket::kUnfinished;
    if (report::is_failure(test.verdict)) finish.failed.push_back(test.id);
    if (unfinished) finish.unfinished.push_back(test.id);
    const bool here = std::any_of(test.attempts.begin(), test.attempts.end(),
                                  [&name](const auto& attempt) { return attempt.node == name; });
    if (!here) ++finish.elsewhere;
  }
  for (const auto& error : end.summary.collection_errors) finish.failed.push_back(error.path);
  finish.tests = end.summary.counts.total;
  read_workers_at_ = Instant{};
  runner_.perform(finish);
}

// ---- the end ----------------------------------------------------------------------------------

// As pytest does for its own JUnit file. Where that fails, so does the writing: it says why.
void Agent::make_folder(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code ignored;  // that it fails shows when the file is written
  if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
}

void Agent::write_file(const std::string& path, const char* what, const std::string& text) {
  const std::string problem = report::write_whole_file(path, text);
  if (problem.empty()) return;
  say(std::string("the ") + what + " " + report::visible(path) +
      " could not be written: " + problem);
}

// As the job calls this node; empty if it never got to know it.
std::string Agent::own_name(const report::JobSummary& summary) const {
  const std::string id = short_name(node_->id());
  for (const report::NodeSummary& node : summary.nodes) {
    if (node.id == id) return node.name;
  }
  return {};
}

// Of what failed, before this job is recorded.
report::KnownFlaky Agent::known_flaky(const report::JobSummary& summary) {
  std::vector<std::string> ids;
  for (const report::TestSummary& test : summary.tests) {
    if (ids.size() == report::kFailuresShownMax) break;
    if (report::is_failure(test.verdict)) ids.push_back(test.id);
  }
  return ids.empty() ? report::KnownFlaky{} : history_.flakiness(ids).value;
}

// Everywhere where it was asked for, and into the history.
void Agent::print_report(const report::JobSummary& summary) {
  const std::string failures = report::format_failures(summary, known_flaky(summary));
  if (!failures.empty()) console_.print(failures);
  const auto hash = [this](Bytes bytes) { return access_.crypto->hash(bytes); };
  console_.print(report::to_text(report::format_job_report(summary, hash), color_));
  console_.flush();
  if (!options_.junit.empty()) {
    make_folder(options_.junit);  // a test may have removed it
    write_file(options_.junit, "JUnit file", report::format_junit(summary));
  }
  if (!options_.trace.empty()) write_file(options_.trace, "trace", report::format_trace(summary));
  report::RerunCommand again;
  if (const auto& arguments = runner_.info().arguments) {
    again = report::rerun_of(options_.command, *arguments);
  }
  const auto problem = history_.record(summary, {moment_now().wall_ms}, again);
  if (problem) say(*problem);
  for (const std::string& message : history_.take_messages()) say(message);
}

void Agent::tell_what_came_too_late() {
  const NodeEnd& end = *node_->end();
  if (end.kind != NodeEnd::Kind::kFound) return;
  const std::size_t late = report::late_results(end.summary, node_->job().summary());
  if (late == 0) return;
  say(std::to_string(late) +
      (late == 1 ? " result that this node holds is" : " results that this node holds are") +
      " not in the report of the others, which stands");
}

// The job's scheduler decided otherwise, and this node's exit code is that of the job.
void Agent::tell_what_is_not_in_force(const report::JobSummary& summary) {
  const char* otherwise = " is not in force: the node that named the job did without it";
  if (options_.flaky == FlakyPolicy::kFail && !summary.flaky_fails && summary.counts.flaky > 0) {
    say(std::string("--flaky fail") + otherwise);
  }
  if (options_.strict_collection && !summary.strict_collection && summary.collections_differ) {
    say(std::string("--strict-collection") + otherwise);
  }
  if (!node_ || !node_->end() || node_->end()->closed_by == node_->id()) return;
  const char* by_another = " is not in force: the node that scheduled the job did without it";
  const report::CloseReason reason = node_->end()->reason;
  const bool failed_enough =
      options_.max_fail.count > 0 &&
      summary.counts.failed + summary.counts.errors >= options_.max_fail.count;
  if (failed_enough && reason == report::CloseReason::kComplete) {
    say(std::string("--max-fail") + by_another);
  }
  const bool late = options_.deadline && summary.duration > *options_.deadline;
  if (late && reason == report::CloseReason::kComplete) {
    say(std::string("--deadline") + by_another);
  }
}

int Agent::exit_code_of(const report::JobSummary& summary) {
  tell_what_is_not_in_force(summary);
  report::ExitPolicy policy;
  if (options_.exit == ExitPolicy::kOwn) {
    const bool found = node_ && node_->end()->kind == NodeEnd::Kind::kFound;
    policy.own_node = node_ ? own_name(summary) : "";
    if (policy.own_node.empty() && (!node_ || found)) policy.own_node = "nobody";
  }
  policy.max_warnings = runner_status_ == report::kExitMaxWarnings;
  return report::exit_code(summary, policy);
}

// Where jobs that are over leave their report: only if the key names this one job. By default all
// runs of a checkout outside of a CI have the same.
std::string Agent::lasting_place() const {
  const bool one_job = access_.run.platform != "local" || !options_.network.job.empty();
  return one_job ? options_.network.rendezvous : "";
}

// The others were done before this node came.
int Agent::conclude_late(const EndedJob& ended) {
  say("job " + ended.summary.short_id + " was over before this node came; its report is in " +
      ended.where + ", and nothing runs again (another --job would)");
  print_report(ended.summary);
  if (const auto problem = keep_ended(access_, lasting_place(), ended.summary)) say(*problem);
  return exit_code_of(ended.summary);
}

int Agent::conclude() {
  const NodeEnd& end = *node_->end();
  const Moment at = moment_now();
  node_->say_goodbye(at);
  perform(at);
  discovery_->stop();
  console_.set_live({});

  if (!runner_output_.empty()) console_.print(runner_output_);
  if (end.kind == NodeEnd::Kind::kDeparted) {
    console_.flush();
    say("left the job; what had not begun was handed back");
    carrier_.transport().flush_and_close(Duration::milliseconds(500));
    return report::kExitInterrupted;
  }
  // A node that could run nothing says why; when nobody could, that is the job's result.
  const bool nobody = end.reason == report::CloseReason::kUnable;
  if (runner_failure_ || nobody) {
    const std::string& text = runner_failure_ ? runner_failure_->text : end.unable_text;
    const int code =
        runner_failure_ ? runner_failure_->exit_code : static_cast<int>(end.unable_code);
    if (nobody && code == 0) {
      console_.print(text);
      console_.flush();
    } else {
      say(text);
    }
    // Nothing was found and nothing can be: that sentence is the whole story.
    if (nobody && end.summary.counts.total == 0) {
      carrier_.transport().flush_and_close(Duration::milliseconds(200));
      return code;
    }
  }
  tell_what_came_too_late();
  print_report(end.summary);
  // Not for a job that was cancelled, could not begin, or was only a part.
  const bool over =
      end.reason == report::CloseReason::kComplete || end.reason == report::CloseReason::kStopped ||
      end.reason == report::CloseReason::kDeadline || end.reason == report::CloseReason::kFailed;
  if (over && !is_further_run_) {
    if (const auto problem = keep_ended(access_, lasting_place(), end.summary)) {
      say(*problem);
    }
  }
  if (end.reason == report::CloseReason::kComplete && end.closed_by == node_->id()) {
    const auto problem = keep_shared_durations(access_, options_.network.rendezvous, history_);
    if (problem) say(*problem);
  }
  carrier_.transport().flush_and_close(Duration::milliseconds(500));
  if (nobody) return static_cast<int>(end.unable_code);
  if (interrupts_ > 1) return report::kExitInterrupted;
  const int code = exit_code_of(end.summary);
  if (code != report::kExitPassed) return code;
  // The others have done without this node, and yet somebody has to mend it.
  const bool unusable =
      runner_failure_ && (runner_failure_->exit_code == report::kExitUsage ||
                          runner_failure_->exit_code == report::kExitInternalError ||
                          runner_failure_->exit_code == report::kExitUnusableEnvironment);
  return unusable ? runner_failure_->exit_code : code_of_session(end.summary);
}

// No test failed, or none of this node where only its own count, and yet something may say no.
int Agent::code_of_session(const report::JobSummary& summary) {
  // One that was stopped by this process has nothing to say on the job.
  if (session_stopped_) return report::kExitPassed;
  // The session is empty where others have found or run all there is.
  const bool empty = summary.counts.total == 0 || runner_status_ == report::kExitEmpty;
  // The session is told of all failures of the job.
  const bool told_so = runner_status_ == report::kExitFailed &&
                       report::exit_code(summary, {}) == report::kExitFailed;
  // A plug-in (a coverage limit, for instance).
  if (runner_status_ != 0 && !told_so && !empty) {
    say("pytest's session ended with status " + std::to_string(runner_status_) +
        " on this node although no test failed: a plug-in decided so");
    return runner_status_;
  }
  // What the command does besides starting pytest.
  const int status = command_status_.value_or(0);
  if (status != 0 && status != runner_status_) {
    say("`" + options_.command.front() + "` ended with status " + std::to_string(status) +
        " on this node, though its pytest session ended with " + std::to_string(runner_status_));
    return status;
  }
  return report::kExitPassed;
}

}  // namespace dagz
