#include <catch2/catch.hpp>

#include "tests/support/scheduler_bench.hpp"

using namespace dagz;
using namespace dagz::test;
using report::Outcome;

namespace {

std::vector<KnownDuration> history(Duration each) {
  std::vector<KnownDuration> known;
  for (const std::string& id : names_of("f", 4)) known.push_back({id, each});
  return known;
}

// A and B with a worker each; B has run everything but one test, which A has been running for so
// long, by its own word.
struct Stragglers : SchedulerBench {
  explicit Stragglers(const SchedulerConfig& config = {}, Duration each = Duration::seconds(1))
      : SchedulerBench(config, history(each)) {
    join(kA, 1);
    join(kB, 1);
    for (const NodeId& id : {kA, kB}) collect(id, kFile, "f", 4);
  }
  void start() {
    collected(kA);
    collected(kB);
    advance();
    take_as_expected(kB, SIZE_MAX);
    take_as_expected(kA, 1);
  }
  void take_as_expected(const NodeId& id, std::size_t count) {
    for (const report::Place& place : held(id)) {
      if (count-- == 0) return;
      report::Finished result = finished(place.file, place.index);
      result.duration = estimates.of(job.test_at(place.file, place.index));
      write(id, result);
    }
  }
  void run_for(Duration time) {
    now = now + time;
    report::WorkerStatus status;
    status.current = job.tests()[job.test_at(kFile, held(kA).front().index)].id;
    status.running_for = time;
    scheduler.told(now, kA, {status});
    ask(kB);
  }
  std::vector<report::Granted> copies() const {
    auto granted = written<report::Granted>();
    std::erase_if(granted, [](const report::Granted& one) { return !one.copies; });
    return granted;
  }
};

SchedulerConfig with(void (*change)(SchedulerConfig&)) {
  SchedulerConfig config;
  change(config);
  return config;
}

}  // namespace

TEST_CASE("scheduler: an idle worker gets a copy of a test that takes twice its time", "[sched]") {
  Stragglers bench;
  bench.start();
  bench.run_for(Duration::milliseconds(1900));
  CHECK(bench.copies().empty());
  bench.run_for(Duration::milliseconds(2000));
  REQUIRE(bench.copies().size() == 1);
  CHECK(bench.copies()[0].to == kB);
  CHECK(bench.copies()[0].runs.size() == 1);
  CHECK(bench.held(kA).size() == bench.held(kB).size());
  // One is enough, whatever becomes of it.
  bench.finish(kB, 1, Outcome::kFailed);
  bench.run_for(Duration::seconds(60));
  CHECK(bench.copies().size() == 1);
}

TEST_CASE("scheduler: no copies where little is saved, or nobody wants them", "[sched]") {
  Stragglers quick({}, Duration::milliseconds(100));
  quick.start();
  quick.run_for(Duration::milliseconds(900));
  CHECK(quick.copies().empty());
  Stragglers off(with([](SchedulerConfig& config) { config.speculation = false; }));
  off.start();
  off.run_for(Duration::seconds(60));
  CHECK(off.copies().empty());
  // Without a history a long test is as likely to be long elsewhere.
  SchedulerBench unknown;
  unknown.join_ready(kA, 1);
  unknown.advance();
  unknown.join_ready(kB, 1);
  report::WorkerStatus status;
  status.current = unknown.job.tests()[0].id;
  status.running_for = Duration::seconds(60);
  unknown.scheduler.told(unknown.now, kA, {status});
  unknown.ask(kB);
  CHECK(unknown.written<report::Granted>().size() == 1);
}

TEST_CASE("scheduler: no copy of a test that wants to be alone with something", "[sched]") {
  for (const report::Required& mark :
       {report::Required{kFile, true, 1, {}, 1, {0, 1, 2, 3}},
        report::Required{kFile, false, 2, {}, 1, {0, 1, 2, 3}},
        report::Required{kFile, false, 1, "port", 1, {0, 1, 2, 3}}}) {
    Stragglers bench;
    bench.write(kA, mark);
    bench.start();
    bench.run_for(Duration::seconds(60));
    CHECK(bench.copies().empty());
  }
}

TEST_CASE("scheduler: what a suspect holds is hedged, whatever it takes", "[sched]") {
  SchedulerBench bench;
  bench.join_ready(kA, 3);
  bench.advance();
  REQUIRE(bench.held(kA).size() == 3);
  bench.join_ready(kB, 3, 2);
  bench.advance();
  CHECK(bench.held(kB).empty());
  bench.live[0].suspected = true;
  bench.scheduler.set_live(bench.live);
  bench.ask(kB);
  // As many as it has idle workers.
  CHECK(bench.held(kB).size() == 2);
  CHECK(bench.written<report::Granted>().back().copies);
  CHECK(bench.held(kA).size() == 3);
  // Its death opens the rest; what the copies found stays.
  bench.finish(kB);
  bench.lose(kA);
  bench.ask(kB);
  CHECK(bench.held(kB).size() == 1);
  bench.finish(kB);
  CHECK(bench.job.counts().passed == 3);
}

TEST_CASE("scheduler: who is silent is not asked to give up work", "[sched]") {
  SchedulerBench bench({}, history(Duration::seconds(1)));
  bench.join_ready(kA, 4);
  bench.advance();
  bench.join_ready(kB, 4);
  bench.ask(kB);
  REQUIRE(bench.written<report::Recalled>().size() == 1);
  bench.live[0].suspected = true;
  bench.scheduler.set_live(bench.live);
  bench.ask(kB);
  CHECK(bench.written<report::Recalled>().size() == 1);
  CHECK(bench.held(kB).size() == 1);
}
