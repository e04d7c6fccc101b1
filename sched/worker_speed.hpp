#pragma once

#include <cstdint>

#include "sched/workers_auto.hpp"

namespace dagz::sched {

// How fast one of a node's workers is if all of them work, by the measure of one core
// (sched/io/core_speed): they share the CPUs that the node may use. 0 if that is not known, else at
// least 1.
uint32_t worker_speed(uint32_t core_speed, const MachineFacts& facts, uint32_t workers);

}  // namespace dagz::sched
