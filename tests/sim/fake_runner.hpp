#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sched/runner.hpp"
#include "tests/sim/suite.hpp"

// A node's runner without processes: collects, forks and runs in virtual time, with the manners of
// the real one (a worker asks before it tears its last test down).

namespace dagz::sim {

class FakeRunner {
 public:
  // Delivers an event to the node after a while.
  using Later = std::function<void(Duration after, sched::RunnerEvent event)>;
  // Calls back into this runner after a while: a worker's test has run its time.
  using Alarm = std::function<void(Duration after, sched::Slot slot, uint64_t life)>;
  // A test ends the node.
  using EndNode = std::function<void(const SuiteTest& test)>;

  // `shared`: the start finds files, and the workers collect them. `speed`: so many times as fast
  // as the suite says.
  FakeRunner(const Suite& suite, bool shared, std::map<std::string, uint32_t>& tries,
             Duration collect, double speed, Later later, Alarm alarm, EndNode end_node);

  void start();
  void perform(const sched::RunnerCommand& command);
  void test_ran(sched::Slot slot, uint64_t life);

  // What its workers run at this moment; collections are left out.
  std::vector<const SuiteTest*> running() const;
  // What a worker of this number, in the whole mesh, runs or collects: the how-manieth run here.
  struct Run {
    uint32_t number = 0;
    uint64_t run = 0;
  };
  std::vector<Run> busy() const;
  // Ever so far.
  bool was_lost() const { return was_lost_; }
  // It ran when the runner was lost: from then on alone on its node.
  bool was_lost_with(const std::string& id) const { return lost_with_.contains(id); }
  // A process of one of its workers has ended before its time.
  bool has_lost_a_worker() const { return lives_ > workers_.size(); }

 private:
  struct Order {
    sched::LocalTest test;
    uint32_t file = 0;  // in the suite
    uint32_t index = 0;
  };
  struct Worker {
    std::deque<Order> queue;
    uint32_t number = 0;           // in the whole mesh, as it was told at its start
    std::set<uint32_t> collected;  // here, and nowhere before
    bool alive = false;
    bool running = false;
    uint64_t run = 0;
    std::optional<uint32_t> set_up;  // the file whose fixtures stand
    Duration setup;                  // what they took in the test that runs
    bool asked = false;              // waits for an answer with its head done
    bool draining = false;
    uint64_t life = 0;
  };

  Duration here(Duration duration) const;
  void begin(sched::Slot slot);
  void take_back(sched::Slot slot);
  void complete(sched::Slot slot);
  void collected(sched::Slot slot);
  void next(sched::Slot slot);
  void die(sched::Slot slot, bool with_runner);

  const Suite& suite_;
  bool shared_;
  std::map<std::string, uint32_t>& tries_;
  Duration collect_;
  double speed_;
  Later later_;
  Alarm alarm_;
  EndNode end_node_;
  std::map<sched::Slot, Worker> workers_;
  uint64_t lives_ = 0;
  uint64_t runs_ = 0;
  bool lost_ = false;
  bool was_lost_ = false;
  std::set<std::string> lost_with_;
};

}  // namespace dagz::sim
