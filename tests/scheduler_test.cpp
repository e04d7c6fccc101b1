#include "sched/scheduler.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "tests/support/jobs.hpp"

using namespace dagz;
using namespace dagz::sched;
using report::Outcome;
using test::listed;
using test::numbered_id;

namespace {

const NodeId kA = numbered_id(1);
const NodeId kB = numbered_id(2);
const NodeId kC = numbered_id(3);
constexpr report::FileKey kFile = 7;

// The scheduler's node (A) with its fold; the other nodes' words are what the test writes.
struct Bench {
  report::JobState job;
  Estimates estimates;
  Scheduler scheduler;
  std::vector<LiveNode> live;
  Instant now = test::at_ms(1000);
  std::vector<std::pair<NodeId, report::Entry>> log;
  std::vector<std::pair<NodeId, std::vector<report::FileKey>>> names_wanted;
  std::vector<report::Closed> closed;

  explicit Bench(SchedulerConfig config = {}, const std::vector<KnownDuration>& history = {})
      : estimates(history), scheduler(config, job, estimates) {
    scheduler.begin(now, test::claim_by(kA), test::named(0));
  }

  void write(const NodeId& origin, const report::Entry& entry) {
    log.emplace_back(origin, entry);
    job.apply(origin, entry);
    for (const report::Change& change : job.take_changes()) {
      if (change.kind == report::Change::Kind::kKnown) estimates.add(job.tests()[change.test]);
      scheduler.changed(change);
      if (change.kind == report::Change::Kind::kFinished) {
        estimates.learn(change.test, job.tests()[change.test].attempts.back().result.duration);
      }
    }
    scheduler.seen(now, origin, entry);
  }
  // A member with as many workers; it has not collected yet.
  void join(const NodeId& id, uint32_t workers = 1) {
    live.push_back({id, workers});
    scheduler.set_live(live);
  }
  void collect(const NodeId& id, report::FileKey file, const std::string& path, uint32_t tests) {
    write(id, report::Offered{file, tests});
    write(id, listed(file, path, tests));
  }
  void collected(const NodeId& id) { write(id, report::Collected{1, 1, 0}); }
  // Joins with the same file as everybody, and is enlisted.
  void join_ready(const NodeId& id, uint32_t tests, uint32_t workers = 1) {
    join(id, workers);
    collect(id, kFile, "f", tests);
    advance();
    collected(id);
  }
  void lose(const NodeId& id) {
    std::erase_if(live, [&id](const LiveNode& one) { return one.id == id; });
    scheduler.set_live(live);
  }

  NodeId self = kA;  // whose scheduler this is

  void advance() {
    for (int round = 0; round < 20; ++round) {
      Scheduler::Output out;
      scheduler.advance(now, out);
      for (const report::Entry& entry : out.entries) write(self, entry);
      for (auto& one : out.names_wanted) names_wanted.push_back(one);
      if (out.closed) {
        closed.push_back(*out.closed);
        write(self, *out.closed);
      }
      if (out.entries.empty()) return;
    }
    FAIL("the scheduler finds no end");
  }

  // What a node holds: given to it, neither answered nor given up.
  std::vector<report::Place> held(const NodeId& id) const {
    std::vector<report::Place> places;
    const report::NodeIndex node = job.node_index(id);
    for (report::TestIndex test = 0; test < job.tests().size(); ++test) {
      for (const report::Assignment& one : job.tests()[test].assignments) {
        if (one.node == node && one.held()) places.push_back(*job.place_on(test, node));
      }
    }
    return places;
  }
  void finish(const NodeId& id, std::size_t count = SIZE_MAX, Outcome outcome = Outcome::kPassed) {
    for (const report::Place& place : held(id)) {
      if (count-- == 0) return;
      write(id, test::finished(place.file, place.index, outcome));
    }
  }
  void give_up(const NodeId& id, uint64_t recall, std::size_t count) {
    report::GaveUp answer{recall, {}};
    const auto places = held(id);
    for (std::size_t i = places.size() - count; i < places.size(); ++i) {
      answer.runs.push_back({places[i].file, places[i].index, 1});
    }
    write(id, answer);
  }
  void ask(const NodeId& id) {
    scheduler.steal_requested(id);
    advance();
  }
  template <class What>
  std::vector<What> written() const {
    std::vector<What> found;
    for (const auto& [origin, entry] : log) {
      if (const auto* one = std::get_if<What>(&entry)) found.push_back(*one);
    }
    return found;
  }
  void drain(const NodeId& id) {
    write(id, report::Drained{written<report::Draining>().back().claim});
  }
};

}  // namespace

TEST_CASE("scheduler: it names the job and numbers nodes and workers", "[sched]") {
  SchedulerConfig config;
  config.retries = 5;
  Bench bench(config);
  bench.join(kA, 4);
  bench.join(kB, 2);
  bench.advance();
  bench.join(kC, 3);
  bench.advance();
  bench.advance();
  REQUIRE(bench.written<report::Named>().size() == 1);
  CHECK(bench.job.max_retries() == 5);
  const auto enlisted = bench.written<report::Enlisted>();
  REQUIRE(enlisted.size() == 3);
  for (uint32_t i = 0; i < 3; ++i) CHECK(enlisted[i].number == i);
  CHECK(enlisted[1].first_worker == 4);
  CHECK(enlisted[2].first_worker == 6);
  CHECK(enlisted[2].node == kC);
}

TEST_CASE("scheduler: two nodes that are ready share a suite evenly", "[sched]") {
  Bench bench;
  bench.join(kA, 1);
  bench.join(kB, 1);
  bench.collect(kA, kFile, "f", 100);
  bench.collect(kB, kFile, "f", 100);
  bench.collected(kA);
  bench.collected(kB);
  bench.advance();
  CHECK(bench.held(kA).size() + bench.held(kB).size() == 100);
  CHECK(bench.held(kA).size() >= 40);
  CHECK(bench.held(kB).size() >= 40);
  // Without a history nobody can know how long it will take.
  CHECK(bench.written<report::Planned>().empty());
  // It holds them once each.
  for (const report::Test& test : bench.job.tests()) CHECK(test.assignments.size() == 1);
}

TEST_CASE("scheduler: who is ready first gets its share, the rest waits for the other", "[sched]") {
  Bench bench;
  bench.join(kB, 1);
  bench.join_ready(kA, 100);
  bench.advance();
  CHECK(bench.held(kA).size() >= 40);
  CHECK(bench.held(kA).size() <= 60);
  CHECK(bench.held(kB).empty());
  bench.collect(kB, kFile, "f", 100);
  bench.collected(kB);
  bench.advance();
  CHECK(bench.held(kA).size() + bench.held(kB).size() == 100);
}

TEST_CASE("scheduler: who runs dry meanwhile gets what waits for the other", "[sched]") {
  Bench bench;
  bench.join(kB, 1);
  bench.join_ready(kA, 100);
  bench.advance();
  bench.finish(kA);
  for (int i = 0; i < 20 && bench.job.counts().passed < 100; ++i) {
    bench.ask(kA);
    bench.finish(kA);
  }
  CHECK(bench.job.counts().passed == 100);
}

TEST_CASE("scheduler: files stay whole while there are enough of them", "[sched]") {
  Bench bench;
  for (const NodeId& id : {kA, kB}) {
    bench.join(id, 1);
    for (report::FileKey file = 1; file <= 8; ++file) {
      bench.collect(id, file, "f" + std::to_string(file), 5);
    }
    bench.collected(id);
  }
  bench.advance();
  std::map<report::FileKey, std::set<NodeId>> owners;
  for (const NodeId& id : {kA, kB}) {
    CHECK(bench.held(id).size() == 20);
    for (const report::Place& place : bench.held(id)) owners[place.file].insert(id);
  }
  for (const auto& [file, nodes] : owners) CHECK(nodes.size() == 1);
}

TEST_CASE("scheduler: a named group is given to one node, however long it is", "[sched]") {
  SchedulerConfig config;
  config.affinity = Affinity::kGroup;
  Bench bench(config);
  bench.join(kA, 1);
  bench.join(kB, 1);
  std::vector<uint32_t> group;
  for (uint32_t i = 0; i < 30; ++i) group.push_back(i);
  for (const NodeId& id : {kA, kB}) {
    bench.collect(id, kFile, "f", 40);
    bench.write(id, report::Grouped{kFile, "database", group});
  }
  bench.collected(kA);
  bench.collected(kB);
  bench.advance();
  std::set<NodeId> owners;
  for (const NodeId& id : {kA, kB}) {
    for (const report::Place& place : bench.held(id)) {
      if (place.index < 30) owners.insert(id);
    }
  }
  CHECK(owners.size() == 1);
}

TEST_CASE("scheduler: classes stay together, whatever their parameters contain", "[sched]") {
  SchedulerConfig config;
  config.affinity = Affinity::kClass;
  Bench bench(config);
  bench.join(kA, 1);
  bench.join(kB, 1);
  std::vector<std::string> ids;
  for (const char* end : {"a", "b", "c", "d"}) {
    ids.push_back(std::string("f::One::t[") + end + "::x]");
    ids.push_back(std::string("f::Two::t[") + end + "]");
    ids.push_back(std::string("f::Three::t_") + end);
  }
  for (const NodeId& id : {kA, kB}) {
    bench.write(id, report::Offered{kFile, 12});
    bench.write(id, listed(kFile, "f", ids));
    bench.collected(id);
  }
  bench.advance();
  std::map<std::string, std::set<report::NodeIndex>> owners;
  for (const report::Test& test : bench.job.tests()) {
    const std::string name = test.id.substr(3, 2);
    for (const report::Assignment& one : test.assignments) owners[name].insert(one.node);
  }
  REQUIRE(owners.size() == 3);
  for (const auto& [name, nodes] : owners) {
    INFO(name);
    CHECK(nodes.size() == 1);
  }
}

TEST_CASE("scheduler: a late node gets what another truly gave up", "[sched]") {
  Bench bench;
  bench.join_ready(kA, 100);
  bench.advance();
  REQUIRE(bench.held(kA).size() == 100);
  bench.join_ready(kB, 100);
  bench.ask(kB);
  const auto recalls = bench.written<report::Recalled>();
  REQUIRE(recalls.size() == 1);
  CHECK(recalls[0].victim == kA);
  // Both should finish together: half of it.
  CHECK(recalls[0].wanted == Estimates::kGuess * 50);
  CHECK(bench.held(kB).empty());
  // Until there is an answer nothing more is asked, and nothing granted.
  bench.ask(kB);
  CHECK(bench.written<report::Recalled>().size() == 1);
  bench.give_up(kA, recalls[0].number, 30);
  bench.advance();
  CHECK(bench.held(kB).size() == 30);
  CHECK(bench.held(kA).size() == 70);
  CHECK(bench.written<report::Granted>().back().stolen);
  CHECK(bench.job.steals() == 1);
}

TEST_CASE("scheduler: a recall without an answer is forgotten after a while", "[sched]") {
  SchedulerConfig config;
  Bench bench(config);
  bench.join_ready(kA, 100);
  bench.advance();
  bench.join_ready(kB, 100);
  bench.ask(kB);
  REQUIRE(bench.written<report::Recalled>().size() == 1);
  CHECK(bench.scheduler.next_deadline() == bench.now + config.recall_within);
  bench.now = bench.now + config.recall_within;
  bench.advance();
  bench.ask(kB);
  REQUIRE(bench.written<report::Recalled>().size() == 2);
  CHECK(bench.written<report::Recalled>()[0].number != bench.written<report::Recalled>()[1].number);
}

TEST_CASE("scheduler: an empty answer moves nothing and is no steal", "[sched]") {
  Bench bench;
  bench.join_ready(kA, 100);
  bench.advance();
  bench.join_ready(kB, 100);
  bench.ask(kB);
  bench.write(kA, report::GaveUp{bench.written<report::Recalled>()[0].number, {}});
  bench.advance();
  CHECK(bench.held(kB).empty());
  CHECK(bench.job.steals() == 0);
}

TEST_CASE("scheduler: it recalls from whoever is expected to finish last", "[sched]") {
  Bench bench;
  bench.join(kA, 1);
  bench.join(kB, 1);
  for (const NodeId& id : {kA, kB}) {
    bench.collect(id, kFile, "f", 90);
    bench.collected(id);
  }
  bench.advance();
  REQUIRE(bench.held(kA).size() + bench.held(kB).size() == 90);
  bench.finish(kA, bench.held(kA).size() - 10);
  bench.join_ready(kC, 90, 1);
  bench.ask(kC);
  REQUIRE(bench.written<report::Recalled>().size() == 1);
  CHECK(bench.written<report::Recalled>()[0].victim == kB);
}

TEST_CASE("scheduler: crumbs are not worth a steal", "[sched]") {
  Bench bench;
  bench.join_ready(kA, 2, 2);
  bench.advance();
  bench.join_ready(kB, 2, 2);
  bench.ask(kB);
  CHECK(bench.written<report::Recalled>().empty());
}

TEST_CASE("scheduler: what a lost node held is given to another", "[sched]") {
  Bench bench;
  bench.join(kB, 1);
  bench.join_ready(kA, 100);
  bench.collect(kB, kFile, "f", 100);
  bench.collected(kB);
  bench.advance();
  const std::size_t share = bench.held(kB).size();
  REQUIRE(share > 0);
  bench.lose(kB);
  bench.finish(kA);
  bench.ask(kA);
  CHECK(bench.held(kA).size() == share);
  // A late answer of the lost one counts all the same, and is not run again for it.
  bench.finish(kB, 1);
  CHECK(bench.job.counts().passed == 100 - share + 1);
}

TEST_CASE("scheduler: what a departed node gave up goes on elsewhere", "[sched]") {
  Bench bench;
  bench.join(kB, 1);
  bench.join_ready(kA, 10);
  bench.collect(kB, kFile, "f", 10);
  bench.collected(kB);
  bench.advance();
  bench.give_up(kB, 0, bench.held(kB).size());
  bench.write(kB, report::Departed{"interrupted"});
  bench.finish(kA);
  bench.ask(kA);
  bench.finish(kA);
  CHECK(bench.job.counts().passed == 10);
}

TEST_CASE("scheduler: a failing test is tried again until its tries are used up", "[sched]") {
  SchedulerConfig config;
  config.retries = 2;
  Bench bench(config);
  bench.join_ready(kA, 1);
  bench.advance();
  for (uint32_t attempt = 1; attempt <= 3; ++attempt) {
    INFO("try " << attempt);
    REQUIRE(bench.held(kA).size() == 1);
    bench.finish(kA, 1, Outcome::kFailed);
    bench.ask(kA);
    CHECK(bench.written<report::Draining>().empty() == (attempt < 3));
  }
  CHECK(bench.held(kA).empty());
  CHECK(bench.job.counts().failed == 1);
}

TEST_CASE("scheduler: a retry that passes ends the tries", "[sched]") {
  Bench bench;
  bench.join_ready(kA, 1);
  bench.advance();
  bench.finish(kA, 1, Outcome::kCrashed);
  bench.ask(kA);
  bench.finish(kA);
  bench.ask(kA);
  CHECK(bench.held(kA).empty());
  CHECK(bench.job.counts().flaky == 1);
  CHECK(bench.written<report::Draining>().size() == 1);
}

TEST_CASE("scheduler: retries stop when more than a tenth fails", "[sched]") {
  const auto failures_retried = [](std::size_t failures) {
    Bench bench;
    bench.join_ready(kA, 200);
    bench.advance();
    bench.finish(kA, failures, Outcome::kFailed);
    bench.finish(kA);
    bench.ask(kA);
    return bench.held(kA).size();
  };
  CHECK(failures_retried(20) == 20);
  CHECK(failures_retried(21) == 0);
  // A handful in a small suite is no landslide.
  Bench small;
  small.join_ready(kA, 10);
  small.advance();
  small.finish(kA, SIZE_MAX, Outcome::kFailed);
  small.ask(kA);
  CHECK(small.held(kA).size() == 10);
}

TEST_CASE("scheduler: with retries stopped the job ends, and what failed has failed", "[sched]") {
  Bench bench;
  bench.join_ready(kA, 100);
  bench.advance();
  bench.finish(kA, SIZE_MAX, Outcome::kFailed);
  bench.ask(kA);
  REQUIRE(bench.written<report::Draining>().size() == 1);
  bench.drain(kA);
  bench.advance();
  REQUIRE(bench.closed.size() == 1);
  CHECK(bench.job.summary().counts.failed == 100);
}

TEST_CASE("scheduler: it drains once all is done, and closes once all have drained", "[sched]") {
  SchedulerConfig config;
  Bench bench(config);
  bench.join(kB, 1);
  bench.join_ready(kA, 10);
  bench.collect(kB, kFile, "f", 10);
  bench.collected(kB);
  bench.advance();
  bench.finish(kA);
  bench.advance();
  CHECK(bench.written<report::Draining>().empty());
  bench.finish(kB);
  bench.advance();
  bench.advance();
  CHECK(bench.written<report::Draining>().size() == 1);
  bench.drain(kA);
  bench.advance();
  CHECK(bench.closed.empty());
  // The word of one who follows somebody else does not count.
  bench.write(kB, report::Drained{test::claim_by(kC)});
  bench.advance();
  CHECK(bench.closed.empty());
  SECTION("with everybody's word") {
    bench.drain(kB);
    bench.advance();
  }
  SECTION("without the word of one that hangs") {
    CHECK(bench.scheduler.next_deadline() == bench.now + config.drain_within);
    bench.now = bench.now + config.drain_within;
    bench.advance();
  }
  SECTION("without the word of one that was lost") {
    bench.lose(kB);
    bench.advance();
  }
  REQUIRE(bench.closed.size() == 1);
  CHECK(bench.closed[0].reason == report::CloseReason::kComplete);
  bench.now = bench.now + Duration::seconds(60);
  bench.advance();
  bench.ask(kB);
  CHECK(bench.closed.size() == 1);
  CHECK(bench.scheduler.next_deadline() == Instant::never());
}

TEST_CASE("scheduler: it does not end while nobody has collected, or names are missing",
          "[sched]") {
  Bench bench;
  bench.join(kA, 1);
  bench.advance();
  CHECK(bench.written<report::Draining>().empty());
  bench.write(kA, report::Offered{kFile, 2});
  bench.collected(kA);
  bench.advance();
  CHECK(bench.written<report::Draining>().empty());
  bench.write(kA, listed(kFile, "f", 2));
  bench.advance();
  CHECK(bench.held(kA).size() == 2);
}

TEST_CASE("scheduler: it asks one who offers a file for its names, and again later", "[sched]") {
  Bench bench;
  bench.join(kA, 1);
  bench.join(kB, 1);
  bench.write(kB, report::Offered{kFile, 2});
  bench.advance();
  REQUIRE(bench.names_wanted.size() == 1);
  CHECK(bench.names_wanted[0].first == kB);
  CHECK(bench.names_wanted[0].second == std::vector<report::FileKey>{kFile});
  bench.advance();
  CHECK(bench.names_wanted.size() == 1);
  bench.now = bench.now + Duration::milliseconds(200);
  bench.advance();
  CHECK(bench.names_wanted.size() == 2);
  bench.write(kB, listed(kFile, "f", 2));
  bench.now = bench.now + Duration::milliseconds(200);
  bench.advance();
  CHECK(bench.names_wanted.size() == 2);
}

TEST_CASE("scheduler: an empty suite ends once all have collected", "[sched]") {
  Bench bench;
  bench.join(kA, 1);
  bench.join(kB, 1);
  bench.collected(kA);
  bench.advance();
  // The other may find something.
  CHECK(bench.written<report::Draining>().empty());
  bench.collected(kB);
  bench.advance();
  CHECK(bench.written<report::Draining>().size() == 1);
}

TEST_CASE("scheduler: --max-fail ends the job with work left", "[sched]") {
  SchedulerConfig config;
  config.retries = 0;
  config.max_fail = 2;
  Bench bench(config);
  bench.join_ready(kA, 10);
  bench.advance();
  bench.finish(kA, 1, Outcome::kFailed);
  bench.advance();
  CHECK(bench.written<report::Draining>().empty());
  bench.finish(kA, 1, Outcome::kError);
  bench.advance();
  REQUIRE(bench.written<report::Draining>().size() == 1);
  bench.ask(kA);
  bench.drain(kA);
  bench.advance();
  REQUIRE(bench.closed.size() == 1);
  CHECK(bench.closed[0].reason == report::CloseReason::kStopped);
  CHECK(bench.closed[0].detail == "stopped after 2 failures");
  CHECK_FALSE(bench.written<report::Draining>()[0].now);
}

TEST_CASE("scheduler: --max-fail now says so to all, and counts what cannot be collected",
          "[sched]") {
  SchedulerConfig config;
  config.retries = 0;
  config.max_fail = 2;
  config.max_fail_now = true;
  Bench bench(config);
  bench.join_ready(kA, 10);
  bench.advance();
  bench.finish(kA, 1, Outcome::kFailed);
  bench.advance();
  CHECK(bench.written<report::Draining>().empty());
  bench.write(kA, report::CollectionFailed{"broken.py", "ImportError"});
  bench.advance();
  REQUIRE(bench.written<report::Draining>().size() == 1);
  CHECK(bench.written<report::Draining>()[0].now);
}

TEST_CASE("scheduler: other ends than --max-fail let running tests finish", "[sched]") {
  SchedulerConfig config;
  config.max_fail = 1;
  config.max_fail_now = true;
  Bench bench(config);
  bench.join_ready(kA, 10);
  bench.advance();
  bench.scheduler.stop(report::CloseReason::kInterrupted, "enough");
  bench.advance();
  REQUIRE(bench.written<report::Draining>().size() == 1);
  CHECK_FALSE(bench.written<report::Draining>()[0].now);
}

TEST_CASE("scheduler: the runner's own limit counts where dagz was given none", "[sched]") {
  SchedulerConfig config;
  config.retries = 0;
  config.max_fail = 3;
  Bench own(config);
  own.scheduler.limit_failures(1);
  own.join_ready(kA, 10);
  own.advance();
  own.finish(kA, 1, Outcome::kFailed);
  own.advance();
  CHECK(own.written<report::Draining>().empty());
  config.max_fail = 0;
  Bench runners(config);
  runners.scheduler.limit_failures(1);
  runners.join_ready(kA, 10);
  runners.advance();
  runners.finish(kA, 1, Outcome::kFailed);
  runners.advance();
  CHECK(runners.written<report::Draining>().size() == 1);
}

TEST_CASE("scheduler: the deadline ends the job", "[sched]") {
  SchedulerConfig config;
  config.deadline = Duration::seconds(30);
  Bench bench(config);
  const Instant start = bench.now;
  bench.join_ready(kA, 10);
  bench.advance();
  CHECK(bench.scheduler.next_deadline() == start + config.deadline);
  bench.now = start + config.deadline - Duration::milliseconds(1);
  bench.advance();
  CHECK(bench.written<report::Draining>().empty());
  bench.now = start + config.deadline;
  bench.advance();
  bench.drain(kA);
  bench.advance();
  REQUIRE(bench.closed.size() == 1);
  CHECK(bench.closed[0].reason == report::CloseReason::kDeadline);
}

TEST_CASE("scheduler: when nobody can run anything the job closes as unable", "[sched]") {
  Bench bench;
  bench.join(kA, 1);
  bench.join(kB, 1);
  bench.write(kA, report::Unable{4, "no pytest"});
  bench.advance();
  CHECK(bench.written<report::Draining>().empty());
  bench.write(kB, report::Unable{4, "no pytest"});
  bench.advance();
  bench.drain(kA);
  bench.drain(kB);
  bench.advance();
  REQUIRE(bench.closed.size() == 1);
  CHECK(bench.closed[0].reason == report::CloseReason::kUnable);
}

TEST_CASE("scheduler: a test runs only where it exists; without such a node the job ends",
          "[sched]") {
  Bench bench;
  bench.join(kA, 1);
  bench.join(kB, 1);
  bench.collect(kA, 1, "f", 2);
  bench.collect(kB, 2, "g", 2);
  bench.collected(kA);
  bench.collected(kB);
  bench.advance();
  for (int i = 0; i < 3; ++i) {
    bench.ask(kA);
    bench.ask(kB);
    for (const report::Place& place : bench.held(kA)) CHECK(place.file == 1);
    for (const report::Place& place : bench.held(kB)) CHECK(place.file == 2);
    bench.finish(kA);
  }
  CHECK(bench.job.counts().passed == 2);
  CHECK(bench.held(kB).size() == 2);
  bench.lose(kB);
  bench.ask(kA);
  REQUIRE(bench.written<report::Draining>().size() == 1);
  bench.drain(kA);
  bench.advance();
  CHECK(bench.job.summary().status == report::JobStatus::kIncomplete);
}

TEST_CASE("scheduler: one that was watching takes over where the other stopped", "[sched]") {
  Bench bench;
  bench.scheduler.step_down();
  bench.self = kB;
  bench.join(kB, 1);
  bench.advance();
  CHECK(bench.log.empty());
  // All of this happened under the scheduler A.
  bench.write(kA, test::named(2));
  bench.write(kA, report::Enlisted{kA, 0, 0, 1});
  bench.write(kA, report::Enlisted{kB, 1, 1, 1});
  bench.collect(kB, kFile, "f", 10);
  bench.collected(kB);
  bench.write(kA, report::Granted{test::claim_by(kA), kB, false, {{kFile, 0, 4}}});
  bench.write(kA, report::Granted{test::claim_by(kA), kA, false, {{kFile, 4, 6}}});
  bench.scheduler.begin(bench.now, {test::claim_by(kA).lineage, 2, {2, kB}}, test::named(0));
  bench.advance();
  CHECK(bench.written<report::Named>().size() == 1);
  CHECK(bench.written<report::Enlisted>().size() == 2);
  // A is dead: what it held goes to B, and what B holds is left alone.
  CHECK(bench.held(kB).size() == 10);
  for (const report::Test& test : bench.job.tests()) {
    for (const report::Assignment& one : test.assignments) CHECK(one.grants == 1);
  }
  CHECK(bench.written<report::Granted>().back().claim.term == 2);
}

TEST_CASE("scheduler: a takeover does not move the job's deadline", "[sched]") {
  SchedulerConfig config;
  config.deadline = Duration::seconds(30);
  Bench bench(config);
  bench.join_ready(kA, 10);
  bench.advance();
  bench.now = bench.now + Duration::seconds(20);
  bench.scheduler.step_down();
  bench.scheduler.begin(bench.now, test::claim_by(kA, 3), test::named(0));
  bench.now = bench.now + Duration::seconds(10);
  bench.advance();
  CHECK(bench.written<report::Draining>().size() == 1);
}

// Last: before it was mended it took the whole program down.
TEST_CASE("scheduler: a node without workers is given nothing", "[sched]") {
  Bench bench;
  bench.join_ready(kA, 10, 1);
  bench.advance();
  bench.give_up(kA, 0, 5);
  bench.join_ready(kB, 10, 0);
  bench.advance();
  CHECK(bench.held(kB).empty());
  bench.ask(kA);
  CHECK(bench.held(kA).size() == 10);
}
