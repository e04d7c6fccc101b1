#include "sched/groups.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "mesh/check.hpp"
#include "sched/long_tests.hpp"

namespace dagz::sched {

using report::TestIndex;

std::vector<TestGroup> group_tests(const report::JobState& job, const Estimates& estimates,
                                   Affinity affinity, const std::vector<TestIndex>& tests) {
  std::map<std::tuple<uint32_t, uint32_t, std::string>, TestGroup> groups;
  for (const TestIndex index : tests) {
    const report::Test& test = job.tests()[index];
    std::tuple<uint32_t, uint32_t, std::string> key{test.path, 0, {}};
    if (test.group != 0) {
      key = {report::kNone, test.group, {}};
    } else if (test.mutex != 0) {
      key = {report::kNone, 0, job.mutex(test.mutex).name};
    } else if (affinity == Affinity::kNone || affinity == Affinity::kGroup) {
      key = {test.path, index + 1, {}};
    } else if (affinity == Affinity::kClass) {
      const std::string name = test.id.substr(0, test.id.find('['));
      std::get<2>(key) = name.substr(0, name.rfind("::"));
    }
    TestGroup& group = groups[key];
    group.named = test.group != 0 || test.mutex != 0;
    group.tests.push_back(index);
    group.expected += estimates.of(index);
    group.has_first = group.has_first || (!test.places.empty() && test.places.front().index == 0);
    group.setup = std::max(group.setup, estimates.setup_of_path(test.path));
  }
  std::vector<TestGroup> list;
  list.reserve(groups.size());
  for (auto& [key, group] : groups) {
    group.expected += group.setup;
    list.push_back(std::move(group));
  }
  return list;
}

namespace {

int64_t pieces_of(Duration work, Duration setup, Duration share) {
  const int64_t room = std::max({int64_t{1}, (share - setup).ns, setup.ns / kSetupTimesMax});
  return std::max<int64_t>(1, (work.ns + room - 1) / room);
}

}  // namespace

Duration even_share(const std::vector<Divisible>& groups, uint32_t workers) {
  Duration total;
  Duration setups;
  Duration least{1};
  for (const Divisible& group : groups) {
    total += group.work + group.setup;
    setups += group.setup;
    if (group.setup.ns > 0) least = std::max(least, group.setup + group.longest);
  }
  workers = std::max<uint32_t>(1, workers);
  const Duration even{std::max<int64_t>(1, total.ns / workers)};
  if (setups.ns == 0) return even;
  const auto is_enough = [&](Duration share) {
    Duration needed;
    for (const Divisible& group : groups) {
      needed += group.work + group.setup * pieces_of(group.work, group.setup, share);
      if (needed > share * workers) return false;
    }
    return true;
  };
  Duration low = std::max(least, even);
  if (is_enough(low)) return low;
  Duration high = total;
  while (high - low > even / 256) {
    const Duration middle = low + (high - low) / 2;
    (is_enough(middle) ? high : low) = middle;
  }
  return high;
}

std::vector<std::size_t> even_pieces(const std::vector<Duration>& expected, Duration setup,
                                     Duration share) {
  CHECK(share.ns > 0);
  Duration work;
  for (const Duration one : expected) work += one;
  const int64_t parts = pieces_of(work, setup, share);
  std::vector<std::size_t> counts;
  std::size_t count = 0;
  Duration filled;
  int64_t part = 1;
  for (const Duration one : expected) {
    ++count;
    filled += one;
    if (filled * parts < work * part) continue;
    counts.push_back(std::exchange(count, 0));
    while (filled * parts >= work * part) ++part;
  }
  if (count > 0) counts.push_back(count);
  return counts;
}

Duration work_of(const report::JobState& job, const Estimates& estimates, const TestGroup& group,
                 uint32_t workers) {
  Duration total = group.setup;
  for (const TestIndex index : group.tests) {
    const report::Test& test = job.tests()[index];
    const uint32_t weight = test.exclusive ? workers : std::min(test.weight, workers);
    total += estimates.of(index) * std::max<uint32_t>(1, weight);
  }
  return total;
}

namespace {

// Its long tests leave the group for one of their own, and come first in what is left.
void take_out_long_tests(TestGroup& group, Duration limit, const Estimates& estimates,
                         std::vector<TestGroup>& pieces) {
  if (group.tests.size() < 2) return;
  std::vector<Duration> expected;
  expected.reserve(group.tests.size());
  for (const TestIndex test : group.tests) expected.push_back(estimates.of(test));
  const LongFirst order = long_first(expected, limit, group.setup, group.has_first);
  for (const std::size_t i : order.alone) {
    pieces.push_back({{group.tests[i]}, expected[i] + group.setup, group.setup});
    group.expected -= expected[i];
  }
  std::vector<TestIndex> rest;
  rest.reserve(order.rest.size());
  for (const std::size_t i : order.rest) rest.push_back(group.tests[i]);
  group.tests = std::move(rest);
}

void cut(const TestGroup& group, Duration share, const Estimates& estimates,
         std::vector<TestGroup>& pieces) {
  std::vector<Duration> expected;
  expected.reserve(group.tests.size());
  for (const TestIndex test : group.tests) expected.push_back(estimates.of(test));
  std::size_t at = 0;
  for (const std::size_t count : even_pieces(expected, group.setup, share)) {
    TestGroup& piece = pieces.emplace_back();
    piece.expected = piece.setup = group.setup;
    for (const std::size_t end = at + count; at < end; ++at) {
      piece.tests.push_back(group.tests[at]);
      piece.expected += expected[at];
    }
  }
}

}  // namespace

std::vector<TestGroup> split_groups(std::vector<TestGroup> groups, uint32_t workers,
                                    const Estimates& estimates) {
  Duration total;
  std::vector<Divisible> all;
  for (const TestGroup& group : groups) {
    total += group.expected;
    Divisible& one = all.emplace_back(Divisible{group.expected - group.setup, group.setup, {}});
    for (const TestIndex test : group.tests)
      one.longest = std::max(one.longest, estimates.of(test));
  }
  const Duration share = even_share(all, workers);
  const Duration limit = long_test(total, workers);
  std::vector<std::vector<TestGroup>> pieces_of(groups.size());
  bool any_long = false;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (!groups[i].named) take_out_long_tests(groups[i], limit, estimates, pieces_of[i]);
    any_long |= !pieces_of[i].empty();
  }
  std::vector<TestGroup> list;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    TestGroup& group = groups[i];
    std::vector<TestGroup>& pieces = pieces_of[i];
    if (group.tests.empty()) {
      // All of them left.
    } else if (group.named || group.expected <= share || group.tests.size() < 2) {
      pieces.push_back(std::move(group));
    } else {
      const bool fine = any_long && group.setup.ns == 0;
      cut(group, fine ? share / kPiecesPerShare : share, estimates, pieces);
    }
    for (std::size_t part = 0; part < pieces.size(); ++part) {
      pieces[part].part = static_cast<uint32_t>(part + 1);
      pieces[part].parts = static_cast<uint32_t>(pieces.size());
      list.push_back(std::move(pieces[part]));
    }
  }
  return list;
}

}  // namespace dagz::sched
