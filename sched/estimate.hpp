#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "mesh/time.hpp"
#include "report/job_state.hpp"

// How long a test will take: its own history if there is one, else the mean of what its function
// took with other parameters; else the mean of what its file took in this job, else of the suite,
// else a guess. If its marks say that it is slow it is so many times the mean of its file or of the
// suite in the history, the larger one, or without a history so many times that guess, less where
// many of its file are marked. The collection of a file stands for all its tests.

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

  // So many times the guess for it a slow test really takes: some seconds.
  static constexpr int64_t kForetoldTimes = 16;

  // Longer ones are taken for this: sums stay far from overflow.
  static constexpr Duration kLongest = Duration::seconds(24 * 3600);

  explicit Estimates(const std::vector<KnownDuration>& history);

  bool has_history() const { return !history_.empty(); }
  // It does not know more than a tenth of what has been collected so far.
  bool is_history_old() const { return history_.empty() || new_tests_ * 10 > all_tests_; }
  // Call once per test, when it becomes known, in order of its index.
  void add(const report::Test& test);
  void learn(report::TestIndex test, Duration duration);
  // What was set up before a test that has run, perhaps nothing.
  void learn_setup(report::TestIndex test, Duration setup);

  Duration of(report::TestIndex test) const;
  // From its own history.
  bool is_known(report::TestIndex test) const { return is_fixed(test) && !tests_[test].is_guess; }
  // True if `of` will not change: it comes from the history.
  bool is_fixed(report::TestIndex test) const { return tests_[test].fixed.ns > 0; }
  // Nobody knows it, and its marks say that it is slow.
  bool is_foretold(report::TestIndex test) const {
    return tests_[test].times_usual > 1 && !is_known(test);
  }
  // Against what can be measured, such as a set-up: where nobody knows anything, what is foretold
  // takes seconds rather than so many times the guess.
  Duration at_length(report::TestIndex test) const {
    if (!is_foretold(test) || is_fixed(test)) return of(test);
    const Duration usual = std::max(kGuess, of_path(tests_[test].path));
    return std::min(kLongest, usual * times_usual(test)) * kForetoldTimes;
  }
  // Of a test without a history whose marks say nothing, and of those that marks foretell, which
  // are `times` as long by all their marks together. The fewer tests of a file are marked, the more
  // each of these marks says.
  Duration of_path(uint32_t path) const;
  Duration foretold_of_path(uint32_t path, uint64_t times) const;
  uint32_t times_usual(report::TestIndex test) const { return tests_[test].times_usual; }
  // Of a test that is not known yet.
  Duration of_id(const std::string& id) const;
  // What it costs to begin the tests of this file once more, on another worker, besides their own
  // time: by the history if that knows the file, else the most that it took in this job, or before
  // any of it has run the mean of that over other such files.
  Duration setup_of_path(uint32_t path) const;

 private:
  Duration of_collection(const report::Test& collection) const;
  Duration guess_from_history(const report::Test& test) const;

  struct Mean {
    Duration total;
    int64_t count = 0;

    void add(Duration one) {
      total += one;
      ++count;
    }
    // A microsecond at the least; of one or more.
    Duration mean() const { return std::max(Duration::microseconds(1), total / count); }
  };
  static constexpr int64_t kRootOfOne = 256;
  struct Path : Mean {
    Duration setup;
    uint64_t foretold = 0;                // so many of its tests, and the fourth root of that:
    uint64_t foretold_root = kRootOfOne;  // so many 256ths, one at the least
    bool looked_up = false;
    bool is_in_history = false;
    bool was_set_up = false;  // in this job: some of it has run

    void add_foretold();
  };
  struct File {
    Duration total;  // with the set-up
    Mean tests;
  };
  struct Entry {
    Duration fixed;  // 0: it is not
    uint32_t path = 0;
    uint16_t times_usual = 1;  // at most report::kTimesUsualMax
    bool is_guess = false;     // from its siblings or its marks
  };

  std::unordered_map<std::string, Duration> history_;
  std::unordered_map<std::string, File> history_of_files_;
  std::unordered_map<std::string, Mean> history_of_functions_;  // those with parameters
  std::vector<Entry> tests_;
  std::size_t all_tests_ = 0;
  std::size_t new_tests_ = 0;
  std::vector<Path> paths_;
  Mean suite_;
  Mean known_;
  Mean setups_;  // of files that the history does not know
};

}  // namespace dagz::sched
