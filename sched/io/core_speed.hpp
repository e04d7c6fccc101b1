#pragma once

#include <cstdint>

namespace dagz::sched {

// How fast this machine's cores are: rounds a second of the work that interpreters do much of, by
// the calling thread's CPU time, so that other processes on a busy machine matter little. Takes
// about 1 ms. 0 if there is no such clock, or one too coarse to tell.
uint32_t measure_core_speed();

}  // namespace dagz::sched
