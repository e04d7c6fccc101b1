#include "sched/runners/pytest_environment.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

// The environment that the user's command and its workers get.

namespace {

using namespace dagz::sched;
using Entries = std::vector<std::string>;

const DriverPlace kPlace = {"/tmp/d/s", "/tmp/d/lib", "", ""};

}  // namespace

TEST_CASE("pytest environment: the driver is added and the secret is removed", "[sched]") {
  const Entries base = {"HOME=/root", "DAGZ_SECRET=x", "DAGZ_SECRET_FILE=/y", "DAGZ_JOB=old"};
  CHECK(command_environment(base, kPlace, {{"DAGZ_JOB", "j1"}, {"DAGZ_NODE", "n"}}) ==
        Entries{"HOME=/root", "DAGZ_SOCKET=/tmp/d/s", "PYTHONPATH=/tmp/d/lib",
                "PYTEST_PLUGINS=dagz_pytest_driver", "DAGZ_JOB=j1", "DAGZ_NODE=n"});
}

TEST_CASE("pytest environment: the driver is told how to collect and to start workers", "[sched]") {
  CHECK(command_environment({}, {"/s", "/lib", "shared", "spawn"}, {}) ==
        Entries{"DAGZ_SOCKET=/s", "DAGZ_DRIVER_COLLECT=shared", "DAGZ_DRIVER_START=spawn",
                "PYTHONPATH=/lib", "PYTEST_PLUGINS=dagz_pytest_driver"});
}

TEST_CASE("pytest environment: what the driver hides is kept beside it", "[sched]") {
  const Entries base = {"PYTHONPATH=src:lib", "PYTEST_PLUGINS=a,b"};
  CHECK(command_environment(base, kPlace, {}) ==
        Entries{"DAGZ_SOCKET=/tmp/d/s", "DAGZ_ORIGINAL_PYTHONPATH=src:lib",
                "PYTHONPATH=/tmp/d/lib:src:lib", "DAGZ_ORIGINAL_PYTEST_PLUGINS=a,b",
                "PYTEST_PLUGINS=dagz_pytest_driver,a,b"});
  CHECK(command_environment({"PYTHONPATH="}, kPlace, {}) ==
        Entries{"DAGZ_SOCKET=/tmp/d/s", "DAGZ_ORIGINAL_PYTHONPATH=", "PYTHONPATH=/tmp/d/lib",
                "PYTEST_PLUGINS=dagz_pytest_driver"});
}

TEST_CASE("pytest environment: a dagz within dagz starts afresh", "[sched]") {
  const Entries base = {"DAGZ_SOCKET=/outer", "DAGZ_ORIGINAL_PYTHONPATH=/outer",
                        "DAGZ_ORIGINAL_PYTEST_PLUGINS=x", "DAGZ_DRIVER_COLLECT=shared",
                        "DAGZ_DRIVER_START=spawn"};
  CHECK(command_environment(base, kPlace, {}) == Entries{"DAGZ_SOCKET=/tmp/d/s",
                                                         "PYTHONPATH=/tmp/d/lib",
                                                         "PYTEST_PLUGINS=dagz_pytest_driver"});
}

TEST_CASE("pytest environment: a worker knows its number, also as pytest-xdist says it",
          "[sched]") {
  const std::vector<EnvironmentEntry> env = worker_environment({1, 3, 8}, "uid");
  CHECK(env == std::vector<EnvironmentEntry>{{"DAGZ_WORKER", "3"},
                                             {"DAGZ_WORKERS", "8"},
                                             {"DAGZ_SLOT", "1"},
                                             {"PYTEST_XDIST_WORKER", "gw3"},
                                             {"PYTEST_XDIST_WORKER_COUNT", "8"},
                                             {"PYTEST_XDIST_TESTRUNUID", "uid"}});
  CHECK(worker_environment({0, 3, 8}, "").size() == 5);
}
