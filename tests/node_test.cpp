#include "node.hpp"

#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <set>

#include "report/exit_code.hpp"
#include "report/json_report.hpp"
#include "tests/support/jobs.hpp"
#include "tests/support/members.hpp"

using namespace dagz;
using report::Outcome;

namespace {

// Tests by file, with the outcome of each try; the last one repeats.
using Catalog = std::map<std::string, std::map<std::string, std::vector<Outcome>>>;

// One node alone in time that only moves when nothing else can, and a runner of obedient workers:
// each asks for more before it finishes its last test.
struct Bench {
  test::FakeCrypto crypto{1};
  Moment at{test::at_ms(1000), 1'700'000'000'000};
  Node node;
  Catalog catalog;
  std::map<std::string, std::size_t> tries;
  std::vector<std::vector<std::string>> ids;
  struct Worker {
    std::deque<sched::LocalTest> queue;
    bool draining = false;
  };
  std::map<sched::Slot, Worker> workers;
  std::deque<sched::RunnerEvent> events;
  std::vector<report::ProgressEvent> progress;
  std::vector<sched::RunnerCommand> commands;

  explicit Bench(Catalog tests, sched::SchedulerConfig scheduler = {})
      : node(config(scheduler), crypto, {}, at), catalog(std::move(tests)) {}

  static NodeConfig config(const sched::SchedulerConfig& scheduler) {
    NodeConfig config;
    config.scheduler = scheduler;
    config.vassal.workers = 2;
    config.profile.workers = 2;
    config.profile.control_address = "here:1";
    config.profile.bulk_address = "here:2";
    config.profile.host = "here";
    config.job_id = "job-1";
    config.short_id = "j0101.1";
    return config;
  }

  void collect() {
    uint32_t number = 0;
    for (const auto& [path, tests] : catalog) {
      sched::FileCollected file;
      file.file = number++;
      file.path = path;
      for (const auto& [id, outcomes] : tests) file.ids.push_back(id);
      ids.push_back(file.ids);
      events.emplace_back(std::move(file));
    }
    events.emplace_back(sched::CollectionDone{});
  }

  void complete(sched::Slot slot) {
    Worker& worker = workers[slot];
    sched::TestDone done;
    done.slot = slot;
    done.test = worker.queue.front();
    worker.queue.pop_front();
    const std::string& id = ids[done.test.file][done.test.index];
    const auto& outcomes = find(id);
    const std::size_t attempt = tries[id]++;
    done.outcome = outcomes[std::min(attempt, outcomes.size() - 1)];
    done.duration = Duration::milliseconds(5);
    if (done.outcome == Outcome::kCrashed) {
      worker = {};
      events.emplace_back(sched::WorkerGone{slot, false, "SIGSEGV", "boom"});
      return;
    }
    events.emplace_back(done);
  }
  const std::vector<Outcome>& find(const std::string& id) const {
    for (const auto& [path, tests] : catalog) {
      if (const auto found = tests.find(id); found != tests.end()) return found->second;
    }
    throw std::logic_error("no test " + id);
  }

  void perform(const sched::RunnerCommand& command) {
    commands.push_back(command);
    if (const auto* start = std::get_if<sched::StartWorker>(&command)) {
      workers[start->slot] = {};
      events.emplace_back(sched::WorkerReady{start->slot});
      events.emplace_back(sched::WorkerWants{start->slot});
    } else if (const auto* run = std::get_if<sched::RunTests>(&command)) {
      Worker& worker = workers[run->slot];
      if (run->tests.empty() && worker.queue.size() == 1) return complete(run->slot);
      worker.queue.insert(worker.queue.end(), run->tests.begin(), run->tests.end());
      const uint32_t runs = static_cast<uint32_t>(worker.queue.size());
      for (uint32_t i = 1; i < runs && !worker.queue.empty(); ++i) complete(run->slot);
      if (!worker.queue.empty()) events.emplace_back(sched::WorkerWants{run->slot});
    } else if (const auto* drain = std::get_if<sched::DrainWorker>(&command)) {
      while (!workers[drain->slot].queue.empty()) complete(drain->slot);
      events.emplace_back(sched::WorkerGone{drain->slot, true, {}, {}});
    } else if (const auto* kill = std::get_if<sched::KillWorker>(&command)) {
      workers[kill->slot] = {};
      events.emplace_back(sched::WorkerGone{kill->slot, false, "SIGKILL", {}});
    }
  }

  void step() {
    if (!events.empty()) {
      const sched::RunnerEvent event = events.front();
      events.pop_front();
      pass(Duration::milliseconds(1));
      node.runner_event(at, event);
    } else {
      const Instant next = node.next_deadline();
      pass(next > at.now ? next - at.now : Duration::microseconds(10));
    }
    node.advance(at);
    NodeActions actions = node.take_actions();
    for (const auto& one : actions.progress) progress.push_back(one);
    for (const sched::RunnerCommand& command : actions.commands) perform(command);
    CHECK(actions.links.sends.empty());
  }
  void pass(Duration time) {
    at.now = at.now + time;
    at.wall_ms = 1'700'000'000'000 + (at.now - test::at_ms(1000)).ms();
  }
  // To the end; gives up after a minute of its time.
  const NodeEnd& run() {
    while (!node.end() && at.now < test::at_ms(61'000)) step();
    REQUIRE(node.end().has_value());
    return *node.end();
  }
};

// Another member, which has dialled the node and may say whatever it likes.
struct Peer {
  test::Actor actor;
  mesh::Ledger ledger;
  Node& node;
  Moment at;
  uint64_t said = 0;

  Peer(uint64_t number, Node& other, Moment now)
      : actor(number), ledger(actor.crypto), node(other), at(now) {
    const mesh::Hello hello{actor.profile, mesh::Lane::kControl, false, 1};
    deliver(mesh::EnvelopeKind::kHello, NodeId{}, encode(hello));
  }

  void deliver(mesh::EnvelopeKind kind, const NodeId& to, Buffer content) {
    node.receive(at, 1, mesh::Lane::kControl,
                 mesh::seal_envelope(actor.crypto, kind, to, ++said, std::move(content)));
  }
  void say(const Message& message) {
    deliver(mesh::EnvelopeKind::kMessage, node.id(), encode(message));
  }
  void push(const std::vector<report::Entry>& entries) {
    for (const report::Entry& entry : entries) ledger.append(encode(entry));
    say(mesh::LogPush{{*ledger.flush()}});
  }
  // What the node says to it.
  static std::vector<Message> heard(const NodeActions& actions) {
    std::vector<Message> messages;
    for (const auto& send : actions.links.sends) {
      mesh::Envelope envelope;
      REQUIRE(decode(send.bytes, envelope));
      if (envelope.kind == mesh::EnvelopeKind::kHello) continue;
      REQUIRE(decode(envelope.content, messages.emplace_back()));
    }
    return messages;
  }
  // So much later; what the node wants said and told.
  NodeActions pass(Duration time) {
    at.now = at.now + time;
    at.wall_ms += time.ms();
    node.advance(at);
    return node.take_actions();
  }
};

Catalog small_suite() {
  return {{"a.py",
           {{"a.py::fails", {Outcome::kFailed}},
            {"a.py::flaky", {Outcome::kFailed, Outcome::kPassed}},
            {"a.py::good", {Outcome::kPassed}},
            {"a.py::skips", {Outcome::kSkipped}}}},
          {"b.py",
           {{"b.py::crashes_once", {Outcome::kCrashed, Outcome::kPassed}},
            {"b.py::good", {Outcome::kPassed}},
            {"b.py::xfails", {Outcome::kXfailed}}}}};
}

}  // namespace

TEST_CASE("node: alone, it runs a small suite to the end", "[node]") {
  Bench bench(small_suite());
  bench.collect();
  const NodeEnd& end = bench.run();
  CHECK(end.kind == NodeEnd::Kind::kClosed);
  CHECK(end.reason == report::CloseReason::kComplete);
  CHECK(end.unable_code == 0);
  const report::JobSummary& summary = end.summary;
  CHECK(summary.full_id == "job-1");
  CHECK(summary.short_id == "j0101.1");
  CHECK(summary.status == report::JobStatus::kFailed);
  CHECK(summary.workers == 2);
  REQUIRE(summary.nodes.size() == 1);
  CHECK(summary.nodes[0].host == "here");
  CHECK(summary.counts.total == 7);
  CHECK(summary.counts.passed == 2);
  CHECK(summary.counts.flaky == 2);
  CHECK(summary.counts.failed == 1);
  CHECK(summary.counts.skipped == 2);
  CHECK(summary.counts.unfinished == 0);
  // Three tries of what fails, two of what is flaky, one of all others.
  CHECK(bench.tries["a.py::fails"] == 3);
  CHECK(bench.tries["a.py::flaky"] == 2);
  CHECK(bench.tries["b.py::crashes_once"] == 2);
  CHECK(bench.tries["a.py::good"] == 1);
  CHECK(bench.progress.size() == 11);
  CHECK(summary.duration < Duration::seconds(3));
}

TEST_CASE("node: every worker is drained before the end, and the node may exit", "[node]") {
  Bench bench(small_suite());
  bench.collect();
  bench.run();
  std::map<sched::Slot, int> alive;
  for (const sched::RunnerCommand& command : bench.commands) {
    if (const auto* start = std::get_if<sched::StartWorker>(&command)) alive[start->slot] = 1;
    if (const auto* drain = std::get_if<sched::DrainWorker>(&command)) alive[drain->slot] = 0;
  }
  CHECK(alive.size() == 2);
  for (const auto& [slot, running] : alive) CHECK(running == 0);
  CHECK(bench.node.vassal().is_drained());
  CHECK(bench.node.vassal().running() == 0);
  CHECK(bench.node.may_exit(bench.at.now));
}

TEST_CASE("node: equal events give equal reports", "[node]") {
  Bench one(small_suite());
  Bench other(small_suite());
  one.collect();
  other.collect();
  CHECK(report::format_json(one.run().summary) == report::format_json(other.run().summary));
}

TEST_CASE("node: it collects before it is anybody's scheduler, and nothing is lost", "[node]") {
  Bench early(small_suite());
  early.collect();
  while (!early.events.empty()) early.step();
  CHECK_FALSE(early.node.is_scheduler());
  CHECK(early.run().summary.counts.total == 7);

  Bench late(small_suite());
  while (!late.node.is_scheduler()) late.step();
  late.collect();
  CHECK(late.run().summary.counts.total == 7);
}

TEST_CASE("node: an empty suite ends as empty", "[node]") {
  Bench bench(Catalog{});
  bench.collect();
  const NodeEnd& end = bench.run();
  CHECK(end.summary.status == report::JobStatus::kEmpty);
  for (const auto& command : bench.commands) {
    CHECK_FALSE(std::holds_alternative<sched::StartWorker>(command));
  }
}

TEST_CASE("node: collection errors fail the job, once each", "[node]") {
  Bench bench({{"a.py", {{"a.py::good", {Outcome::kPassed}}}}});
  bench.collect();
  auto& done = std::get<sched::CollectionDone>(bench.events.back());
  done.errors = {{"b.py", "ImportError"}, {std::string(9000, 'p'), std::string(400'000, 't')}};
  const NodeEnd& end = bench.run();
  CHECK(end.summary.collection_errors.size() == 2);
  CHECK(end.summary.counts.errors == 2);
  CHECK(end.summary.status == report::JobStatus::kFailed);
}

TEST_CASE("node: a runner that cannot start ends the job with its code and words", "[node]") {
  Bench bench(small_suite());
  bench.events.emplace_back(sched::RunnerFailed{4, "no pytest here"});
  const NodeEnd& end = bench.run();
  CHECK(end.reason == report::CloseReason::kUnable);
  CHECK(end.unable_code == 4);
  CHECK(end.unable_text == "no pytest here");
}

TEST_CASE("node: notes on the collection and how long it takes are for people", "[node]") {
  Bench bench(small_suite());
  std::vector<std::string> told;
  const auto hear = [&](const sched::RunnerEvent& event) {
    bench.node.runner_event(bench.at, event);
    for (std::string& notice : bench.node.take_actions().notices) told.push_back(std::move(notice));
  };
  hear(sched::CollectionSlow{Duration::seconds(30), false});
  hear(sched::CollectionSlow{Duration::seconds(60), true, "test_a.py"});
  sched::CollectionDone done;
  done.notes = {"two\nlines"};
  hear(done);
  REQUIRE(told.size() == 3);
  CHECK_THAT(told[0], Catch::StartsWith("the command has not started pytest after 30"));
  CHECK_THAT(told[1], Catch::StartsWith("pytest has been collecting for"));
  CHECK_THAT(told[1], Catch::Contains(", now test_a.py; nothing runs"));
  CHECK(told[2].find('\n') == std::string::npos);
}

TEST_CASE("node: what tests and peers put into a notice is no order to a terminal", "[node]") {
  Bench bench(small_suite());
  bench.node.runner_event(
      bench.at, sched::LeftOver{"a.py::x[\x1b[31m]", "\x1b]0;title\x07 sleep\n600, pid 7"});
  const std::vector<std::string> notices = bench.node.take_actions().notices;
  REQUIRE(notices.size() == 1);
  CHECK(notices[0] ==
        R"(a.py::x[\x1b[31m] has left a process behind: \x1b]0;title\x07 sleep\x0a600, pid 7)");
}

TEST_CASE("node: --max-fail stops with work left", "[node]") {
  sched::SchedulerConfig config;
  config.retries = 0;
  config.max_fail = 1;
  Catalog catalog{{"a.py", {{"a.py::a_fails", {Outcome::kFailed}}}}};
  for (int i = 0; i < 300; ++i) {
    catalog["a.py"]["a.py::t" + std::to_string(i)] = {Outcome::kPassed};
  }
  Bench bench(std::move(catalog), config);
  bench.collect();
  const NodeEnd& end = bench.run();
  CHECK(end.reason == report::CloseReason::kStopped);
  CHECK(end.summary.counts.failed == 1);
  CHECK(end.summary.counts.unfinished > 0);
  CHECK(end.summary.notes == std::vector<std::string>{"stopped after 1 failure"});
}

TEST_CASE("node: interrupted alone, it closes the job as interrupted", "[node]") {
  Bench bench(small_suite());
  bench.collect();
  while (!bench.node.is_scheduler()) bench.step();
  bench.node.interrupt(bench.at);
  const NodeEnd& end = bench.run();
  CHECK(end.reason == report::CloseReason::kInterrupted);
  CHECK(end.summary.status == report::JobStatus::kInterrupted);
}

TEST_CASE("node: interrupted twice, it waits for nothing and still tells what it knows", "[node]") {
  Catalog catalog = small_suite();
  for (int i = 0; i < 300; ++i) {
    catalog["c.py"]["c.py::t" + std::to_string(i)] = {Outcome::kPassed};
  }
  Bench bench(std::move(catalog));
  bench.collect();
  while (bench.progress.empty()) bench.step();
  bench.node.interrupt(bench.at);
  bench.node.interrupt(bench.at);
  bench.node.advance(bench.at);
  REQUIRE(bench.node.end().has_value());
  const NodeEnd& end = *bench.node.end();
  CHECK(end.kind == NodeEnd::Kind::kClosed);
  CHECK(end.reason == report::CloseReason::kInterrupted);
  CHECK(end.summary.status == report::JobStatus::kInterrupted);
  CHECK(end.summary.short_id == "j0101.1");
  CHECK(end.summary.counts.passed + end.summary.counts.failed > 0);
  CHECK(end.summary.counts.unfinished > 0);
}

TEST_CASE("node: interrupted twice before the job has a name, it just leaves", "[node]") {
  Bench bench(small_suite());
  bench.node.interrupt(bench.at);
  bench.node.interrupt(bench.at);
  bench.node.advance(bench.at);
  REQUIRE(bench.node.end().has_value());
  CHECK(bench.node.end()->kind == NodeEnd::Kind::kDeparted);
}

TEST_CASE("node: a test that asks for the end gets it", "[node]") {
  Bench bench(small_suite());
  bench.collect();
  while (!bench.node.is_scheduler()) bench.step();
  bench.events.emplace_back(sched::ExitRequested{"enough"});
  const NodeEnd& end = bench.run();
  CHECK(end.reason == report::CloseReason::kInterrupted);
  CHECK(end.summary.notes == std::vector<std::string>{"enough"});
}

TEST_CASE("node: a test that has the session fail ends a job that has failed", "[node]") {
  Bench bench(small_suite());
  bench.collect();
  while (!bench.node.is_scheduler()) bench.step();
  bench.events.emplace_back(sched::ExitRequested{"session-timeout: 60.0 sec exceeded", true});
  const NodeEnd& end = bench.run();
  CHECK(end.reason == report::CloseReason::kFailed);
  CHECK(end.summary.status == report::JobStatus::kFailed);
  CHECK(report::exit_code(end.summary, {}) == report::kExitFailed);
  CHECK(end.summary.notes == std::vector<std::string>{"session-timeout: 60.0 sec exceeded"});
}

TEST_CASE("node: a very long test id is run and reported like any other", "[node]") {
  // Test ids are the suite's own words: parametrised with whole documents, for instance.
  const std::string longest = "a.py::t[" + std::string(100'000, 'x') + "]";
  Bench bench({{"a.py", {{longest, {Outcome::kPassed}}, {"a.py::good", {Outcome::kPassed}}}}});
  bench.collect();
  CHECK(bench.run().summary.counts.passed == 2);
}

TEST_CASE("node: bytes that mean nothing are counted, and change nothing", "[node]") {
  Bench bench(small_suite());
  bench.collect();
  Rng rng(4);
  for (int i = 0; i < 2000; ++i) {
    Buffer bytes(rng.below(300));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(rng.next());
    bench.node.receive(bench.at, 1 + rng.below(3),
                       rng.chance(1, 2) ? mesh::Lane::kControl : mesh::Lane::kBulk, bytes);
  }
  CHECK(bench.node.links().stats().rejected == 2000);
  CHECK(bench.node.membership().members().size() == 1);
  CHECK(bench.run().summary.counts.total == 7);
}

TEST_CASE("node: an archivist takes no work, whoever gives it some", "[node]") {
  const test::FakeCrypto crypto(1);
  NodeConfig config = Bench::config({});
  config.role = mesh::Role::kArchivist;
  config.profile.workers = config.vassal.workers = 0;
  const Moment at{test::at_ms(1000), 1'700'000'000'000};
  Node archivist(config, crypto, {}, at);
  Peer peer(2, archivist, at);
  const NodeId& a = peer.actor.id();
  const mesh::Claim claim = peer.actor.own_claim();
  peer.say(mesh::Announce{claim});
  report::Granted granted{claim, archivist.id(), false, {{7, 0, 2}, {100, 0, 1}}};
  SECTION("as work") {}
  SECTION("for the tail") { granted.tail = true; }
  SECTION("as copies") { granted.copies = true; }
  SECTION("under a claim that is not the writer's") {
    granted.claim.scheduler = Birth{1, archivist.id()};
  }
  peer.push({test::named(2), report::Enlisted{archivist.id(), 0, 0, 2}, report::Offered{7},
             test::listed(7, "x.py", 3), report::Found{{{100, "y.py", 10}}}, granted,
             report::Recalled{claim, archivist.id(), 1, Duration::seconds(1)}, report::Collected{},
             report::Draining{claim}});
  NodeActions actions = peer.pass(Duration::milliseconds(1));
  CHECK(actions.commands.empty());
  CHECK(archivist.job().counts().total == 3);
  CHECK(archivist.ledger().length(a) == 9);
  peer.push({report::Recalled{claim, archivist.id(), 2, Duration::seconds(1)}, test::closed(a)});
  for (int i = 0; i < 20; ++i) actions = peer.pass(Duration::seconds(1));
  CHECK(actions.commands.empty());
  CHECK(archivist.ledger().length(archivist.id()) == 0);
}

TEST_CASE("node: results that wait for their names are each told and learnt from", "[node]") {
  Bench bench({});
  while (!bench.node.is_scheduler()) bench.step();
  Peer peer(2, bench.node, bench.at);
  report::Finished slow = test::finished(7, 0, Outcome::kFailed);
  slow.duration = Duration::seconds(5);
  report::Finished quick = test::finished(7, 0);
  const mesh::Claim claim = peer.actor.own_claim();
  peer.push({report::Granted{claim, peer.actor.id(), false, {{7, 0, 1}}}, slow, quick,
             test::listed(7, "x.py", 1)});
  const std::vector<report::ProgressEvent> told = peer.pass(Duration::milliseconds(1)).progress;
  REQUIRE(told.size() == 2);
  CHECK(told[0].duration == slow.duration);
  CHECK(told[1].duration == quick.duration);
  CHECK(told[0].lag > slow.duration / 2);
}

namespace {

// A node of two, with a suite of its own to run, and the other one, which has named the job.
struct OneOfTwo {
  test::FakeCrypto crypto{1};
  Moment at{test::at_ms(1000), 1'700'000'000'000};
  Node node;
  Peer other{2, node, at};
  NodeActions actions;

  explicit OneOfTwo(bool may_be_left = true) : node(config(may_be_left), crypto, {}, at) {
    const NodeId& them = other.actor.id();
    other.say(mesh::Announce{other.actor.own_claim()});
    other.push({test::named(0), report::Enlisted{them, 0, 0, 2},
                report::Enlisted{node.id(), 1, 2, 2}, report::Collected{}});
    sched::FileCollected file;
    file.path = "a.py";
    file.ids = {"a.py::t0", "a.py::t1"};
    node.runner_event(other.at, file);
    node.runner_event(other.at, sched::CollectionDone{});
    for (int i = 0; i < 5; ++i) pass(100);
  }

  static NodeConfig config(bool may_be_left) {
    NodeConfig config = Bench::config({});
    config.report_may_be_left = may_be_left;
    return config;
  }
  static report::JobSummary left(const std::string& full_id = "job") {
    report::JobSummary summary;
    summary.full_id = full_id;
    summary.status = report::JobStatus::kPassed;
    return summary;
  }

  void pass(int64_t ms) { actions = other.pass(Duration::milliseconds(ms)); }
  // The other one says nothing any more.
  void lose_the_other() {
    for (int i = 0; i < 100 && node.membership().working_count() > 1; ++i) pass(100);
    REQUIRE(node.membership().working_count() == 1);
  }
  template <class Command>
  bool is_told() const {
    return std::any_of(actions.commands.begin(), actions.commands.end(), [](const auto& command) {
      return std::holds_alternative<Command>(command);
    });
  }
  // The other one has both its workers run a test.
  void run_tests() {
    report::FileKey key = 0;
    for (const auto& [offered, collection] : node.job().files()) key = offered;
    const mesh::Claim claim = other.actor.own_claim();
    other.push(
        {test::listed(key, "a.py", 2), report::Granted{claim, node.id(), false, {{key, 0, 2}}}});
    pass(1);
    REQUIRE(is_told<sched::StartWorker>());
    for (sched::Slot slot = 0; slot < 2; ++slot) {
      node.runner_event(other.at, sched::WorkerReady{slot});
      node.runner_event(other.at, sched::WorkerWants{slot});
    }
    pass(1);
    REQUIRE(is_told<sched::RunTests>());
  }
};

}  // namespace

TEST_CASE("node: who has lost all others looks for their report before it goes on", "[node]") {
  OneOfTwo two;
  CHECK_FALSE(two.node.seeks_report(two.other.at.now));
  two.lose_the_other();
  for (int i = 0; i < 50; ++i) {
    two.pass(100);
    CHECK(two.node.seeks_report(two.other.at.now));
    CHECK_FALSE(two.is_told<sched::StartWorker>());
  }
  SECTION("it is there") {
    two.node.sought_report(two.other.at, OneOfTwo::left());
    two.pass(1);
    REQUIRE(two.node.end().has_value());
    CHECK(two.node.end()->kind == NodeEnd::Kind::kFound);
    CHECK(two.node.end()->summary.status == report::JobStatus::kPassed);
    CHECK(two.node.may_exit(two.other.at.now + Duration::seconds(1)));
    for (int i = 0; i < 50; ++i) {
      CHECK_FALSE(two.is_told<sched::StartWorker>());
      two.pass(100);
    }
  }
  SECTION("it is not there, or only that of another job") {
    two.node.sought_report(two.other.at, std::nullopt);
    CHECK_FALSE(two.node.seeks_report(two.other.at.now));
    two.pass(10);
    CHECK(two.is_told<sched::StartWorker>());
    // It may yet come.
    two.pass(990);
    CHECK(two.node.seeks_report(two.other.at.now));
    two.node.sought_report(two.other.at, OneOfTwo::left("another job"));
    two.pass(10);
    CHECK_FALSE(two.node.end().has_value());
  }
}

TEST_CASE("node: where no report is left nobody looks for one", "[node]") {
  OneOfTwo two(false);
  two.lose_the_other();
  for (int i = 0; i < 20 && !two.is_told<sched::StartWorker>(); ++i) two.pass(100);
  CHECK(two.is_told<sched::StartWorker>());
  CHECK_FALSE(two.node.seeks_report(two.other.at.now + Duration::seconds(10)));
}

TEST_CASE("node: who stood still looks for the report before it hears its workers", "[node]") {
  OneOfTwo two;
  const Instant later = two.other.at.now + Duration::seconds(30);
  CHECK(two.node.seeks_report(later));
  SECTION("asked as it wakes") {
    two.node.sought_report({later, two.other.at.wall_ms + 30'000}, std::nullopt);
    CHECK_FALSE(two.node.seeks_report(later));
  }
  SECTION("asked when it has gone on") {
    two.pass(30'000);
    CHECK(two.node.seeks_report(later));
    CHECK(two.node.next_deadline() <= later);
  }
}

TEST_CASE("node: who has found the report of the others ends its workers first", "[node]") {
  OneOfTwo two;
  two.run_tests();
  two.node.sought_report(two.other.at, OneOfTwo::left());
  two.pass(1);
  CHECK(two.is_told<sched::DrainWorker>());
  CHECK_FALSE(two.node.end().has_value());
  SECTION("politely") {}
  SECTION("and those that do not end within the grace by force") {
    two.pass(Bench::config({}).grace.ms());
    CHECK(two.is_told<sched::KillWorker>());
    CHECK_FALSE(two.node.end().has_value());
  }
  for (sched::Slot slot = 0; slot < 2; ++slot) {
    two.node.runner_event(two.other.at, sched::WorkerGone{slot, true, {}, {}});
  }
  two.pass(1);
  REQUIRE(two.node.end().has_value());
  CHECK(two.node.end()->kind == NodeEnd::Kind::kFound);
}

TEST_CASE("node: a large view is told in parts", "[node]") {
  Bench bench({});
  Peer peer(2, bench.node, bench.at);
  peer.pass(Duration::milliseconds(1));
  std::set<NodeId> members{bench.node.id(), peer.actor.id()};
  for (uint64_t number = 3; number <= 1300; ++number) {
    test::Actor member(number);
    member.profile.control_address.resize(mesh::kAddressMax, 'c');
    member.profile.bulk_address.resize(mesh::kAddressMax, 'b');
    member.profile.host.resize(mesh::kNameMax, 'h');
    mesh::sign_profile(member.crypto, member.profile);
    members.insert(member.id());
    peer.say(mesh::PushPull{true, {{member.profile, {}}}});
  }
  CHECK(bench.node.membership().members().size() == members.size());
  bench.node.take_actions();
  peer.say(mesh::PushPull{false, {}});
  const NodeActions actions = bench.node.take_actions();
  for (const auto& send : actions.links.sends) {
    CHECK(send.bytes.size() <= mesh::kControlMessageMax / 2);
  }
  std::set<NodeId> told;
  for (const Message& message : Peer::heard(actions)) {
    const auto* view = std::get_if<mesh::PushPull>(&message);
    if (view == nullptr) continue;
    CHECK(view->answer);
    for (const mesh::MemberRecord& record : view->records) {
      told.insert(peer.actor.crypto.node_id_of(record.profile.key));
    }
  }
  CHECK(told == members);
}

TEST_CASE("node: what the world calls it is cut to what others can read", "[node]") {
  NodeConfig config = Bench::config({});
  config.profile.host = std::string(200, 'h');
  config.ci_url = "https://ci.example/" + std::string(5000, 'u');
  config.dashboard_url = "https://dagz.example";
  const test::FakeCrypto crypto(1);
  const Moment at{test::at_ms(1000), 1'700'000'000'000};
  Node node(config, crypto, {}, at);
  node.advance(at);
  mesh::Profile read;
  REQUIRE(decode(encode(node.membership().self().profile), read));
  CHECK(mesh::verify_profile(crypto, read));
  CHECK(read.host == std::string(mesh::kNameMax, 'h'));
  REQUIRE(node.job().nodes().size() == 1);
  REQUIRE(node.job().nodes()[0].opened.has_value());
  CHECK(node.job().nodes()[0].opened->ci_url.empty());
  CHECK(node.job().nodes()[0].opened->dashboard_url == "https://dagz.example");
}

TEST_CASE("node: many files with long paths are told in entries that fit", "[node]") {
  Bench bench({});
  sched::FilesFound found;
  for (int i = 0; i < 600; ++i) {
    found.files.push_back({std::to_string(i) + std::string(report::kPathMax, 'p'), 1});
  }
  bench.node.runner_event(bench.at, found);
  bench.node.advance(bench.at);
  CHECK(bench.node.job().collections() == 600);
}

// Last: before it was mended it took the whole program down.
TEST_CASE("node: an id that fits no entry does not end the process or the job", "[node]") {
  const std::string longest = "a.py::t[" + std::string(600'000, 'x') + "]";
  Bench bench({{"a.py", {{longest, {Outcome::kPassed}}, {"a.py::good", {Outcome::kPassed}}}}});
  bench.collect();
  CHECK(bench.run().summary.counts.total >= 1);
}
