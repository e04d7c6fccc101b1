#include "report/events.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/jobs.hpp"

// The events of a job: each once, with the verdict as of then, whatever order the logs come in.

using namespace dagz;
using namespace dagz::report;
using nlohmann::json;

namespace {

const NodeId kA = test::numbered_id(1);
const NodeId kB = test::numbered_id(2);
constexpr FileKey kFile = 7;

struct Told {
  JobState job;
  EventLog log;
  EventLog::When when{Duration::milliseconds(1'500), 2'500};

  void apply(const NodeId& origin, const Entry& entry) {
    job.apply(origin, entry);
    log.entry(when, job, origin, entry);
    for (const Change& change : job.take_changes()) log.change(when, job, change);
  }
  std::vector<json> events() {
    std::vector<json> list;
    std::istringstream lines(log.take_lines());
    for (std::string line; std::getline(lines, line);) list.push_back(json::parse(line));
    return list;
  }
  void open() {
    apply(kA, test::named(2));
    apply(kA, Opened{"host-a", "https://ci/1"});
    apply(kA, Enlisted{kA, 1, 0, 2});
    apply(kA, test::listed(kFile, "t.py", 2));
  }
};

}  // namespace

TEST_CASE("events: a node that is numbered anew says so once", "[events]") {
  Told told;
  told.open();
  told.apply(kB, Enlisted{kB, 1, 0, 1});
  told.apply(kB, Opened{"host-b", ""});
  told.events();
  told.apply(kA, Enlisted{kB, 2, 2, 1, 1});
  told.apply(kB, Opened{"host-b", ""});
  told.apply(kB, Enlisted{kB, 1, 0, 1});
  const auto events = told.events();
  REQUIRE(events.size() == 1);
  CHECK((events[0]["event"] == "node_renumbered" && events[0]["node"] == "node-2"));
  CHECK((events[0]["first_worker"] == 2 && events[0]["workers"] == 1));
}

TEST_CASE("events: a job opens and its nodes join, each once", "[events]") {
  Told told;
  told.open();
  told.apply(kA, Enlisted{kB, 2, 2, 1});
  told.apply(kB, Opened{"host-b", ""});
  told.apply(kB, Opened{"host-b", ""});
  told.apply(kB, Departed{"interrupted"});
  const auto events = told.events();
  REQUIRE(events.size() == 4);
  CHECK(events[0]["event"] == "job_opened");
  CHECK((events[0]["id"] == "job" && events[0]["retries"] == 2));
  CHECK((events[0]["time_ms"] == 2500 && events[0]["elapsed_s"] == 1.5));
  CHECK((events[1]["event"] == "node_joined" && events[1]["node"] == "node-1"));
  CHECK((events[2]["node"] == "node-2" && events[2]["host"] == "host-b"));
  CHECK((events[2]["first_worker"] == 2 && events[2]["workers"] == 1));
  CHECK((events[3]["event"] == "node_left" && events[3]["node"] == "node-2"));
}

TEST_CASE("events: each attempt has the verdict as of then", "[events]") {
  Told told;
  told.open();
  told.events();
  told.apply(kA, test::granted(kA, kA, {{kFile, 0, 2}}));
  Finished failed = test::finished(kFile, 0, Outcome::kFailed);
  failed.message = "no \xff good";
  failed.slot = 1;
  told.apply(kA, failed);
  told.apply(kA, test::granted(kA, kA, {{kFile, 0, 1}}));
  told.apply(kA, test::finished(kFile, 0));
  told.apply(kA, test::finished(kFile, 1));
  const auto events = told.events();
  REQUIRE(events.size() == 3);
  CHECK(events[0]["event"] == "test_finished");
  CHECK((events[0]["test"] == "t.py::t0" && events[0]["verdict"] == "RETRY"));
  CHECK((events[0]["outcome"] == "failed" && events[0]["message"] == "no \\xff good"));
  CHECK((events[0]["worker"] == 1 && events[0]["attempt"] == 1 && events[0]["node"] == "node-1"));
  CHECK((events[0]["duration_s"] == 0.01 && events[0]["started_ms"] == 2000));
  CHECK((events[1]["verdict"] == "OK_FLAKY" && events[1]["attempt"] == 2));
  CHECK((events[2]["test"] == "t.py::t1" && events[2]["attempt"] == 1));
  CHECK_FALSE(events[2].contains("message"));
}

TEST_CASE("events: a result that comes before its grant or its name is told once it counts",
          "[events]") {
  Told told;
  told.apply(kA, test::named(2));
  told.apply(kB, test::finished(kFile, 0));
  told.apply(kB, test::finished(kFile, 1));
  told.apply(kA, test::listed(kFile, "t.py", 2));
  CHECK(told.events().size() == 1);  // the opening
  told.apply(kA, test::granted(kA, kB, {{kFile, 1, 1}}));
  const auto events = told.events();
  REQUIRE(events.size() == 1);
  CHECK((events[0]["test"] == "t.py::t1" && events[0]["verdict"] == "OK"));
}

TEST_CASE("events: what the mesh says, and the end", "[events]") {
  Told told;
  told.open();
  told.events();
  told.log.scheduler_changed(told.when, told.job, kA, "here:1", 3);
  told.log.node_lost(told.when, told.job, kB, "there:1");
  told.apply(kA, test::granted(kA, kA, {{kFile, 0, 2}}));
  told.apply(kA, test::finished(kFile, 0));
  told.apply(kA, test::closed(kA, CloseReason::kDeadline));
  told.events();
  told.log.scheduler_changed(told.when, told.job, kA, "here:1", 3);
  told.log.node_lost(told.when, told.job, kB, "there:1");
  told.log.closed(told.when, told.job.summary(), CloseReason::kDeadline);
  const auto events = told.events();
  REQUIRE(events.size() == 3);
  CHECK((events[0]["event"] == "scheduler_changed" && events[0]["term"] == 3));
  CHECK((events[0]["node"] == "node-1" && events[0]["address"] == "here:1"));
  CHECK((events[1]["event"] == "node_lost" && events[1]["node"] == ""));
  CHECK((events[2]["event"] == "job_closed" && events[2]["status"] == "INCOMPLETE"));
  CHECK((events[2]["reason"] == "deadline" && events[2]["counts"]["passed"] == 1));
  CHECK((events[2]["counts"]["unfinished"] == 1 && events[2]["counts"]["total"] == 2));
}

TEST_CASE("events: a second copy is told only if it counts", "[events]") {
  Told told;
  told.open();
  told.apply(kA, test::granted(kA, kA, {{kFile, 0, 2}}));
  Granted second = test::granted(kA, kB, {{kFile, 0, 2}});
  second.copies = true;
  told.apply(kA, second);
  told.events();
  Finished result = test::finished(kFile, 0, Outcome::kFailed);
  result.copy = true;
  told.apply(kB, result);
  CHECK(told.events().empty());
  result.index = 1;
  result.outcome = Outcome::kPassed;
  told.apply(kB, result);
  const auto events = told.events();
  REQUIRE(events.size() == 1);
  CHECK(events[0]["verdict"] == "OK");
}
