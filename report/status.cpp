#include "report/status.hpp"

#include <fmt/format.h>

#include "report/progress.hpp"
#include "report/text.hpp"

namespace dagz::report {
namespace {

Color color_of(WorkerState state) {
  switch (state) {
    case WorkerState::kActive:
      return Color::kGreen;
    case WorkerState::kIdle:
      return Color::kPlain;
    case WorkerState::kWorkSent:
      return Color::kBlue;
    case WorkerState::kDisconnected:
    case WorkerState::kFailed:
      return Color::kRed;
    case WorkerState::kNotConnected:
      return Color::kYellow;
  }
  return Color::kPlain;
}

}  // namespace

std::string_view to_string(WorkerState state) {
  switch (state) {
    case WorkerState::kActive:
      return "Active";
    case WorkerState::kIdle:
      return "Idle";
    case WorkerState::kWorkSent:
      return "WorkSent";
    case WorkerState::kDisconnected:
      return "Disconnected";
    case WorkerState::kFailed:
      return "Failed";
    case WorkerState::kNotConnected:
      return "NotConnected";
  }
  return "Unknown";
}

std::string_view to_string(QueueKind kind) {
  switch (kind) {
    case QueueKind::kRegular:
      return "Regular";
    case QueueKind::kRetry:
      return "Retry";
    case QueueKind::kTail:
      return "Tail";
  }
  return "Unknown";
}

std::string format_status(Duration elapsed, const WorkerStatus& status, bool color) {
  std::string line = fmt::format(
      "{} Worker #{} [{}] progress={}+{}/{} actual_delta={} last_finished={} q={} batch #{} "
      "time_left={} stolen={},{}finished reconnects={}",
      format_clock(elapsed), status.number,
      paint(color_of(status.state), to_string(status.state), color), status.finished, status.left,
      status.finished + status.left, format_seconds(status.actual_delta, 1, true),
      format_seconds(status.last_finished, 1), to_string(status.queue), status.batch,
      format_seconds(status.time_left, 1), status.stolen, status.stolen_finished,
      status.reconnects);
  if (!status.current.empty()) line += " " + visible(status.current);
  return line;
}

std::string format_running(const WorkerStatus& status, uint32_t node) {
  const bool runs = status.state == WorkerState::kActive && !status.current.empty();
  return fmt::format("worker #{} on node-{}: {}", status.number, node,
                     runs ? format_seconds(status.running_for, 1) + " " + visible(status.current)
                          : std::string(to_string(status.state)));
}

}  // namespace dagz::report
