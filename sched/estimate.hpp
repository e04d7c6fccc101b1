#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "mesh/time.hpp"
#include "report/job_state.hpp"

// How long a test will take: its own history if there is one, else the mean of what its file took
// in this job, else of the suite, else a guess. The collection of a file stands for all its tests.

namespace dagz::sched {

struct KnownDuration {
  std::string id;  // a file's path: of the set-up that its tests share
  Duration duration;
};

class Estimates {
 public:
  // Nobody knows anything yet: the order of magnitude of a unit test.
  static constexpr Duration kGuess = Duration::milliseconds(5);

  // Of a file that nobody knows: so many tests stand in so much source.
  static constexpr Duration kGuessPerKilobyte = Duration::milliseconds(20);
  static constexpr Duration kGuessPerFile = Duration::milliseconds(100);

  // Longer ones are taken for this: sums stay far from overflow.
  static constexpr Duration kLongest = Duration::seconds(24 * 3600);

  explicit Estimates(const std::vector<KnownDuration>& history);

  bool has_history() const { return !history_.empty(); }
  // Call once per test, when it becomes known, in order of its index.
  void add(const report::Test& test);
  void learn(report::TestIndex test, Duration duration);

  Duration of(report::TestIndex test) const;
  // True if `of` will not change: it comes from the history.
  bool is_fixed(report::TestIndex test) const { return tests_[test].known.ns > 0; }
  Duration of_path(uint32_t path) const;
  // Of a test that is not known yet.
  Duration of_id(const std::string& id) const;
  // What it costs to begin the tests of this file once more, on another worker, besides their own
  // time; 0 if nobody knows.
  Duration setup_of_path(uint32_t path) const { return paths_[path].setup; }

 private:
  Duration of_collection(const report::Test& collection) const;

  struct Mean {
    int64_t total_ns = 0;
    int64_t count = 0;
  };
  struct Path : Mean {
    Duration setup;
    bool looked_up = false;
  };
  struct Entry {
    Duration known;  // 0: none
    uint32_t path = 0;
  };

  std::unordered_map<std::string, Duration> history_;
  std::unordered_map<std::string, Duration> history_of_files_;
  std::vector<Entry> tests_;
  std::vector<Path> paths_;
  Mean suite_;
  Mean known_;
};

}  // namespace dagz::sched
