#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mesh/rng.hpp"
#include "mesh/time.hpp"
#include "report/outcome.hpp"
#include "report/verdict.hpp"

// An invented test suite with known outcomes, drawn from a seed.

namespace dagz::sim {

struct SuiteTest {
  std::string id;
  Duration duration;
  // The outcome of each try; the last one repeats.
  std::vector<report::Outcome> outcomes;
};

struct SuiteFile {
  std::string path;
  std::vector<SuiteTest> tests;
};

struct Suite {
  std::vector<SuiteFile> files;

  std::size_t size() const;
  // What the job must say of each test.
  std::map<std::string, report::Verdict> expected(uint32_t retries) const;
};

struct SuiteShape {
  std::size_t tests = 200;
  Duration mean = Duration::milliseconds(40);
  uint32_t fail_percent = 2;
  uint32_t crash_percent = 1;
  uint32_t flaky_percent = 1;
};

Suite draw_suite(Rng& rng, const SuiteShape& shape);

}  // namespace dagz::sim
