#include "sched/scheduler.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "tests/support/scheduler_bench.hpp"

using namespace dagz;
using namespace dagz::sched;
using report::Outcome;
using namespace dagz::test;
using Bench = test::SchedulerBench;

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
    bench.write(id, report::Offered{kFile});
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

TEST_CASE("scheduler: nobody's worker is taken for idle or busy on the word of another",
          "[sched]") {
  std::vector<KnownDuration> known;
  for (const std::string& name : names_of("f", 90)) known.push_back({name, Duration::seconds(1)});
  Bench bench({}, known);
  const auto all = {kA, kB, kC};
  for (const NodeId& id : all) bench.join(id, 1);
  for (const NodeId& id : all) bench.collect(id, kFile, "f", 90);
  for (const NodeId& id : all) bench.collected(id);
  bench.advance();
  REQUIRE(bench.held(kA).size() == 30);
  REQUIRE(bench.held(kB).size() == 30);
  const auto finish = [&bench](const NodeId& id, uint32_t slot) {
    const report::Place place = bench.held(id).front();
    report::Finished result = finished(place.file, place.index);
    result.slot = slot;
    result.duration = Duration::seconds(1);
    bench.write(id, result);
  };
  finish(kB, 0);
  bench.now = bench.now + Duration::milliseconds(100);
  finish(kA, 0);
  finish(kA, 0);
  bench.now = bench.now + Duration::milliseconds(200);
  // It has one worker only: when that one ended a test is known from before. Nor is anybody granted
  // anything by whoever is not the claimant.
  finish(kB, 1);
  bench.write(kB, report::Granted{claim_by(kA), numbered_id(9), false, {}});
  bench.finish(kC);
  bench.ask(kC);
  const auto recalls = bench.written<report::Recalled>();
  REQUIRE(recalls.size() == 1);
  CHECK(recalls[0].victim == kA);
}

TEST_CASE("scheduler: who had nothing to give is asked again after a while only", "[sched]") {
  const SchedulerConfig config;
  Bench bench(config);
  bench.join_ready(kA, 100);
  bench.advance();
  bench.join_ready(kB, 100);
  for (int i = 0; i < 5; ++i) {
    bench.ask(kB);
    const auto recalls = bench.written<report::Recalled>();
    REQUIRE(recalls.size() == 1);
    if (i == 0) bench.write(kA, report::GaveUp{recalls[0].number, {}});
  }
  bench.now = bench.now + config.empty_answer_holds;
  bench.ask(kB);
  CHECK(bench.written<report::Recalled>().size() == 2);
}

TEST_CASE("scheduler: a thief turns from an empty victim to the next", "[sched]") {
  Bench bench;
  bench.join(kA, 1);
  bench.join(kB, 1);
  for (const NodeId& id : {kA, kB}) {
    bench.collect(id, kFile, "f", 90);
    bench.collected(id);
  }
  bench.advance();
  bench.finish(kA, 5);
  bench.join_ready(kC, 90, 1);
  bench.ask(kC);
  const auto recalls = bench.written<report::Recalled>();
  REQUIRE(recalls.size() == 1);
  CHECK(recalls[0].victim == kB);
  bench.write(kB, report::GaveUp{recalls[0].number, {}});
  bench.advance();
  REQUIRE(bench.written<report::Recalled>().size() == 2);
  CHECK(bench.written<report::Recalled>()[1].victim == kA);
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
    CHECK(bench.scheduler.next_deadline() == bench.now + config.tear_down_within);
    bench.now = bench.now + config.tear_down_within;
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
  bench.write(kA, report::Offered{kFile});
  bench.collected(kA);
  bench.advance();
  CHECK(bench.written<report::Draining>().empty());
  bench.write(kA, listed(kFile, "f", 2));
  bench.advance();
  CHECK(bench.held(kA).size() == 2);
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

TEST_CASE("scheduler: how strict the job is, whoever names it decides", "[sched]") {
  SchedulerConfig config;
  config.strict_collection = config.flaky_fails = true;
  Bench bench(config);
  bench.join(kA);
  bench.join(kB);
  SECTION("this one does") {
    bench.advance();
    REQUIRE(bench.job.named());
    CHECK((bench.job.named()->strict_collection && bench.job.named()->flaky_fails));
  }
  SECTION("another did, and nobody is waited for") {
    bench.write(kB, named(0));
    bench.collect(kA, kFile, "f", 1);
    bench.collected(kA);
    bench.advance();
    bench.finish(kA);
    bench.advance();
    CHECK(bench.written<report::Draining>().size() == 1);
    CHECK_FALSE((bench.job.named()->strict_collection || bench.job.named()->flaky_fails));
  }
}

TEST_CASE("scheduler: collections that are compared are waited for", "[sched]") {
  SchedulerConfig config;
  config.strict_collection = true;
  Bench bench(config);
  for (const NodeId& id : {kA, kB, kC}) bench.join(id, 1);
  bench.advance();
  bench.collect(kA, kFile, "f", 2);
  bench.collected(kA);
  for (int i = 0; i < 3; ++i) {
    bench.advance();
    bench.finish(kA);
    bench.ask(kA);
  }
  REQUIRE(bench.job.counts().passed == 2);
  CHECK(bench.written<report::Draining>().empty());

  SECTION("until each is there, is unable, or has gone") {
    bench.write(kB, report::Unable{16, "no pytest"});
    bench.advance();
    CHECK(bench.written<report::Draining>().empty());
    bench.write(kC, report::Departed{});
    bench.advance();
    CHECK(bench.written<report::Draining>().size() == 1);
  }
  SECTION("also by another scheduler, and what they bring is run") {
    bench.lose(kA);
    bench.self = kB;
    bench.scheduler.begin(bench.now, claim_by(kB, 2), named(0));
    bench.advance();
    CHECK(bench.written<report::Draining>().empty());
    bench.collect(kB, kFile + 1, "f", 3);
    bench.collected(kB);
    bench.collect(kC, kFile + 1, "f", 3);
    bench.collected(kC);
    bench.advance();
    CHECK(bench.held(kB).size() + bench.held(kC).size() == 1);
    bench.finish(kB);
    bench.finish(kC);
    bench.advance();
    CHECK(bench.written<report::Draining>().size() == 1);
  }
  SECTION("not once something stops the job") {
    bench.scheduler.stop(report::CloseReason::kStopped, "enough");
    bench.advance();
    CHECK(bench.written<report::Draining>().size() == 1);
    CHECK(bench.scheduler.next_deadline() > bench.now);
    // What runs by then is ended, and its nodes may say where it was.
    bench.now = bench.scheduler.next_deadline();
    bench.advance();
    REQUIRE(bench.written<report::Draining>().size() == 2);
    CHECK_FALSE(bench.written<report::Draining>()[0].now);
    CHECK(bench.written<report::Draining>()[1].now);
    CHECK(bench.closed.empty());
    bench.now = bench.scheduler.next_deadline();
    bench.advance();
    CHECK(bench.closed.size() == 1);
  }
  SECTION("and of one that comes while all is torn down") {
    bench.lose(kB);
    bench.lose(kC);
    bench.advance();
    REQUIRE(bench.written<report::Draining>().size() == 1);
    bench.join(kB, 1);
    bench.drain(kA);
    bench.drain(kB);
    bench.now = bench.now + Duration::seconds(60);
    bench.advance();
    CHECK(bench.closed.empty());
    CHECK(bench.scheduler.next_deadline() == Instant::never());
    bench.collect(kB, kFile, "f", 2);
    bench.collected(kB);
    bench.advance();
    CHECK(bench.closed.size() == 1);
  }
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

TEST_CASE("scheduler: the plan is that of the whole job, not of what one that takes over finds",
          "[sched]") {
  std::vector<KnownDuration> known;
  for (const std::string& id : names_of("f", 5)) known.push_back({id, Duration::seconds(2)});
  for (const bool planned : {false, true}) {
    Bench bench({}, known);
    if (planned) bench.write(kB, report::Planned{Duration::seconds(99)});
    bench.join_ready(kA, 5);
    bench.advance();
    CHECK(bench.held(kA).size() == 5);
    const auto plans = bench.written<report::Planned>();
    REQUIRE(plans.size() == 1);
    CHECK(plans[0].makespan == Duration::seconds(planned ? 99 : 10));
  }
}

TEST_CASE("scheduler: what a node holds is open while it is gone, and only that", "[sched]") {
  SchedulerConfig config;
  config.speculation = false;
  Bench bench(config);
  bench.join(kB);
  bench.join_ready(kA, 100);
  bench.collect(kB, kFile, "f", 100);
  bench.collected(kB);
  bench.advance();
  const std::size_t b = bench.held(kB).size();
  REQUIRE(b > 0);
  bench.finish(kA);
  // Back before anybody asked: its tests are its own.
  bench.lose(kB);
  bench.join(kB);
  bench.ask(kA);
  CHECK(bench.held(kA).empty());
  CHECK(bench.held(kB).size() == b);
  // As are those of who is only suspected.
  bench.live.back().suspected = true;
  bench.scheduler.set_live(bench.live);
  bench.ask(kA);
  CHECK(bench.held(kA).empty());
  bench.lose(kB);
  bench.ask(kA);
  CHECK(bench.held(kA).size() == b);
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

TEST_CASE("scheduler: a job that is too large for its limits is stopped and says so", "[sched]") {
  Bench bench;
  bench.join_ready(kA, 1);
  bench.write(kA, report::Offered{9});
  bench.write(kA, report::Listed{9, "g", report::kTestsPerFileMax + 1, 0, {"g::1"}});
  bench.advance();
  bench.finish(kA);
  bench.advance();
  bench.drain(kA);
  bench.advance();
  REQUIRE(bench.closed.size() == 1);
  CHECK(bench.closed[0].reason == report::CloseReason::kStopped);
  CHECK_THAT(bench.closed[0].detail, Catch::Contains("more than 1 million tests"));
  CHECK(bench.job.summary().status == report::JobStatus::kIncomplete);
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
