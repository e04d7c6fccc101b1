#pragma once

#include "mesh/time.hpp"

namespace dagz::mesh {

// Never goes back and does not jump when the wall clock is set; meaningless outside this process.
Instant monotonic_now();

// What this host's calendar shows; may jump either way.
WallTime wall_now();

}  // namespace dagz::mesh
