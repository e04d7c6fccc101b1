#include "report/status.hpp"

#include <catch2/catch.hpp>

// The line per worker, byte for byte.

namespace {

using dagz::Duration;
using namespace dagz::report;

WorkerStatus busy() {
  WorkerStatus status;
  status.number = 0;
  status.state = WorkerState::kActive;
  status.finished = 7'908;
  status.left = 73'846;
  status.actual_delta = Duration::milliseconds(-500);
  status.last_finished = Duration::seconds(1);
  status.time_left = Duration::milliseconds(237'100);
  status.current = "tests/t.py::test_now_running";
  return status;
}

}  // namespace

TEST_CASE("status: a line of a busy worker", "[report]") {
  CHECK(format_status(Duration::milliseconds(90'668), busy(), false) ==
        "00:01:30.668 Worker #0 [Active] progress=7908+73846/81754 actual_delta=-0.5s "
        "last_finished=1.0s q=Regular batch #1 time_left=237.1s stolen=0,0finished reconnects=0 "
        "tests/t.py::test_now_running");
}

TEST_CASE("status: an idle worker's line ends with its last field", "[report]") {
  WorkerStatus status;
  status.number = 12;
  status.state = WorkerState::kIdle;
  status.finished = 5;
  status.actual_delta = Duration::milliseconds(2'400);
  status.queue = QueueKind::kTail;
  status.batch = 4;
  status.stolen = 7;
  status.stolen_finished = 6;
  status.reconnects = 2;
  CHECK(format_status(Duration::seconds(3'661), status, false) ==
        "01:01:01.000 Worker #12 [Idle] progress=5+0/5 actual_delta=+2.4s last_finished=0.0s "
        "q=Tail batch #4 time_left=0.0s stolen=7,6finished reconnects=2");
}

TEST_CASE("status: every state has the word of the contract", "[report]") {
  CHECK(to_string(WorkerState::kActive) == "Active");
  CHECK(to_string(WorkerState::kIdle) == "Idle");
  CHECK(to_string(WorkerState::kWorkSent) == "WorkSent");
  CHECK(to_string(WorkerState::kDisconnected) == "Disconnected");
  CHECK(to_string(WorkerState::kFailed) == "Failed");
  CHECK(to_string(WorkerState::kNotConnected) == "NotConnected");
}

TEST_CASE("status: colour paints the state and nothing else", "[report]") {
  WorkerStatus status = busy();
  status.state = WorkerState::kDisconnected;
  const std::string line = format_status(Duration{}, status, true);
  CHECK(line.find("Worker #0 [\x1b[31mDisconnected\x1b[0m] progress=") != std::string::npos);
  CHECK(line.find('\x1b', line.find("progress=")) == std::string::npos);
}

TEST_CASE("status: what a worker runs now", "[report]") {
  WorkerStatus status = busy();
  status.running_for = Duration::milliseconds(12'340);
  CHECK(format_running(status, 2) == "worker #0 on node-2: 12.3s tests/t.py::test_now_running");
  status.state = WorkerState::kIdle;
  CHECK(format_running(status, 2) == "worker #0 on node-2: Idle");
}
