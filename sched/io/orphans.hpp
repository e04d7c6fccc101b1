#pragma once

#include <sys/types.h>

namespace dagz::sched {

// Kills what came to this process, a subreaper, when its parents ended: all children of the calling
// thread but `spared`, with the groups that they lead, and what comes to us as they die. Returns
// once none is left, or after a bounded wait. Only for a process that starts no other children
// itself.
void end_orphans(pid_t spared);

}  // namespace dagz::sched
