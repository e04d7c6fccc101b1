#include "tests/sim/suite.hpp"

#include <algorithm>

namespace dagz::sim {

using report::Outcome;

std::size_t Suite::size() const {
  std::size_t count = 0;
  for (const SuiteFile& file : files) count += file.tests.size();
  return count;
}

std::size_t Suite::broken_files() const {
  return static_cast<std::size_t>(
      std::count_if(files.begin(), files.end(), [](const SuiteFile& file) { return file.broken; }));
}

bool Suite::is_fickle(const std::string& id) const {
  return std::any_of(files.begin(), files.end(), [&id](const SuiteFile& file) {
    return std::any_of(file.tests.begin(), file.tests.end(),
                       [&id](const SuiteTest& test) { return test.fickle && test.id == id; });
  });
}

std::map<std::string, report::Verdict> Suite::expected(uint32_t retries) const {
  std::map<std::string, report::Verdict> verdicts;
  for (const SuiteFile& file : files) {
    if (file.broken) continue;
    for (const SuiteTest& test : file.tests) {
      std::vector<Outcome> seen;
      for (uint32_t attempt = 0; attempt <= retries; ++attempt) {
        seen.push_back(test.outcomes[std::min<std::size_t>(attempt, test.outcomes.size() - 1)]);
        if (!report::is_failure(seen.back())) break;
      }
      verdicts[test.id] = report::decide(seen, true);
    }
  }
  return verdicts;
}

namespace {

// By a generator of its own: what else is drawn stays as it is without marks.
void draw_marks(Suite& suite, uint32_t percent) {
  Rng rng(suite.size() * 1009 + percent);
  Rng slow(suite.size() * 2003 + percent);
  for (SuiteFile& file : suite.files) {
    for (SuiteTest& test : file.tests) {
      if (slow.chance(percent, 100)) test.times_usual = static_cast<uint32_t>(slow.between(2, 50));
      if (!rng.chance(percent, 100)) continue;
      test.exclusive = rng.chance(1, 4);
      if (rng.chance(1, 3)) test.weight = static_cast<uint32_t>(rng.between(2, 4));
      if (rng.chance(1, 2)) test.mutex = rng.chance(1, 2) ? "database" : "port";
    }
  }
}

void draw_groups(Suite& suite, uint32_t percent) {
  Rng rng(suite.size() * 4001 + percent);
  for (SuiteFile& file : suite.files) {
    for (SuiteTest& test : file.tests) {
      if (rng.chance(percent, 100)) test.group = "group-" + std::to_string(rng.below(4));
    }
  }
}

void draw_long_tests(Suite& suite, uint32_t count) {
  Rng rng(suite.size() * 3001 + count);
  for (; count > 0; --count) {
    SuiteFile& file = suite.files[rng.below(suite.files.size())];
    file.tests[rng.below(file.tests.size())].duration =
        Duration::milliseconds(rng.between(8'000, 20'000));
  }
}

void draw_poison(Suite& suite, uint32_t count) {
  Rng rng(suite.size() * 5003 + count);
  for (; count > 0; --count) {
    SuiteFile& file = suite.files[rng.below(suite.files.size())];
    SuiteTest& test = file.tests[rng.below(file.tests.size())];
    test.ends_node = true;
    test.outcomes = {Outcome::kCrashed};
  }
}

// Some of those that take their worker down anyway; no more, as each costs a node many losses.
void draw_ends_of_runners(Suite& suite) {
  std::size_t files = suite.size() % 2;
  std::size_t tests = suite.files.size() % 3;
  for (SuiteFile& file : suite.files) {
    if (file.deadly && files > 0) {
      file.ends_runner = true;
      --files;
    }
    for (SuiteTest& test : file.tests) {
      if (tests == 0 || test.outcomes.front() != Outcome::kCrashed) continue;
      test.ends_runner = true;
      --tests;
    }
  }
}

}  // namespace

std::vector<sched::LocalRequirement> requirements_of(const SuiteFile& file) {
  std::vector<sched::LocalRequirement> list;
  for (uint32_t i = 0; i < file.tests.size(); ++i) {
    const SuiteTest& test = file.tests[i];
    if (!test.exclusive && test.weight == 1 && test.mutex.empty() && test.times_usual == 1) {
      continue;
    }
    list.push_back({test.exclusive, test.weight, test.mutex, test.times_usual, {i}});
  }
  return list;
}

std::vector<sched::LocalGroup> groups_of(const SuiteFile& file) {
  std::map<std::string, std::vector<uint32_t>> groups;
  for (uint32_t i = 0; i < file.tests.size(); ++i) {
    if (!file.tests[i].group.empty()) groups[file.tests[i].group].push_back(i);
  }
  std::vector<sched::LocalGroup> list;
  for (auto& [name, indexes] : groups) list.push_back({name, std::move(indexes)});
  return list;
}

Suite draw_suite(Rng& rng, const SuiteShape& shape) {
  Suite suite;
  std::size_t drawn = 0;
  while (drawn < shape.tests) {
    SuiteFile& file = suite.files.emplace_back();
    file.path = "tests/test_" + std::to_string(suite.files.size()) + ".py";
    const std::size_t count =
        std::min<std::size_t>(shape.tests - drawn, 1 + rng.below(shape.tests / 4 + 1));
    for (std::size_t i = 0; i < count; ++i) {
      SuiteTest& test = file.tests.emplace_back();
      test.id = file.path + "::test_" + std::to_string(i);
      // Heavy-tailed: one in twenty takes ten times as long.
      const int64_t scale = rng.chance(1, 20) ? 10 : 1;
      test.duration = Duration{rng.between(shape.mean.ns / 10, shape.mean.ns * 2) * scale};
      const uint64_t kind = rng.below(100);
      if (kind < shape.fail_percent) {
        test.outcomes = {Outcome::kFailed};
      } else if (kind < shape.fail_percent + shape.crash_percent) {
        test.outcomes = {Outcome::kCrashed};
      } else if (kind < shape.fail_percent + shape.crash_percent + shape.flaky_percent) {
        test.outcomes = {Outcome::kFailed, Outcome::kPassed};
      } else if (kind < 10) {
        test.outcomes = {Outcome::kSkipped};
      } else {
        test.outcomes = {Outcome::kPassed};
      }
    }
    if (shape.setup_max.ns > 0) file.setup = Duration{rng.between(0, shape.setup_max.ns)};
    if (shape.import_max.ns > 0) {
      file.import = Duration{rng.between(0, shape.import_max.ns)};
      file.broken = rng.chance(shape.broken_percent, 100);
      file.deadly = file.broken && rng.chance(1, 2);
      for (SuiteTest& test : file.tests) test.fickle = rng.chance(shape.fickle_percent, 100);
    }
    drawn += count;
  }
  if (shape.marked_percent > 0) draw_marks(suite, shape.marked_percent);
  if (shape.grouped_percent > 0) draw_groups(suite, shape.grouped_percent);
  draw_long_tests(suite, shape.long_tests);
  draw_ends_of_runners(suite);
  draw_poison(suite, shape.poison);
  return suite;
}

}  // namespace dagz::sim
