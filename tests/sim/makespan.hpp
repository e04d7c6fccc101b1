#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dagz::sim {

struct MakespanOptions {
  // One file of tests a line: its path, how long its shared set-up and its collection take, its
  // bytes, then for each test how long it takes on a node of speed 1, how long the history says
  // that it takes (0: it does not know), all in microseconds, how many times as long as is usual
  // its marks say, and the number of its function in the file (tests of one function are one test
  // with several parameters). The history knows the set-up if it knows a test. Files are collected
  // where they run if a collection takes any time, else all beforehand.
  std::string durations;
  uint32_t workers_each = 1;
  std::vector<double> speeds;    // one for each node
  std::vector<double> measured;  // what each takes itself for; empty: it does not know
  // Of each node, in seconds: when it starts, and when it dies (0: never); empty: at once, never.
  std::vector<double> starts;
  std::vector<double> deaths;
  bool timeline = false;  // print what each worker did, too
};

// Runs this suite on a quiet mesh and prints the seconds from the start of the first test, or
// collection, to the end of the last test, and how many were stolen. An exit code.
int print_makespan(const MakespanOptions& options);

}  // namespace dagz::sim
