#include "sched/io/runner_host.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iterator>
#include <string_view>
#include <utility>
#include <variant>

#include "mesh/check.hpp"
#include "report/entry.hpp"
#include "sched/exit_status.hpp"
#include "sched/runners/pytest_exit.hpp"
#include "sched/runners/pytest_stacks.hpp"
#include "sched/test_hash.hpp"

namespace dagz::sched {
namespace {

constexpr int kFailed = 1;
constexpr int kInternalError = 3;
constexpr int kUnusable = 16;
constexpr std::size_t kReadMax = 1 << 20;  // bytes of one connection in one `poll`
constexpr std::size_t kPeersMax = 64;      // connections without a hello
constexpr Duration kHelloPatience = Duration::seconds(10);
constexpr Duration kReapInterval = Duration::milliseconds(50);  // without pidfds
constexpr Duration kWrapperPatience = Duration::seconds(1);  // of a command whose pytest has died
constexpr Duration kWakeEvery = Duration::seconds(1);  // workers wait for a zygote that is stopped
// Of one test: when its module is torn down for want of work, and at the end of the session. Every
// one is an entry that all nodes keep.
constexpr uint32_t kLateWordsMax = 2;
constexpr int kDeathPatienceMs = 2'000;  // after SIGKILL

// Between two collections of one suite by one node, nobody tries to make two equal.
uint64_t fingerprint_of(const std::string& path, const std::vector<std::string>& ids) {
  constexpr std::string_view kEnd = "\xff";
  uint64_t hash = fnv1a(kEnd, fnv1a(path));
  for (const std::string& id : ids) hash = fnv1a(kEnd, fnv1a(id, hash));
  return hash;
}

void wait_for_deaths(const std::vector<Descriptor>& pidfds) {
  for (const Descriptor& pidfd : pidfds) {
    pollfd item{pidfd.get(), POLLIN, 0};
    if (pidfd.valid()) ::poll(&item, 1, kDeathPatienceMs);
  }
}

}  // namespace

RunnerHost::~RunnerHost() {
  if (phase_ != Phase::kIdle && phase_ != Phase::kEnded) {
    kill_all();
    forget_workers();
  }
  wait_for_deaths(dying_);
  if (config_.owns_orphans) end_orphans(process_ && process_->running() ? process_->pid() : 0);
}

std::optional<RunnerFailed> RunnerHost::start(const RunnerConfig& config) {
  CHECK(phase_ == Phase::kIdle && !config.argv.empty());
  config_ = config;
  if (auto problem = files_.create(config.driver)) return RunnerFailed{kUnusable, *problem};
  auto failure = start_command();
  if (failure) files_.remove();
  return failure;
}

std::optional<RunnerFailed> RunnerHost::start_command() {
  ProcessSpec spec;
  spec.argv = config_.argv;
  spec.cwd = config_.cwd;
  spec.env = command_environment(
      own_environment(),
      {files_.socket_path(), files_.module_directory(), config_.collect, config_.start_method},
      config_.extra_env);
  process_.emplace();
  if (const auto error = process_->start(spec)) {
    return explain_start_failure(config_.argv, error->not_found, std::strerror(error->error));
  }
  phase_ = Phase::kCollecting;
  began_at_ = Instant::never();  // the time is told by `poll`
  return std::nullopt;
}

void RunnerHost::append_poll_items(std::vector<pollfd>& items) const {
  auto add = [&items](int fd, int events) {
    if (fd >= 0) items.push_back({fd, static_cast<short>(events), 0});
  };
  if (process_) {
    add(process_->output_fd(), POLLIN);
    add(process_->exit_fd(), POLLIN);
  }
  if (phase_ == Phase::kEnded) return;
  add(files_.listen_fd(), POLLIN);
  for (const auto& connection : connections_) {
    const LineChannel& channel = connection->channel;
    add(channel.fd(), channel.wants_write() ? POLLIN | POLLOUT : POLLIN);
  }
}

// Durations say less than CPU: on a busy machine they are mostly waiting, and then a worker that
// gets its turn runs dry.
void RunnerHost::append_hungry_workers(Duration time, std::vector<pollfd>& items) const {
  for (const auto& [slot, worker] : workers_) {
    const Duration busy = worker.cpu * static_cast<int64_t>(worker.given.size());
    if (worker.connection == nullptr || busy >= time) continue;
    items.push_back({worker.connection->channel.fd(), POLLIN, 0});
  }
}

void RunnerHost::poll(Instant now, std::vector<RunnerEvent>& out) {
  now_ = now;
  if (process_) process_->read_output();
  const std::optional<int> wait_status = process_ ? process_->reap() : std::nullopt;
  if (phase_ != Phase::kIdle && phase_ != Phase::kEnded) {
    service_ready();
    const bool told = phase_ == Phase::kEnded || phase_ == Phase::kLost;
    if (wait_status && !told) command_ended(*wait_status);
    check_deadlines();
    sweep_connections();
  }
  std::move(events_.begin(), events_.end(), std::back_inserter(out));
  events_.clear();
}

Instant RunnerHost::next_deadline() const {
  if (!events_.empty()) return now_;
  if (phase_ == Phase::kIdle) return Instant::never();
  Instant next = Instant::never();
  if (process_ && process_->running() && process_->exit_fd() < 0) next = now_ + kReapInterval;
  if (phase_ == Phase::kEnded || phase_ == Phase::kLost) return next;
  if (phase_ == Phase::kFinishing && ask_at_ == Instant::never() && !asked_) return now_;
  if (phase_ == Phase::kCollecting) next = std::min({next, slow_at_, collecting_until()});
  next = std::min({next, ask_at_, kill_at_});
  if (!workers_.empty()) next = std::min(next, wake_at_);
  for (const auto& connection : connections_) next = std::min(next, connection->hello_by);
  for (const auto& [slot, worker] : workers_) next = std::min(next, worker.kill_at);
  return next;
}

void RunnerHost::check_deadlines() {
  if (phase_ == Phase::kEnded) return;
  for (const auto& connection : connections_) {
    if (connection->hello_by <= now_) drop(*connection);
  }
  for (auto& [slot, worker] : workers_) {
    if (worker.kill_at <= now_) kill_worker(worker);
  }
  if (!workers_.empty() && wake_at_ <= now_) {
    wake_zygote();
    wake_at_ = now_ + kWakeEvery;
  }
  if (phase_ == Phase::kFinishing && ask_at_ == Instant::never() && !asked_) {
    ask_at_ = now_ + config_.finish_patience;
  }
  if (ask_at_ <= now_ && goes_on()) {
    ask_at_ = Instant::never();
    if (!std::exchange(going_on_told_, true)) events_.emplace_back(CommandGoesOn{false});
  }
  if (ask_at_ <= now_) {
    ask_at_ = Instant::never();
    asked_ = true;
    if (session_status_) events_.emplace_back(CommandGoesOn{true});
    process_->kill_group(SIGTERM);
    kill_at_ = std::min(kill_at_, now_ + config_.grace);
  }
  if (kill_at_ <= now_) kill_all();
  tell_if_slow();
}

void RunnerHost::tell_if_slow() {
  if (phase_ != Phase::kCollecting) return;
  if (began_at_ == Instant::never()) {
    began_at_ = now_;
    slow_at_ = now_ + config_.slow_collection;
  }
  if (now_ >= collecting_until()) return collects_too_long();
  if (now_ < slow_at_) return;
  events_.emplace_back(CollectionSlow{now_ - began_at_, connected_, collecting_});
  slow_at_ = now_ + (now_ - began_at_);
}

// Where a worker collects, it is the one that is ended, and its file fails alone.
Instant RunnerHost::collecting_until() const {
  const bool limited = config_.file_within.ns > 0 && !collecting_.empty() && !collected_;
  return limited ? collecting_since_ + config_.file_within : Instant::never();
}

void RunnerHost::collects_too_long() {
  kill_all();
  end(RunnerFailed{kFailed, fmt::format("collecting {} has taken longer than {:.1f}s, ten times "
                                        "--test-timeout: it hangs, or needs a longer limit",
                                        collecting_, config_.file_within.to_seconds())});
}

// ---- lines come in ----------------------------------------------------------------------------

void RunnerHost::accept_peers() {
  const auto strangers = static_cast<std::size_t>(
      std::count_if(connections_.begin(), connections_.end(),
                    [](const auto& connection) { return connection->role == Role::kUnknown; }));
  for (std::size_t n = strangers; n < kPeersMax; ++n) {
    std::optional<RunnerFiles::Peer> peer = files_.accept_peer();
    if (!peer) return;
    connections_.push_back(std::make_unique<Connection>(Connection{
        LineChannel(std::move(peer->socket), kWorkerLineMax), peer->pid, now_ + kHelloPatience}));
  }
}

void RunnerHost::service_ready() {
  std::vector<pollfd> items = {{files_.listen_fd(), POLLIN, 0}};
  for (const auto& connection : connections_) {
    const LineChannel& channel = connection->channel;
    const int events = channel.wants_write() ? POLLIN | POLLOUT : POLLIN;
    items.push_back({channel.fd(), static_cast<short>(events), 0});
  }
  if (::poll(items.data(), items.size(), 0) < 0) return;
  if (items[0].revents != 0) accept_peers();
  // The workers first: what one of them said is heard before the zygote tells of its end.
  for (const bool zygote : {false, true}) {
    for (std::size_t i = 1; i < items.size(); ++i) {
      Connection& connection = *connections_[i - 1];
      const bool idle = items[i].revents == 0 && connection.channel.open();
      if (idle || (&connection == zygote_) != zygote) continue;
      if ((items[i].revents & POLLOUT) != 0) connection.channel.flush();
      service(connection);
    }
  }
}

// True if there may be more to hear.
bool RunnerHost::service(Connection& connection) {
  if (connection.dropped) return false;
  const bool more = connection.channel.receive(kReadMax);
  while (const auto line = connection.channel.next_line()) {
    DriverMessage message = decode_driver_line(*line);
    handle(connection, message);
    if (connection.dropped) return false;
  }
  if (connection.channel.overlong()) {
    misbehaved(connection, "a line longer than its limit");
  } else if (!connection.channel.open()) {
    closed(connection);
  }
  return more && !connection.dropped;
}

// Everything that a peer wrote before it ended.
void RunnerHost::hear_out(Connection& connection) {
  for (std::size_t taken = 0; taken < kHearOutMax && service(connection); taken += kReadMax) {
  }
}

void RunnerHost::hear_out_workers() {
  accept_peers();
  // What they say may bring in others, who have their turn later.
  const std::size_t count = connections_.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (connections_[i].get() != zygote_) hear_out(*connections_[i]);
  }
}

void RunnerHost::handle(Connection& connection, DriverMessage& message) {
  if (const auto* bad = std::get_if<BadLine>(&message)) return misbehaved(connection, bad->why);
  switch (connection.role) {
    case Role::kUnknown:
      return handle_hello(connection, message);
    case Role::kZygote:
      return handle_zygote(message);
    case Role::kWorker:
      return handle_worker(connection, message);
  }
}

void RunnerHost::handle_hello(Connection& connection, const DriverMessage& message) {
  if (const auto* zygote = std::get_if<ZygoteHello>(&message)) {
    on_zygote_hello(connection, *zygote);
  } else if (const auto* worker = std::get_if<WorkerHello>(&message)) {
    on_worker_hello(connection, *worker);
  } else {
    misbehaved(connection, "a message before the hello");
  }
}

void RunnerHost::handle_zygote(DriverMessage& message) {
  if (auto* part = std::get_if<FilePart>(&message)) {
    on_file(*part);
  } else if (auto* found = std::get_if<FoundPart>(&message)) {
    on_found(*found);
  } else if (auto* collecting = std::get_if<CollectingLine>(&message)) {
    collecting_ = std::move(collecting->path);
    collecting_since_ = now_;
  } else if (auto* collected = std::get_if<Collected>(&message)) {
    on_collected(*collected);
  } else if (const auto* forked = std::get_if<WorkerForked>(&message)) {
    on_forked(*forked);
  } else if (const auto* exited = std::get_if<WorkerExited>(&message)) {
    on_exited(*exited);
  } else if (auto* failed = std::get_if<ZygoteFailed>(&message)) {
    failure_ = std::move(failed->text);
    kill_at_ = std::min(kill_at_, now_ + config_.grace);
  } else if (auto* request = std::get_if<ExitRequestLine>(&message)) {
    if (collected_) {
      events_.emplace_back(ExitRequested{std::move(request->reason)});
    } else {
      exit_reason_ = std::move(request->reason);
    }
  } else if (const auto* finished = std::get_if<ZygoteFinished>(&message)) {
    session_status_ = finished->status;
  } else {
    misbehaved(*zygote_, "a worker's message from the zygote");
  }
}

void RunnerHost::handle_worker(Connection& connection, DriverMessage& message) {
  const Slot slot = connection.slot;
  Worker& worker = workers_.at(slot);
  if (auto* done = std::get_if<DoneLine>(&message)) {
    on_done(worker, slot, *done);
  } else if (auto* part = std::get_if<FilePart>(&message)) {
    on_worker_file(worker, *part);
  } else if (auto* filed = std::get_if<FiledLine>(&message)) {
    on_filed(worker, slot, *filed);
  } else if (const auto* missing = std::get_if<MissingLine>(&message)) {
    on_missing(worker, slot, *missing);
  } else if (std::holds_alternative<WantLine>(message)) {
    measure(worker, slot);
    events_.emplace_back(WorkerWants{slot});
  } else if (auto* request = std::get_if<ExitRequestLine>(&message)) {
    worker.asked_for_end = true;
    events_.emplace_back(ExitRequested{std::move(request->reason), request->status == 1});
  } else if (std::holds_alternative<CancelledLine>(message)) {
    if (worker.kill_at != Instant::never()) worker.kill_at = now_ + config_.grace;
  } else if (std::holds_alternative<ByeLine>(message)) {
    worker.said_bye = true;
    worker.kill_at = std::min(worker.kill_at, now_ + config_.grace);
  } else {
    misbehaved(connection, "a zygote's message from a worker");
  }
}

void RunnerHost::drop(Connection& connection) {
  if (connection.role == Role::kWorker) workers_.at(connection.slot).connection = nullptr;
  if (&connection == zygote_) zygote_ = nullptr;
  connection.channel.close();
  connection.dropped = true;
}

// The peer ended the connection.
void RunnerHost::closed(Connection& connection) {
  const Role role = connection.role;
  drop(connection);
  if (role == Role::kWorker) {
    // Its end is told by the zygote; a process that only closed its descriptors is of no more use.
    Worker& worker = workers_.at(connection.slot);
    worker.kill_at = std::min(worker.kill_at, now_ + config_.grace);
    wake_zygote();
  } else if (role == Role::kZygote && goes_on()) {
    ask_at_ = std::min(ask_at_, now_ + config_.grace);
  } else if (role == Role::kZygote && phase_ != Phase::kFinishing &&
             files_told_ + tests_told_ > 0) {
    for (auto& [slot, worker] : workers_) kill_worker(worker);
    kill_at_ = std::min(kill_at_, now_ + (was_lost() ? kWrapperPatience : config_.grace));
  }
}

void RunnerHost::misbehaved(Connection& connection, const std::string& why) {
  ++rejected_lines_;
  const Role role = connection.role;
  drop(connection);
  if (role == Role::kWorker) {
    Worker& worker = workers_.at(connection.slot);
    worker.fault = fmt::format("killed: it wrote into the runner's socket ({})", why);
    kill_worker(worker);
  } else if (role == Role::kZygote) {
    kill_all();
    end(RunnerFailed{kInternalError, fmt::format("the pytest driver broke its protocol: {}", why)});
  }
}

void RunnerHost::sweep_connections() {
  std::erase_if(connections_, [](const auto& connection) { return connection->dropped; });
}

// ---- what they say ----------------------------------------------------------------------------

void RunnerHost::on_zygote_hello(Connection& connection, const ZygoteHello& hello) {
  // A command may start pytest twice: the second one is heard only if the first had nothing to say
  // (after that it does not even ask: RunnerFiles::mark_taken).
  if (zygote_ != nullptr || phase_ != Phase::kCollecting || files_told_ > 0 || file_open_) {
    return drop(connection);
  }
  connection.role = Role::kZygote;
  connection.hello_by = Instant::never();
  connection.channel.set_line_max(kZygoteLineMax);
  zygote_ = &connection;
  connected_ = true;
  same_pids_ = hello.pid == connection.pid;
  info_.pytest = hello.pytest;
  info_.notes = hello.notes;
  info_.arguments = hello.arguments;
  tell_job();
}

void RunnerHost::on_worker_hello(Connection& connection, const WorkerHello& hello) {
  const auto it = workers_.find(hello.slot);
  if (it == workers_.end()) return drop(connection);
  Worker& worker = it->second;
  const bool expected = worker.forked_pid == 0 || worker.forked_pid == hello.pid;
  if (worker.claimed_pid != 0 || !expected) return drop(connection);
  connection.role = Role::kWorker;
  connection.hello_by = Instant::never();
  connection.slot = hello.slot;
  worker.connection = &connection;
  worker.claimed_pid = hello.pid;
  worker.pid = connection.pid;
  if (worker.kill_wanted) return kill_worker(worker);
  events_.emplace_back(WorkerReady{hello.slot});
  connection.channel.send(std::exchange(worker.unsent, {}));
}

void RunnerHost::on_file(FilePart& part) {
  if (collected_ || part.file != files_told_) return misbehaved(*zygote_, "a file out of order");
  if (!file_open_) file_ = {part.file, std::move(part.path), {}, {}, {}};
  const std::size_t more = part.ids.size();
  std::string too_large = what_is_too_large(file_.path, file_.ids.size() + more, more);
  if (!too_large.empty()) return refuse_collection(std::move(too_large));
  if (!add_part(file_, part)) return misbehaved(*zygote_, "groups or marks of unknown tests");
  file_open_ = part.more;
  if (file_open_) return;
  ++files_told_;
  const uint64_t fingerprint = fingerprint_of(file_.path, file_.ids);
  if (!restarted_) {
    fingerprints_.push_back(fingerprint);
    events_.emplace_back(std::move(file_));
  } else if (files_told_ > fingerprints_.size() || fingerprints_[files_told_ - 1] != fingerprint) {
    differs_ = true;
  }
}

// Why a file that grows to so many tests is refused, for people; empty if it is not. What goes
// beyond these limits no node would ever hear the names of.
std::string RunnerHost::what_is_too_large(const std::string& path, std::size_t tests,
                                          std::size_t more) const {
  if (tests > report::kTestsPerFileMax) {
    return fmt::format(
        "{} holds more than {} million tests, the most that dagz takes of one file: "
        "split the file, or give its tests fewer parameters",
        path, report::kTestsPerFileMax / 1'000'000);
  }
  if (found_.size() + tests_told_ + more > report::kJobTestsMax) {
    return fmt::format(
        "`{}` collects more than {} million tests, the most that dagz takes in one "
        "job: run parts of the suite as jobs of their own, each with its own --job",
        config_.argv.front(), report::kJobTestsMax / 1'000'000);
  }
  return {};
}

// Not the runner's fault.
void RunnerHost::refuse_collection(std::string why) {
  ++rejected_lines_;
  kill_all();
  end(RunnerFailed{kUnusable, std::move(why)});
}

// False if groups or marks name tests that the file does not hold.
bool RunnerHost::add_part(FileCollected& file, FilePart& part) {
  std::move(part.ids.begin(), part.ids.end(), std::back_inserter(file.ids));
  tests_told_ += static_cast<uint32_t>(part.ids.size());
  for (LocalGroup& group : part.groups) {
    const auto same =
        std::find_if(file.groups.begin(), file.groups.end(),
                     [&group](const auto& other) { return other.name == group.name; });
    if (same == file.groups.end()) {
      file.groups.push_back(std::move(group));
    } else {
      same->indexes.insert(same->indexes.end(), group.indexes.begin(), group.indexes.end());
    }
  }
  std::move(part.requirements.begin(), part.requirements.end(),
            std::back_inserter(file.requirements));
  if (part.more) return true;
  const auto names_tests_of_file = [&file](const auto& one) {
    return std::all_of(one.indexes.begin(), one.indexes.end(),
                       [&file](uint32_t index) { return index < file.ids.size(); });
  };
  return std::all_of(file.groups.begin(), file.groups.end(), names_tests_of_file) &&
         std::all_of(file.requirements.begin(), file.requirements.end(), names_tests_of_file);
}

void RunnerHost::on_found(FoundPart& part) {
  if (collected_ || files_told_ > 0 || file_open_ ||
      found_.size() + part.files.size() > kCatalogFilesMax) {
    return misbehaved(*zygote_, "too many files, or found too late");
  }
  std::move(part.files.begin(), part.files.end(), std::back_inserter(found_));
}

// A worker tells the tests of a file that it was told to collect.
void RunnerHost::on_worker_file(Worker& worker, FilePart& part) {
  const LocalTest order{part.file, kCollectFile};
  if (std::find(worker.given.begin(), worker.given.end(), order) == worker.given.end()) {
    return misbehaved(*worker.connection, "tests of a file that it was not given");
  }
  if (worker.file.ids.empty()) worker.file.file = part.file;
  if (worker.file.file != part.file) {
    return misbehaved(*worker.connection, "tests of two files at once");
  }
  const std::size_t more = part.ids.size();
  std::string too_large =
      what_is_too_large(found_.at(part.file).path, worker.file.ids.size() + more, more);
  if (!too_large.empty()) {
    ++rejected_lines_;
    drop(*worker.connection);
    worker.fault = "killed: " + too_large;
    return kill_worker(worker);
  }
  if (!add_part(worker.file, part)) {
    return misbehaved(*worker.connection, "groups or marks of unknown tests");
  }
}

void RunnerHost::on_filed(Worker& worker, Slot slot, FiledLine& filed) {
  const auto order =
      std::find_if(worker.given.begin(), worker.given.end(), [&filed](const LocalTest& test) {
        return test.file == filed.file && test.index >= kCollectAgain;
      });
  if (order == worker.given.end()) {
    return misbehaved(*worker.connection, "the end of a file that it was not given");
  }
  WorkerCollected event{slot, std::exchange(worker.file, {}), std::move(filed.errors), filed.took};
  event.file.file = filed.file;
  event.file.path = found_.at(filed.file).path;
  worker.given.erase(order);
  events_.emplace_back(std::move(event));
}

void RunnerHost::on_missing(Worker& worker, Slot slot, const MissingLine& missing) {
  const auto given = std::find(worker.given.begin(), worker.given.end(), missing.test);
  if (given == worker.given.end()) {
    return misbehaved(*worker.connection, "word of a test that it was not given");
  }
  worker.given.erase(given);
  events_.emplace_back(TestMissing{slot, missing.test});
}

void RunnerHost::on_collected(Collected& collected) {
  const std::size_t files = collected.shared ? found_.size() : files_told_;
  if (collected_ || file_open_ || collected.files != files || collected.tests != tests_told_) {
    return misbehaved(*zygote_, "a catalog that does not add up");
  }
  if (restarted_ && !collected_the_same(collected)) return;
  collected_ = true;
  files_.mark_taken();
  if (phase_ == Phase::kCollecting) phase_ = Phase::kRunning;
  for (const StartWorker& start : std::exchange(to_fork_, {})) fork_worker(start);
  if (restarted_) return;
  if (collected.shared) {
    events_.emplace_back(FilesFound{found_});
    for (const auto& file : found_) fingerprints_.push_back(fingerprint_of(file.path, {}));
  }
  config_.collect = collected.shared ? "shared" : "whole";
  info_.threads = collected.threads;
  std::vector<std::string> notes = info_.notes;
  std::move(collected.notes.begin(), collected.notes.end(), std::back_inserter(notes));
  events_.emplace_back(CollectionDone{collected.max_fail, std::move(collected.errors),
                                      collected.shared, std::move(collected.why),
                                      std::move(notes)});
}

void RunnerHost::on_forked(const WorkerForked& forked) {
  const auto it = workers_.find(forked.slot);
  if (it == workers_.end()) return;
  Worker& worker = it->second;
  worker.forked_pid = forked.pid;
  if (worker.claimed_pid != 0 && worker.claimed_pid != forked.pid) {
    // Somebody else said hello in its place.
    if (worker.connection != nullptr) drop(*worker.connection);
    worker.pid = 0;
    worker.fault = "killed: another process took its place";
    kill_worker(worker);
  } else if (worker.kill_wanted) {
    kill_worker(worker);
  }
}

void RunnerHost::on_exited(const WorkerExited& exited) {
  const auto it = workers_.find(exited.slot);
  if (it == workers_.end() || it->second.forked_pid != exited.pid) return;
  hear_out_workers();
  Worker& worker = it->second;
  if (worker.connection != nullptr) drop(*worker.connection);
  // What its tests left running.
  if (const pid_t pid = target_of(worker); pid > 1) kill(-pid, SIGKILL);
  WorkerGone gone;
  gone.slot = exited.slot;
  gone.clean = worker.said_bye && worker.fault.empty();
  gone.reason = !worker.fault.empty()  ? worker.fault
                : !exited.text.empty() ? exited.text
                                       : describe_exit(exited.status);
  if (!gone.clean) {
    gone.output = files_.log_tail(exited.slot);
    gone.where = innermost_frames(gone.output);
  }
  if (!gone.clean && !worker.given.empty()) ++failed_runs_[worker.given.front()];
  events_.emplace_back(std::move(gone));
  workers_.erase(it);
}

void RunnerHost::on_done(Worker& worker, Slot slot, DoneLine& done) {
  const auto given = std::find(worker.given.begin(), worker.given.end(), done.test);
  const bool late_word = given == worker.given.end() && worker.last_done == done.test;
  if (given == worker.given.end() && !late_word) {
    return misbehaved(*worker.connection, "a result of a test that it was not given");
  }
  if (done.outcome == report::Outcome::kStopped && !worker.asked_for_end) {
    return misbehaved(*worker.connection, "a test without a result");
  }
  if (late_word && ++worker.late_words > kLateWordsMax) {
    return misbehaved(*worker.connection, "a test's result over and over");
  }
  if (!late_word) {
    worker.given.erase(given);
    worker.late_words = 0;
  }
  const bool may_run_again = report::is_failure(done.outcome) ||
                             done.outcome == report::Outcome::kStopped ||
                             failed_runs_.contains(done.test);
  if (!late_word && may_run_again) ++failed_runs_[done.test];
  worker.last_done = done.test;
  worker.cpu = std::min(done.cpu, Duration::seconds(1));  // sums of it must not overflow
  measure(worker, slot);
  look_for_orphans();
  events_.emplace_back(TestDone{slot, done.test, done.outcome, done.duration, done.shared_setup,
                                done.group_setup, done.cpu, std::move(done.message),
                                std::move(done.output), std::move(done.properties)});
}

// Once for all that it says at a time.
void RunnerHost::measure(Worker& worker, Slot slot) {
  if (!config_.measure_memory || worker.measured_at == now_) return;
  worker.measured_at = now_;
  if (const auto bytes = resident_memory(target_of(worker))) {
    events_.emplace_back(WorkerMemory{slot, *bytes});
  }
}

// Once for all that has ended at a time.
void RunnerHost::look_for_orphans() {
  if (!config_.owns_orphans || looked_for_orphans_at_ == now_) return;
  looked_for_orphans_at_ = now_;
  for (Orphan& orphan : orphans_.look(process_->pid())) {
    // A worker whose zygote has died is about to follow it.
    const bool is_worker = std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
      return target_of(entry.second) == orphan.pid;
    });
    if (is_worker) continue;
    events_.emplace_back(
        LeftOver{std::move(orphan.test), fmt::format("{}, pid {}", orphan.command, orphan.pid)});
  }
}

// ---- ends -------------------------------------------------------------------------------------

pid_t RunnerHost::worker_pid(Slot slot) const {
  const auto it = workers_.find(slot);
  return it == workers_.end() ? 0 : target_of(it->second);
}

// Whom to kill; 0 while nobody knows.
pid_t RunnerHost::target_of(const Worker& worker) const {
  const pid_t pid = worker.pid > 1 ? worker.pid : same_pids_ ? worker.forked_pid : 0;
  return pid == getpid() ? 0 : pid;
}

void RunnerHost::kill_worker(Worker& worker) {
  worker.kill_at = Instant::never();
  const pid_t pid = target_of(worker);
  worker.kill_wanted = pid <= 1;
  if (worker.kill_wanted) return;
  wake_zygote();
  // Between its fork and its first steps it has no group of its own yet.
  if (kill(-pid, SIGKILL) != 0) kill(pid, SIGKILL);
}

// A test may have stopped it.
void RunnerHost::wake_zygote() const {
  if (zygote_ != nullptr && zygote_->pid > 1) kill(zygote_->pid, SIGCONT);
}

void RunnerHost::kill_all() {
  if (phase_ == Phase::kIdle || phase_ == Phase::kLost || phase_ == Phase::kEnded) return;
  // The zygote first: it would fork on.
  process_->kill_group(SIGKILL);
  if (zygote_ != nullptr && zygote_->pid > 1 && zygote_->pid != process_->pid()) {
    kill(zygote_->pid, SIGKILL);
  }
  for (auto& [slot, worker] : workers_) kill_worker(worker);
  ask_at_ = kill_at_ = Instant::never();
  asked_ = true;
}

void RunnerHost::command_ended(int wait_status) {
  hear_out_workers();
  if (zygote_ != nullptr) hear_out(*zygote_);
  if (phase_ == Phase::kEnded) return;
  process_->read_output(kHearOutMax);
  const bool by_itself = !asked_;
  kill_all();
  const std::string output = process_->output().text();
  if (phase_ == Phase::kFinishing) {
    // A command that was stopped before it had anything to run has nothing to say on the job.
    const int status = collected_ ? exit_code_of(wait_status).value_or(kInternalError) : 0;
    RunnerFinished finished{session_status_.value_or(status), output, {}};
    if (session_status_ && by_itself) {
      finished.command_status = exit_code_of(wait_status).value_or(kInternalError);
    }
    return end(std::move(finished));
  }
  const bool lost = was_lost();
  RunnerFailed failure =
      explain_command_end({config_.argv, wait_status, connected_, collected_,
                           files_.asked_for_text(), std::move(failure_), collecting_, output,
                           session_status_.has_value(), std::move(exit_reason_)});
  if (lost) return lose(wait_status, std::move(failure));
  end(std::move(failure));
}

// The command does more than start pytest, which has ended.
bool RunnerHost::goes_on() const { return session_status_ && zygote_ == nullptr; }

// It had begun to serve, here or before its restart, and has not said why it ended.
bool RunnerHost::was_lost() const {
  return (collected_ || restarted_) && !failure_ && !session_status_;
}

void RunnerHost::lose(int wait_status, RunnerFailed failure) {
  phase_ = Phase::kLost;
  lost_ = std::move(failure);
  forget_peers();
  kill_at_ = Instant::never();
  asked_ = false;
  events_.emplace_back(RunnerLost{describe_exit(wait_status)});
}

// Started again, the command must offer what it did before: its tests are known by their places.
bool RunnerHost::collected_the_same(const Collected& collected) {
  for (std::size_t i = 0; i < found_.size() && !differs_; ++i) {
    differs_ = i >= fingerprints_.size() || fingerprints_[i] != fingerprint_of(found_[i].path, {});
  }
  differs_ = differs_ || collected.files != fingerprints_.size();
  if (!differs_) return true;
  kill_all();
  end(RunnerFailed{kInternalError, fmt::format("`{}` died, was started again and collected other "
                                               "tests than before; this node cannot go on",
                                               config_.argv.front())});
  return false;
}

void RunnerHost::end(RunnerEvent event) {
  phase_ = Phase::kEnded;
  events_.push_back(std::move(event));
  forget_peers();
  files_.stop_listening();
}

void RunnerHost::forget_peers() {
  for (const auto& connection : connections_) {
    connection->channel.close();
    connection->dropped = true;
  }
  zygote_ = nullptr;
  forget_workers();
}

// All of them are killed. Their pids mean nothing from now on: nobody tells when they are reused.
void RunnerHost::forget_workers() {
  for (const auto& [slot, worker] : workers_) {
    if (const pid_t pid = target_of(worker); pid > 1) dying_.push_back(open_pidfd(pid));
  }
  workers_.clear();
}

void RunnerHost::forget_dead_workers() {
  std::erase_if(dying_, [](const Descriptor& pidfd) {
    pollfd item{pidfd.get(), POLLIN, 0};
    return !pidfd.valid() || ::poll(&item, 1, 0) > 0;
  });
}

}  // namespace dagz::sched
