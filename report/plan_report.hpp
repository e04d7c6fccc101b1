#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mesh/time.hpp"

// What `dagz run --plan` prints: which worker would get which tests, and how long it would take.

namespace dagz::report {

struct PlannedGroup {
  std::string name;  // a file, a class or a test, as --affinity has it; an xdist_group; a mutex
  // Which piece of a group that was cut, from 1, and of how many.
  uint32_t part = 1;
  uint32_t parts = 1;
  Duration expected;
  std::vector<std::string> tests;  // ids
};

struct PlannedWorker {
  uint32_t number = 0;  // across the mesh
  uint32_t node = 0;    // node-<number>
  Duration expected;
  std::vector<PlannedGroup> groups;  // in the order in which they were planned
};

struct PlanSummary {
  uint32_t nodes = 1;
  uint64_t tests = 0;
  uint64_t files = 0;
  uint64_t known_tests = 0;  // those with a history
  Duration total;            // of all tests, on one worker
  Duration makespan;         // when the last worker is expected to finish
  // No order of the tests can be faster: an even share, or what cannot be cut.
  Duration lower_bound;
  std::vector<PlannedWorker> workers;
  std::vector<std::string> uncollected;  // paths that could not be collected
};

// Lines for people: the plan as a whole, then each worker with its groups.
std::string format_plan(const PlanSummary& plan);

// One JSON document with the same, and the ids of all tests.
std::string format_plan_json(const PlanSummary& plan);

}  // namespace dagz::report
