#pragma once

#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

namespace dagz::sched {

// A process that came to this one, a subreaper, when its parent ended.
struct Orphan {
  pid_t pid = 0;
  std::string command;  // with its arguments, bounded; empty if it could not be read
  std::string test;     // the id of the pytest test that ran when it was started; empty if unknown
};

// For a process that starts no other children itself than the one to be spared; all calls are made
// by its main thread.
class Orphans {
 public:
  // Those that were not told before. What has ended is waited for.
  std::vector<Orphan> look(pid_t spared);

 private:
  std::set<pid_t> known_;
};

// Kills all children but `spared`, with the groups that they lead, and what comes to us as they
// die. Returns once none is left, or after a bounded wait.
void end_orphans(pid_t spared);

}  // namespace dagz::sched
