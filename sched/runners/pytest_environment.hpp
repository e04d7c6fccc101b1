#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sched/runner.hpp"

// The environment of the user's command, and what its workers add to it.

namespace dagz::sched {

using EnvironmentEntry = std::pair<std::string, std::string>;

// The module name under which pytest finds the driver.
inline constexpr std::string_view kDriverModule = "dagz_pytest_driver";

struct DriverPlace {
  std::string socket;     // path of the socket that the driver connects to
  std::string directory;  // holds the driver's modules and nothing else
  std::string collect;    // "whole", "shared", "auto" or "strict"
  std::string start;      // of workers: "fork", "spawn" or "auto"; empty: as auto
};

// `base` ("NAME=value" entries, as in environ) with the driver put where pytest finds it, the
// values that this hides kept as DAGZ_ORIGINAL_*, the trust root's variables removed, and `extra`
// set last.
std::vector<std::string> command_environment(const std::vector<std::string>& base,
                                             const DriverPlace& driver,
                                             const std::vector<EnvironmentEntry>& extra);

// DAGZ_WORKER, DAGZ_WORKERS, DAGZ_SLOT and what suites written for pytest-xdist look at. Without a
// `run_uid` PYTEST_XDIST_TESTRUNUID is left out.
std::vector<EnvironmentEntry> worker_environment(const StartWorker& start,
                                                 const std::string& run_uid);

}  // namespace dagz::sched
