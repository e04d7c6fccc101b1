#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mesh/rng.hpp"
#include "mesh/time.hpp"
#include "report/outcome.hpp"
#include "report/verdict.hpp"
#include "sched/runner.hpp"

// An invented test suite with known outcomes, drawn from a seed.

namespace dagz::sim {

struct SuiteTest {
  std::string id;
  Duration duration;
  // The outcome of each try; the last one repeats.
  std::vector<report::Outcome> outcomes;
  // Has another id in each process that collects it.
  bool fickle = false;
  // Its crash is the end of its node's runner and of all its workers.
  bool ends_runner = false;
  // It is the end of the whole node.
  bool ends_node = false;
  // What its mark asks for.
  bool exclusive = false;
  uint32_t weight = 1;
  std::string mutex;
  uint32_t times_usual = 1;
  // Those of one name ask for one worker; empty: it asks for none.
  std::string group;
};

struct SuiteFile {
  std::string path;
  std::vector<SuiteTest> tests;
  uint32_t bytes = 1000;
  Duration import;
  // What the first of its tests on each worker takes longer.
  Duration setup;
  // Cannot be collected; takes down who tries.
  bool broken = false;
  bool deadly = false;
  bool ends_runner = false;
};

struct Suite {
  std::vector<SuiteFile> files;

  std::size_t size() const;
  std::size_t broken_files() const;
  // Whether its test may stay without a verdict.
  bool is_fickle(const std::string& id) const;
  // What the job must say of each test.
  std::map<std::string, report::Verdict> expected(uint32_t retries) const;
};

struct SuiteShape {
  std::size_t tests = 200;
  Duration mean = Duration::milliseconds(40);
  uint32_t fail_percent = 2;
  uint32_t crash_percent = 1;
  uint32_t flaky_percent = 1;
  // Where files are collected one by one.
  uint32_t broken_percent = 0;
  uint32_t fickle_percent = 0;
  Duration import_max;
  Duration setup_max;
  // So many tests bear a mark.
  uint32_t marked_percent = 0;
  // So many are of a named group.
  uint32_t grouped_percent = 0;
  // So many take a quarter of a minute or so, whatever the mean.
  uint32_t long_tests = 0;
  // So many take down their node, whenever they run.
  uint32_t poison = 0;
};

// As a node's collection tells it.
std::vector<sched::LocalRequirement> requirements_of(const SuiteFile& file);
std::vector<sched::LocalGroup> groups_of(const SuiteFile& file);

Suite draw_suite(Rng& rng, const SuiteShape& shape);

}  // namespace dagz::sim
