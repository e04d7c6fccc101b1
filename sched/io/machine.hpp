#pragma once

#include <string>

#include "sched/workers_auto.hpp"

namespace dagz::sched {

// Reads this process's CPU affinity, its control groups (versions 1 and 2, with all their
// ancestors) and the free memory. What cannot be read is no limit. `root` is put before every path,
// for tests.
MachineFacts read_machine(const std::string& root = "");

}  // namespace dagz::sched
