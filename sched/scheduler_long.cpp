#include <algorithm>
#include <iterator>

#include "mesh/mark.hpp"
#include "sched/long_tests.hpp"
#include "sched/scheduler.hpp"

// Long tests that are open once everybody has a share: of a node that died, or more than the node
// that collected them can begin at once. Each goes at once to where it begins first, for nobody
// asks before it runs dry, and then they would begin last of all. Whoever gets one begins it before
// what is short, which others can take over later; so only the long ones that a node has count.

namespace dagz::sched {

using report::kNone;
using report::NodeIndex;
using report::TestIndex;

namespace {

struct {
  Mark placed{"scheduler: a long test is placed before anybody asks"};
} marks;

}  // namespace

// What asks for more than a worker is left to those who ask.
bool Scheduler::may_be_placed(TestIndex index) const {
  const report::Test& test = job_.tests()[index];
  return !test.collects && !test.exclusive && test.weight <= 1 && test.mutex == 0 &&
         test.group == 0;
}

void Scheduler::place_long_tests(Output& out) {
  if (!newly_open_ || may_still_come()) return;
  newly_open_ = false;
  if (open_.empty()) return;
  Duration left;
  uint32_t workers = 0;
  for (const TestIndex test : open_) left += estimates_.of(test);
  for (const LiveNode& live : live_) {
    left += load(job_.node_index(live.id));
    workers += live.workers;
  }
  // Half of what a node takes for very long, which knows only its own work: what it gives up for
  // that is not left open.
  const Duration least = long_test(left, workers) * kVeryLong / 2;
  const auto is_long = [&](TestIndex test) {
    return may_be_placed(test) && (estimates_.of(test) >= least || estimates_.is_foretold(test));
  };
  std::vector<TestIndex> tests;
  std::copy_if(open_.begin(), open_.end(), std::back_inserter(tests), is_long);
  if (tests.empty()) return;
  std::stable_sort(tests.begin(), tests.end(), [this](TestIndex a, TestIndex b) {
    return estimates_.of(b) < estimates_.of(a);
  });
  std::map<NodeIndex, Duration> held;
  for (const auto& [node, books] : books_) {
    for (const auto& [test, expected] : books.held) {
      if (is_long(test)) held[node] += estimates_.of(test);
    }
  }
  struct Place {
    const LiveNode* node = nullptr;
    Duration left;  // per worker
    std::vector<TestIndex> tests;
  };
  std::vector<Place> places;
  for (const LiveNode& live : live_) {
    if (!is_ready(live.id) || live.workers == 0 || live.suspected) continue;
    const Duration mine = held[job_.node_index(live.id)];
    places.push_back({&live, at_speed(mine / live.workers, speed(live)), {}});
  }
  for (const TestIndex test : tests) {
    const Duration takes = estimates_.of(test) + estimates_.setup_of_path(job_.tests()[test].path);
    Place* first = nullptr;
    Duration done;
    for (Place& place : places) {
      if (!job_.place_on(test, job_.node_index(place.node->id))) continue;
      const Duration then = place.left + at_speed(takes, speed(*place.node));
      if (first != nullptr && done <= then) continue;
      first = &place;
      done = then;
    }
    if (first == nullptr) continue;
    marks.placed.reach();
    first->tests.push_back(test);
    first->left += at_speed(takes / first->node->workers, speed(*first->node));
  }
  for (const Place& place : places) {
    if (!place.tests.empty()) grant(place.node->id, place.tests, Kind::kShare, out);
  }
}

}  // namespace dagz::sched
