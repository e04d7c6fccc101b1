#include "tests/sim/fake_runner.hpp"

#include <algorithm>

namespace dagz::sim {

using report::Outcome;

FakeRunner::FakeRunner(const Suite& suite, bool shared, std::map<std::string, uint32_t>& tries,
                       Duration collect, double speed, Later later, Alarm alarm, EndNode end_node)
    : suite_(suite),
      shared_(shared),
      tries_(tries),
      collect_(collect),
      speed_(speed),
      later_(std::move(later)),
      alarm_(std::move(alarm)),
      end_node_(std::move(end_node)) {}

void FakeRunner::start() {
  if (shared_) {
    sched::FilesFound found;
    for (const SuiteFile& file : suite_.files) found.files.push_back({file.path, file.bytes});
    sched::CollectionDone done;
    done.shared = true;
    later_(collect_, std::move(found));
    later_(collect_ + Duration::microseconds(1), std::move(done));
    return;
  }
  uint32_t number = 0;
  for (const SuiteFile& file : suite_.files) {
    sched::FileCollected collected;
    collected.file = number++;
    collected.path = file.path;
    for (const SuiteTest& test : file.tests) collected.ids.push_back(test.id);
    collected.requirements = requirements_of(file);
    collected.groups = groups_of(file);
    later_(collect_, std::move(collected));
  }
  later_(collect_ + Duration::microseconds(1), sched::CollectionDone{});
}

void FakeRunner::perform(const sched::RunnerCommand& command) {
  if (std::holds_alternative<sched::RestartRunner>(command)) lost_ = false;
  if (std::holds_alternative<sched::AbandonRunner>(command)) {
    later_(Duration::microseconds(50), sched::RunnerFailed{3, "lost too often"});
  }
  if (lost_) return;
  if (const auto* start = std::get_if<sched::StartWorker>(&command)) {
    Worker& worker = workers_[start->slot];
    worker = {};
    worker.number = start->number;
    worker.alive = true;
    worker.life = ++lives_;
    later_(Duration::milliseconds(8), sched::WorkerReady{start->slot});
    later_(Duration::milliseconds(8) + Duration::microseconds(1), sched::WorkerWants{start->slot});
    return;
  }
  if (const auto* run = std::get_if<sched::RunTests>(&command)) {
    Worker& worker = workers_[run->slot];
    if (!worker.alive) return;
    for (std::size_t i = 0; i < run->tests.size(); ++i) {
      Order order{run->tests[i], run->tests[i].file, run->tests[i].index};
      if (shared_) {
        order.file = run->names.at(i).file;
        const auto& tests = suite_.files.at(order.file).tests;
        const auto named = std::find_if(tests.begin(), tests.end(), [&](const SuiteTest& test) {
          return test.id == run->names[i].id;
        });
        order.index = static_cast<uint32_t>(named - tests.begin());
      }
      worker.queue.push_back(order);
    }
    if (worker.asked) {
      worker.asked = false;
      complete(run->slot);
    } else if (!worker.running) {
      next(run->slot);
    }
    return;
  }
  if (const auto* back = std::get_if<sched::TakeBack>(&command)) {
    take_back(back->slot);
    return;
  }
  if (const auto* kill = std::get_if<sched::KillWorker>(&command)) {
    Worker& worker = workers_[kill->slot];
    if (!worker.alive) return;
    worker = Worker{};
    worker.life = ++lives_;
    later_(Duration::microseconds(200), sched::WorkerGone{kill->slot, false, "SIGKILL", {}});
    return;
  }
  if (const auto* cancel = std::get_if<sched::CancelTest>(&command)) {
    Worker& worker = workers_[cancel->slot];
    if (!worker.alive) return;
    worker = Worker{};
    worker.life = ++lives_;
    later_(Duration::milliseconds(5), sched::WorkerGone{cancel->slot, true, {}, {}});
    return;
  }
  if (const auto* drain = std::get_if<sched::DrainWorker>(&command)) {
    Worker& worker = workers_[drain->slot];
    if (!worker.alive) return;
    worker.draining = true;
    if (worker.asked) {
      worker.asked = false;
      complete(drain->slot);
    } else if (!worker.running) {
      next(drain->slot);
    }
  }
}

std::vector<FakeRunner::Run> FakeRunner::busy() const {
  std::vector<Run> runs;
  for (const auto& [slot, worker] : workers_) {
    if (worker.running) runs.push_back({worker.number, worker.run});
  }
  return runs;
}

std::vector<const SuiteTest*> FakeRunner::running() const {
  std::vector<const SuiteTest*> tests;
  for (const auto& [slot, worker] : workers_) {
    if (!worker.running || worker.queue.empty()) continue;
    const Order& order = worker.queue.front();
    if (order.test.index >= sched::kCollectAgain) continue;
    tests.push_back(&suite_.files[order.file].tests[order.index]);
  }
  return tests;
}

// All but what has begun.
void FakeRunner::take_back(sched::Slot slot) {
  Worker& worker = workers_[slot];
  sched::TakenBack back{slot, {}};
  while (worker.queue.size() > 1) {
    back.tests.push_back(worker.queue[1].test);
    worker.queue.erase(worker.queue.begin() + 1);
  }
  later_(Duration{}, std::move(back));
}

// Begins what is at the head of the queue.
void FakeRunner::next(sched::Slot slot) {
  Worker& worker = workers_[slot];
  if (!worker.queue.empty()) {
    begin(slot);
  } else if (worker.draining) {
    later_(Duration::milliseconds(2), sched::WorkerGone{slot, true, {}, {}});
  }
}

Duration FakeRunner::here(Duration duration) const {
  return {static_cast<int64_t>(static_cast<double>(duration.ns) / speed_)};
}

void FakeRunner::begin(sched::Slot slot) {
  Worker& worker = workers_[slot];
  worker.running = true;
  worker.run = ++runs_;
  const Order order = worker.queue.front();
  const SuiteFile& file = suite_.files[order.file];
  const bool collects = order.test.index >= sched::kCollectAgain;
  const bool missing = !collects && shared_ && file.tests[order.index].fickle &&
                       !worker.collected.contains(order.file);
  if (missing) {
    worker.queue.pop_front();
    worker.running = false;
    later_(Duration::microseconds(50), sched::TestMissing{slot, order.test});
    next(slot);
    return;
  }
  if (collects) return alarm_(here(file.import), slot, worker.life);
  worker.setup = worker.set_up == order.file ? Duration{} : file.setup;
  worker.set_up = order.file;
  alarm_(here(file.tests[order.index].duration + worker.setup), slot, worker.life);
}

void FakeRunner::test_ran(sched::Slot slot, uint64_t life) {
  Worker& worker = workers_[slot];
  if (worker.life != life) return;
  if (worker.queue.front().test.index >= sched::kCollectAgain) return collected(slot);
  const Order& order = worker.queue.front();
  const SuiteTest& spec = suite_.files[order.file].tests[order.index];
  if (spec.ends_node) return end_node_(spec);
  if (worker.queue.size() == 1 && !worker.draining) {
    worker.asked = true;
    later_(Duration::microseconds(50), sched::WorkerWants{slot});
    return;
  }
  complete(slot);
}

void FakeRunner::collected(sched::Slot slot) {
  Worker& worker = workers_[slot];
  const Order order = worker.queue.front();
  const SuiteFile& file = suite_.files[order.file];
  if (file.deadly) return die(slot, file.ends_runner);
  sched::WorkerCollected event;
  event.slot = slot;
  event.file.file = order.file;
  event.took = file.import;
  if (file.broken) {
    event.errors.push_back({file.path, "ImportError"});
  } else if (order.test.index == sched::kCollectFile) {
    event.file.path = file.path;
    for (const SuiteTest& test : file.tests) event.file.ids.push_back(test.id);
    event.file.requirements = requirements_of(file);
    worker.collected.insert(order.file);
  }
  later_(Duration::microseconds(50), std::move(event));
  worker.queue.pop_front();
  worker.running = false;
  next(slot);
}

void FakeRunner::die(sched::Slot slot, bool with_runner) {
  if (with_runner) {
    for (const SuiteTest* test : running()) lost_with_.insert(test->id);
    for (auto& [other, worker] : workers_) {
      worker = {};
      worker.life = ++lives_;
    }
    lost_ = was_lost_ = true;
    // After all that is on its way from the workers.
    later_(Duration::milliseconds(10), sched::RunnerLost{"SIGKILL"});
    return;
  }
  workers_[slot] = {};
  workers_[slot].life = ++lives_;
  later_(Duration::microseconds(200), sched::WorkerGone{slot, false, "SIGSEGV", "boom"});
}

void FakeRunner::complete(sched::Slot slot) {
  Worker& worker = workers_[slot];
  const Order order = worker.queue.front();
  const SuiteTest& spec = suite_.files[order.file].tests[order.index];
  const uint32_t attempt = spec.outcomes.size() == 1 ? 0 : tries_[spec.id]++;
  const Outcome outcome = spec.outcomes[std::min<std::size_t>(attempt, spec.outcomes.size() - 1)];
  if (outcome == Outcome::kCrashed) return die(slot, spec.ends_runner);
  worker.queue.pop_front();
  worker.running = false;
  if (worker.queue.empty()) worker.set_up.reset();
  sched::TestDone done;
  done.slot = slot;
  done.test = order.test;
  done.outcome = outcome;
  done.duration = here(spec.duration + worker.setup);
  done.shared_setup = done.group_setup = here(worker.setup);
  done.cpu = done.duration / 2;
  if (report::is_failure(outcome)) done.output = "assert False\n";
  later_(Duration::microseconds(50), std::move(done));
  next(slot);
}

}  // namespace dagz::sim
