#include "tests/sim/fake_runner.hpp"

#include <algorithm>

namespace dagz::sim {

using report::Outcome;

FakeRunner::FakeRunner(const Suite& suite, std::map<std::string, uint32_t>& tries, Duration collect,
                       Later later, Alarm alarm)
    : suite_(suite),
      tries_(tries),
      collect_(collect),
      later_(std::move(later)),
      alarm_(std::move(alarm)) {}

void FakeRunner::start() {
  uint32_t number = 0;
  uint32_t tests = 0;
  for (const SuiteFile& file : suite_.files) {
    sched::FileCollected collected;
    collected.file = number++;
    collected.path = file.path;
    for (const SuiteTest& test : file.tests) collected.ids.push_back(test.id);
    tests += static_cast<uint32_t>(file.tests.size());
    later_(collect_, std::move(collected));
  }
  later_(collect_ + Duration::microseconds(1), sched::CollectionDone{number, tests, 0, 0, {}});
}

void FakeRunner::perform(const sched::RunnerCommand& command) {
  if (const auto* start = std::get_if<sched::StartWorker>(&command)) {
    workers_[start->slot] = Worker{{}, true, false, false, false, ++lives_};
    later_(Duration::milliseconds(8), sched::WorkerReady{start->slot});
    later_(Duration::milliseconds(8) + Duration::microseconds(1), sched::WorkerWants{start->slot});
    return;
  }
  if (const auto* run = std::get_if<sched::RunTests>(&command)) {
    Worker& worker = workers_[run->slot];
    if (!worker.alive) return;
    worker.queue.insert(worker.queue.end(), run->tests.begin(), run->tests.end());
    if (worker.asked) {
      worker.asked = false;
      complete(run->slot);
    } else if (!worker.running && !worker.queue.empty()) {
      begin(run->slot);
    }
    return;
  }
  if (const auto* kill = std::get_if<sched::KillWorker>(&command)) {
    Worker& worker = workers_[kill->slot];
    if (!worker.alive) return;
    worker = Worker{{}, false, false, false, false, ++lives_};
    later_(Duration::microseconds(200), sched::WorkerGone{kill->slot, false, "SIGKILL", {}});
    return;
  }
  if (const auto* drain = std::get_if<sched::DrainWorker>(&command)) {
    Worker& worker = workers_[drain->slot];
    if (!worker.alive) return;
    worker.draining = true;
    if (worker.asked) {
      worker.asked = false;
      complete(drain->slot);
    } else if (!worker.running && worker.queue.empty()) {
      later_(Duration::milliseconds(2), sched::WorkerGone{drain->slot, true, {}, {}});
    }
  }
}

void FakeRunner::begin(sched::Slot slot) {
  Worker& worker = workers_[slot];
  worker.running = true;
  const sched::LocalTest test = worker.queue.front();
  alarm_(suite_.files[test.file].tests[test.index].duration, slot, worker.life);
}

void FakeRunner::test_ran(sched::Slot slot, uint64_t life) {
  Worker& worker = workers_[slot];
  if (worker.life != life) return;
  if (worker.queue.size() == 1 && !worker.draining) {
    worker.asked = true;
    later_(Duration::microseconds(50), sched::WorkerWants{slot});
    return;
  }
  complete(slot);
}

void FakeRunner::complete(sched::Slot slot) {
  Worker& worker = workers_[slot];
  const sched::LocalTest test = worker.queue.front();
  const SuiteTest& spec = suite_.files[test.file].tests[test.index];
  const uint32_t attempt = tries_[spec.id]++;
  const Outcome outcome = spec.outcomes[std::min<std::size_t>(attempt, spec.outcomes.size() - 1)];
  if (outcome == Outcome::kCrashed) {
    worker = Worker{{}, false, false, false, false, ++lives_};
    later_(Duration::microseconds(200), sched::WorkerGone{slot, false, "SIGSEGV", "boom"});
    return;
  }
  worker.queue.pop_front();
  worker.running = false;
  sched::TestDone done;
  done.slot = slot;
  done.test = test;
  done.outcome = outcome;
  done.duration = spec.duration;
  done.cpu = spec.duration / 2;
  if (report::is_failure(outcome)) done.output = "assert False\n";
  later_(Duration::microseconds(50), std::move(done));
  if (!worker.queue.empty()) {
    begin(slot);
  } else if (worker.draining) {
    later_(Duration::milliseconds(2), sched::WorkerGone{slot, true, {}, {}});
  }
}

}  // namespace dagz::sim
