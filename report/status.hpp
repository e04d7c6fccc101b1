#pragma once

#include <cstdint>
#include <string>

#include "mesh/time.hpp"
#include "report/entry.hpp"

// The line printed per worker every status interval by the scheduler.

namespace dagz::report {

enum class WorkerState : uint8_t {
  kActive = 0,        // a test is running
  kIdle = 1,          // nothing to do
  kWorkSent = 2,      // tests are under way to it
  kDisconnected = 3,  // its node does not answer
  kFailed = 4,        // its process died and is not back
  kNotConnected = 5,  // its node has never been heard of since it was announced
};
std::string_view to_string(WorkerState state);

// Where the running test comes from.
enum class QueueKind : uint8_t {
  kRegular = 0,  // what its node was given, or took from another
  kRetry = 1,    // it failed a moment ago and is tried again at once
  kTail = 2,     // it failed again, and waited for the end and a fresh process
};
std::string_view to_string(QueueKind kind);  // Regular Retry Tail

struct WorkerStatus {
  uint32_t number = 0;  // across the mesh
  WorkerState state = WorkerState::kNotConnected;
  uint64_t finished = 0;
  uint64_t left = 0;
  Duration actual_delta;   // real minus planned, summed; positive: slower
  Duration last_finished;  // how long ago
  QueueKind queue = QueueKind::kRegular;
  uint32_t batch = 1;  // the how-manieth that its node was given
  Duration time_left;
  uint64_t stolen = 0;
  uint64_t stolen_finished = 0;
  uint32_t reconnects = 0;
  std::string current;  // the id of the running test, empty when none
  Duration running_for;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, state, finished, left, actual_delta, last_finished, queue, batch, time_left,
            stolen, stolen_finished, reconnects, bounded(current, kTestIdMax), running_for);
  }
};

// 00:01:30.668 Worker #0 [Active] progress=7908+73846/81754 actual_delta=-0.5s last_finished=1.0s
// q=Regular batch #1 time_left=237.1s stolen=0,0finished reconnects=0 id    (one line)
std::string format_status(Duration elapsed, const WorkerStatus& status, bool color);

// What it does at this moment, for whoever asks: "worker #3 on node-1: 12.3s tests/t.py::test_x".
std::string format_running(const WorkerStatus& status, uint32_t node);

}  // namespace dagz::report
