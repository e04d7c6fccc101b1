#pragma once

#include <cstdint>

namespace dagz::mesh {

// One connection, dialled or accepted, as the shell numbers it. 0 is none.
using LinkId = uint64_t;

// Probes and decisions travel on the control lane; logs on the bulk lane, so that a probe never
// queues behind data.
enum class Lane : uint8_t { kControl = 0, kBulk = 1 };

}  // namespace dagz::mesh
