#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "commands/commands.hpp"
#include "commands/console.hpp"
#include "commands/mesh_access.hpp"
#include "commands/shared_durations.hpp"
#include "mesh/ci_platform.hpp"
#include "mesh/io/descriptor.hpp"
#include "mesh/io/system_clock.hpp"
#include "report/exit_code.hpp"
#include "report/io/history.hpp"
#include "report/plan_report.hpp"
#include "sched/forecast.hpp"
#include "sched/io/machine.hpp"
#include "sched/io/runner_host.hpp"

// `dagz run --plan`: the command collects everything in this process's one runner, the plan is
// printed, and the runner ends without a test. No mesh is joined.

namespace dagz {
namespace {

std::vector<report::TestDuration> own_durations(const std::string& state_dir) {
  report::History history(state_dir);
  if (!history.exists()) return {};
  auto durations = history.durations();
  for (const std::string& message : history.take_messages()) say(message);
  if (durations.problem) say(*durations.problem);
  return std::move(durations.value);
}

// As `dagz run` would know them. Who joins no mesh needs nobody's trust but for what others left;
// where there is nothing, no key is made.
std::vector<sched::KnownDuration> planned_by(const RunOptions& options) {
  MeshAccess access;
  if (has_shared_durations(options.network.rendezvous)) {
    access = open_mesh_access(options.network, options.place);
    if (!access.error.empty()) say(access.error + "; the plan knows no durations of other hosts");
  }
  return known_durations(own_durations(options.place.state_dir), access,
                         options.network.rendezvous);
}

// The runner from its start to its end.
class Planner {
 public:
  explicit Planner(const RunOptions& options) : options_(options), forecast_(planned_by(options)) {}

  // Returns the exit code.
  int run() {
    prctl(PR_SET_DUMPABLE, 0);  // a secret may be in the environment
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signals_.reset(open_signals());
    sched::RunnerConfig config;
    config.argv = options_.command;
    config.grace = options_.grace;
    config.collect = "whole";
    runner_.name_job("plan");  // it need not wait for the name of a job
    if (const auto failure = runner_.start(config)) {
      say(failure->text);
      return failure->exit_code;
    }
    while (!ended_) wait_and_poll();
    return conclude();
  }

 private:
  void wait_and_poll() {
    std::vector<pollfd> items{{signals_.get(), POLLIN, 0}};
    runner_.append_poll_items(items);
    const Duration left = runner_.next_deadline() - mesh::monotonic_now();
    const int64_t ms = std::clamp<int64_t>(left.ns / 1'000'000 + 1, 0, 1000);
    poll(items.data(), items.size(), static_cast<int>(ms));
    signalfd_siginfo info;
    if (read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      interrupted_ = true;
      runner_.kill_all();
    }
    std::vector<sched::RunnerEvent> events;
    runner_.poll(mesh::monotonic_now(), events);
    for (const sched::RunnerEvent& event : events) take(event);
  }

  void take(const sched::RunnerEvent& event) {
    if (const auto* file = std::get_if<sched::FileCollected>(&event)) {
      forecast_.add(*file);
    } else if (const auto* done = std::get_if<sched::CollectionDone>(&event)) {
      errors_ = done->errors;
      collected_ = true;
      sched::FinishRunner finish;
      finish.ran = false;
      runner_.perform(finish);
    } else if (const auto* failed = std::get_if<sched::RunnerFailed>(&event)) {
      failure_ = *failed;
      ended_ = true;
    } else if (std::holds_alternative<sched::RunnerFinished>(event)) {
      ended_ = true;
    }
  }

  int conclude() {
    if (interrupted_) return report::kExitInterrupted;
    if (!collected_) {
      // The command only told something: --version, --collect-only and their like.
      if (failure_.exit_code == 0) print(failure_.text);
      if (failure_.exit_code != 0) say(failure_.text);
      return failure_.exit_code;
    }
    const uint32_t workers = options_.workers.value_or(sched::auto_workers(sched::read_machine()));
    const auto run = detect_ci(environment_variable);
    const uint32_t total = run ? run->node_total.value_or(1) : 1;
    const uint32_t nodes = std::max<uint32_t>(1, options_.nodes.value_or(total));
    report::PlanSummary plan = forecast_.plan(sched_affinity(options_.affinity), nodes, workers);
    for (const sched::CollectionError& error : errors_) {
      say(error.path + " could not be collected:\n" + error.text);
      plan.uncollected.push_back(error.path);
    }
    if (plan.tests == 0 && errors_.empty()) {
      say("nothing was collected, there is nothing to plan");
      return report::kExitEmpty;
    }
    const bool json = options_.format == Format::kJson;
    const int printed = print(json ? report::format_plan_json(plan) : report::format_plan(plan));
    if (printed != report::kExitPassed) return printed;
    return errors_.empty() ? report::kExitPassed : report::kExitFailed;
  }

  const RunOptions& options_;
  sched::Forecast forecast_;
  Descriptor signals_;
  sched::RunnerHost runner_;
  std::vector<sched::CollectionError> errors_;
  sched::RunnerFailed failure_;
  bool collected_ = false;
  bool interrupted_ = false;
  bool ended_ = false;
};

}  // namespace

int plan_command(const RunOptions& options) { return Planner(options).run(); }

}  // namespace dagz
