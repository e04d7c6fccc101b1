#pragma once

#include <cstdint>
#include <vector>

namespace dagz::sim {

// Prints what a mesh of each size sends when every node runs one long test and nothing else
// happens: messages and bytes per node and second, without the overhead of TCP and CURVE. An exit
// code.
int print_cost(const std::vector<uint32_t>& sizes);

// Prints what it takes to bring so many short tests through the scheduler, the logs and the fold,
// on one node and between two: processor time and memory of the whole simulation, bytes sent.
int print_scale(uint64_t tests);

}  // namespace dagz::sim
