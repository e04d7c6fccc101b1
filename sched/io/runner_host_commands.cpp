#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iterator>
#include <utility>

#include "mesh/check.hpp"
#include "sched/io/runner_host.hpp"

// What the cores decide, done to the processes of the runner.

namespace dagz::sched {
namespace {

constexpr Duration kStacksPatience = Duration::milliseconds(300);
constexpr Duration kCancelPatience = Duration::seconds(2);  // until it tears down

}  // namespace

void RunnerHost::name_run(const std::string& uid) {
  if (run_uid_.empty()) run_uid_ = uid;
}

void RunnerHost::name_job(const std::string& name) {
  if (job_told_ || job_name_ == name) return;
  job_name_ = name;
  tell_job();
}

void RunnerHost::tell_job() {
  if (zygote_ == nullptr || job_name_.empty()) return;
  zygote_->channel.send(encode_job(job_name_));
  job_told_ = true;
}

void RunnerHost::perform(const RunnerCommand& command) {
  if (phase_ == Phase::kIdle || phase_ == Phase::kEnded) return;
  std::visit([this](const auto& value) { do_command(value); }, command);
}

void RunnerHost::do_command(const StartWorker& start) {
  CHECK(!workers_.contains(start.slot) && start.slot < kSlotsMax);
  const std::string path = files_.tickets_path(start.slot);
  Tickets tickets(path);
  if (!tickets.open()) {
    events_.emplace_back(
        WorkerGone{start.slot,
                   false,
                   fmt::format("cannot make the pipe {}: {}", path, std::strerror(errno)),
                   {}});
    return;
  }
  workers_[start.slot].tickets = std::move(tickets);
  files_.begin_log(start.slot);
  if (collected_) return fork_worker(start);
  to_fork_.push_back(start);
}

void RunnerHost::fork_worker(const StartWorker& start) {
  if (zygote_ == nullptr) return;  // the runner's end is about to be told
  wake_zygote();
  zygote_->channel.send(
      encode_fork({start.slot, start.number, files_.log_path(start.slot),
                   files_.tickets_path(start.slot), worker_environment(start, run_uid_)}));
}

void RunnerHost::do_command(const RunTests& run) {
  const auto it = workers_.find(run.slot);
  if (it == workers_.end()) return;
  Worker& worker = it->second;
  worker.given.insert(worker.given.end(), run.tests.begin(), run.tests.end());
  std::vector<RunOrder> orders;
  for (std::size_t i = 0; i < run.tests.size(); ++i) {
    const auto failed = failed_runs_.find(run.tests[i]);
    RunOrder& order = orders.emplace_back(RunOrder{run.tests[i]});
    if (failed != failed_runs_.end()) order.run = failed->second + 1;
    if (!run.names.empty()) order.name = &run.names[i];
  }
  // Who is told of a test finds its ticket, unless that was taken back meanwhile.
  if (!run.tests.empty() && !worker.tickets.put(run.tests.size()) && worker.fault.empty()) {
    worker.fault = "killed: somebody wrote into its pipe of tickets";
    return kill_worker(worker);
  }
  tell(run.slot, encode_run(orders));
}

void RunnerHost::do_command(const TakeBack& back) {
  const auto it = workers_.find(back.slot);
  if (it == workers_.end()) return;
  std::deque<LocalTest>& given = it->second.given;
  const std::size_t count = std::min(it->second.tickets.take_back(), given.size());
  const auto first = given.end() - static_cast<std::ptrdiff_t>(count);
  events_.emplace_back(TakenBack{back.slot, {first, given.end()}});
  given.erase(first, given.end());
}

void RunnerHost::do_command(const DrainWorker& drain) { tell(drain.slot, encode_drain()); }

void RunnerHost::do_command(const CancelTest& cancel) {
  const auto it = workers_.find(cancel.slot);
  if (it == workers_.end()) return;
  const pid_t pid = target_of(it->second);
  if (it->second.connection == nullptr || pid <= 1) return kill_worker(it->second);
  tell(cancel.slot, encode_cancel());
  ::kill(pid, SIGINT);
  it->second.kill_at = std::min(it->second.kill_at, now_ + kCancelPatience);
}

void RunnerHost::do_command(const KillWorker& kill) {
  const auto it = workers_.find(kill.slot);
  if (it == workers_.end()) return;
  Worker& worker = it->second;
  const pid_t pid = target_of(worker);
  if (!kill.stacks || worker.connection == nullptr || pid <= 1) return kill_worker(worker);
  // What it says from now on comes too late.
  drop(*worker.connection);
  ::kill(pid, SIGRTMAX);
  worker.kill_at = std::min(worker.kill_at, now_ + kStacksPatience);
}

void RunnerHost::do_command(const FinishRunner& finish) {
  if (phase_ == Phase::kLost) return end(RunnerFinished{});
  phase_ = Phase::kFinishing;
  process_->read_output(kHearOutMax);
  process_->output().clear();
  // A runner that has begun to collect once more has nothing to tell.
  const bool useless = restarted_ && !collected_;
  if (finish.hard || useless || zygote_ == nullptr) return kill_all();
  // Who still collects would hear of it at the end of that, if there is one.
  if (!collected_) ask_at_ = now_;
  wake_zygote();
  zygote_->channel.send(encode_finish(finish));
}

void RunnerHost::do_command(const RestartRunner& restart) {
  CHECK(phase_ == Phase::kLost);
  forget_dead_workers();
  for (const LocalTest& test : restart.charged) ++failed_runs_[test];
  restarted_ = true;
  files_.unmark_taken();
  files_told_ = tests_told_ = 0;
  collected_ = file_open_ = connected_ = differs_ = false;
  found_.clear();
  to_fork_.clear();
  if (auto failure = start_command()) end(std::move(*failure));
}

void RunnerHost::do_command(const AbandonRunner&) {
  if (phase_ == Phase::kLost) end(std::move(*lost_));
}

// A worker that is gone is told nothing: its WorkerGone is under way.
void RunnerHost::tell(Slot slot, const std::string& line) {
  const auto it = workers_.find(slot);
  if (it == workers_.end()) return;
  Worker& worker = it->second;
  if (worker.connection != nullptr) {
    worker.connection->channel.send(line);
  } else if (worker.claimed_pid == 0) {
    worker.unsent += line;
  }
}

}  // namespace dagz::sched
