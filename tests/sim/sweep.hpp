#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/simulator.hpp"

// Many seeds, on as many processes as wanted: the cores count their marks for one thread only.

namespace dagz::sim {

// Exit codes, for machines: above all others, so that a run killed by a signal looks different.
inline constexpr int kViolated = 129;
inline constexpr int kNotDeterministic = 130;
inline constexpr int kDied = 131;

struct Task {
  uint64_t seed = 1;
  uint32_t nodes = 3;
  // Runs it again, and compares.
  bool twice = false;
  uint32_t meshes = 0;  // 0: as the seed draws
};

struct Totals {
  uint64_t runs = 0;
  uint64_t events = 0;
  uint64_t messages = 0;
  int64_t virtual_ms = 0;
  int64_t node_ms = 0;  // virtual time, times nodes
  Tally faults;
  // How often each was reached, those never reached included.
  Tally marks;
  int worst = 0;

  void add(const Totals& other);
};

// Runs one and prints what is wrong with it; `verbose`: also what is right. An exit code.
int run_task(const Task& task, bool verbose, Totals& totals);

// The n-th task, or nothing when there are no more; called in any process, for any n.
using Tasks = std::function<std::optional<Task>(uint64_t n)>;
Totals sweep(const Tasks& tasks, uint32_t processes);

}  // namespace dagz::sim
