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

std::string class_of(const std::string& id) {
  const std::string name = id.substr(0, id.find('['));
  return name.substr(0, name.rfind("::"));
}

bool is_chain(std::string_view group_name) {
  return group_name == "in order" || group_name.starts_with("in order: ");
}

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
      std::get<2>(key) = class_of(test.id);
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
  // Files become known in any order; pytest collects them by their names, and what is named wants
  // that.
  const auto comes_before = [&job](TestIndex a, TestIndex b) {
    return job.path(job.tests()[a].path) < job.path(job.tests()[b].path);
  };
  for (auto& [key, group] : groups) {
    if (group.named) std::stable_sort(group.tests.begin(), group.tests.end(), comes_before);
    group.expected += group.setup;
    list.push_back(std::move(group));
  }
  return list;
}

namespace {

// For the tests of one piece.
Duration room_of(Duration setup, Duration share) {
  return std::max({Duration{1}, share - setup, setup / kSetupTimesMax});
}

int64_t parts_of(Duration work, Duration room) {
  return std::max<int64_t>(1, (work.ns - 1) / room.ns + 1);
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
      needed += group.work + group.setup * parts_of(group.work, room_of(group.setup, share));
      if (needed > share * workers) return false;
    }
    return true;
  };
  Duration low = std::max(least, even);
  if (is_enough(low)) return low;
  Duration high = total;
  while (high - low > std::max(even / 256, Duration{1})) {
    const Duration middle = low + (high - low) / 2;
    (is_enough(middle) ? high : low) = middle;
  }
  return high;
}

namespace {

using Pieces = std::vector<std::vector<std::size_t>>;

// What takes more than this part of a piece, and twice as long as is usual, decides how long the
// piece is.
constexpr int64_t kHeavyPart = 8;
// A piece may take so much longer than is wanted: another set-up would be dearer.
constexpr int64_t kExcessPart = 8;

// Heavy ones are spread, where nobody helps a piece that takes long because each is set up: they go
// to the piece that has the least, the longest first. The others fill what is left, in their order.
Pieces cut_into(const std::vector<Duration>& expected, Duration work, std::size_t parts,
                bool spread) {
  const auto count = static_cast<int64_t>(parts);
  const Duration heavy = std::max(work / count / kHeavyPart, median(expected) * 2);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (spread && expected[i] > heavy) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return expected[a] > expected[b]; });
  Pieces pieces(parts);
  std::vector<Duration> loads(parts);
  for (const std::size_t i : order) {
    const auto least = std::min_element(loads.begin(), loads.end());
    *least += expected[i];
    pieces[static_cast<std::size_t>(least - loads.begin())].push_back(i);
  }
  // What is left to fill, times the parts, so that nothing is rounded.
  std::size_t part = 0;
  Duration room = work - loads[0] * count;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (spread && expected[i] > heavy) continue;
    // What the piece before has too much, this one has less.
    while (part + 1 < parts && room.ns <= 0) room += work - loads[++part] * count;
    pieces[part].push_back(i);
    room -= expected[i] * count;
  }
  std::erase_if(pieces, [](const auto& piece) { return piece.empty(); });
  for (auto& piece : pieces) std::sort(piece.begin(), piece.end());
  return pieces;
}

Duration longest(const Pieces& pieces, const std::vector<Duration>& expected) {
  Duration most;
  for (const auto& piece : pieces) {
    Duration load;
    for (const std::size_t i : piece) load += expected[i];
    most = std::max(most, load);
  }
  return most;
}

}  // namespace

std::vector<std::vector<std::size_t>> even_pieces(const std::vector<Duration>& expected,
                                                  Duration setup, Duration share) {
  CHECK(share.ns > 0);
  Duration work;
  for (const Duration one : expected) work += one;
  const auto limit = std::max<std::size_t>(1, expected.size());
  const Duration room = room_of(setup, share);
  const auto parts = std::min(limit, static_cast<std::size_t>(parts_of(work, room)));
  Pieces pieces = cut_into(expected, work, parts, setup.ns > 0);
  if (setup.ns == 0) return pieces;
  // A few long tests may not fit into so few pieces.
  const Duration most = room + room / kExcessPart;
  for (std::size_t more = parts + 1; more <= std::min(limit, parts * 2); ++more) {
    if (longest(pieces, expected) <= most) break;
    Pieces finer = cut_into(expected, work, more, true);
    if (longest(finer, expected) <= most) return finer;
  }
  return pieces;
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

// Its long tests leave the group for one of their own, and come first in what is left. Whoever can
// run all of it need not set it up twice.
void take_out_long_tests(TestGroup& group, Duration limit, Duration share,
                         const Estimates& estimates, std::vector<TestGroup>& pieces) {
  if (group.tests.size() < 2) return;
  std::vector<Duration> expected;
  std::vector<bool> foretold;
  expected.reserve(group.tests.size());
  for (const TestIndex test : group.tests) {
    expected.push_back(estimates.of(test));
    foretold.push_back(estimates.is_foretold(test));
  }
  const bool whole = group.setup.ns > 0 && group.expected <= share;
  LongFirst order =
      long_first(expected, limit, whole ? group.expected : group.setup, group.has_first, foretold);
  if (group.setup.ns > 0) order.keep_order();
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
  for (const std::vector<std::size_t>& indexes : even_pieces(expected, group.setup, share)) {
    TestGroup& piece = pieces.emplace_back();
    piece.expected = piece.setup = group.setup;
    for (const std::size_t i : indexes) {
      piece.tests.push_back(group.tests[i]);
      piece.expected += expected[i];
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
    if (!groups[i].named) take_out_long_tests(groups[i], limit, share, estimates, pieces_of[i]);
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
