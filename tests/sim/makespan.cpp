#include "tests/sim/makespan.hpp"

#include <cstdio>
#include <fstream>
#include <sstream>

#include "tests/sim/sweep.hpp"
#include "tests/sim/world.hpp"

namespace dagz::sim {
namespace {

bool read_suite(const std::string& name, GivenSuite& given) {
  std::ifstream input(name);
  for (std::string line; std::getline(input, line);) {
    std::istringstream fields(line);
    SuiteFile& file = given.suite.files.emplace_back();
    fields >> file.path;
    for (int64_t took = 0, known = 0; fields >> took >> known;) {
      SuiteTest& test = file.tests.emplace_back();
      test.id = file.path + "::" + std::to_string(file.tests.size());
      test.duration = Duration::microseconds(took);
      test.outcomes = {report::Outcome::kPassed};
      if (known > 0) given.known.push_back({test.id, Duration::microseconds(known)});
    }
  }
  return given.suite.size() > 0;
}

}  // namespace

int print_makespan(const MakespanOptions& options) {
  GivenSuite given;
  given.workers_each = options.workers_each;
  given.speeds = options.speeds;
  if (!read_suite(options.durations, given)) {
    std::fprintf(stderr, "%s holds no durations\n", options.durations.c_str());
    return 2;
  }
  Scenario scenario;
  scenario.nodes = static_cast<uint32_t>(options.speeds.size());
  scenario.given = &given;
  scenario.starts_within = Duration{};
  scenario.give_up_after = Duration::seconds(10'000'000);
  World world(scenario);
  while (world.step()) continue;
  if (world.timed_out()) return kViolated;
  const Outcome outcome = world.outcome();
  std::printf("%.6f %u\n", (world.last_test_ended() - world.first_test_began()).to_seconds(),
              outcome.steals);
  return 0;
}

}  // namespace dagz::sim
