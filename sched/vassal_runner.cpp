#include <algorithm>
#include <iterator>
#include <utility>

#include "sched/vassal.hpp"

// When the runner is lost, its workers are gone with it, and one of the tests that ran may have
// done it. If there was only one, the loss is its result. Else nobody knows: all of them run again,
// alone on this node, so that the next loss tells. Nor does anybody know of one that has only just
// begun after another: a signal takes its time, and the test before it may have sent it.

namespace dagz::sched {
namespace {

// From a test's signal to the end of the zygote and its workers, on a busy machine.
constexpr Duration kSignalTakes = Duration::milliseconds(200);
// Once beside the culprit, once more right after it; then it is the culprit.
constexpr uint8_t kExcusedMax = 2;

}  // namespace

void Vassal::on(Instant now, int64_t wall_ms, const RunnerLost& event, Output& out) {
  // What was cancelled a moment ago may have done it before it heard of that.
  const bool cancelled = std::any_of(workers_.begin(), workers_.end(),
                                     [](const Worker& worker) { return worker.cancelled; });
  std::vector<Slot> busy;
  for (Slot slot = 0; slot < workers_.size(); ++slot) {
    if (!workers_[slot].sent.empty()) busy.push_back(slot);
  }
  ++runner_losses_;
  idle_losses_ = busy.empty() ? idle_losses_ + 1 : 0;
  const bool again =
      runner_losses_ <= config_.runner_losses_max && idle_losses_ < config_.idle_losses_max;
  if (again && !draining_ && !leaving_) out.notice = loss_notice(event, busy);
  for (const Slot slot : busy) {
    Worker& worker = workers_[slot];
    Item& head = worker.sent.front();
    const bool just_begun =
        worker.last && head.excused < kExcusedMax && now < worker.last_finished + kSignalTakes;
    if (just_begun) ++head.excused;
    const bool known = worker.timed_out || (busy.size() == 1 && !just_begun && !cancelled);
    suspect(worker);
    if (!known || ended_) continue;
    charged_.push_back(worker.sent.front().local);
    const std::string reason = "the runner died with it: " + event.reason;
    if (collects(worker.sent.front())) {
      die_collecting(slot, {slot, false, reason, {}}, out);
    } else {
      die_running(now, wall_ms, {slot, false, reason, {}}, out);
    }
  }
  for (Worker& worker : workers_) {
    requeue(worker, out);
    reset(worker);
    const bool fit = worker.deaths_in_a_row < config_.deaths_in_a_row_max;
    const bool back = again && fit && !draining_ && !leaving_ && !broken_;
    if (worker.state != Worker::State::kDown) ++worker.restarts;
    worker.state = back ? Worker::State::kDown : Worker::State::kGone;
  }
  runner_lost_ = true;
  if (again || broken_) return;
  broken_ = true;
  out.commands.emplace_back(AbandonRunner{});
}

// What it runs comes first when it goes on.
void Vassal::suspect(Worker& worker) {
  restricted_ = true;
  for (Item& item : worker.sent) {
    item.suspect = true;
    // What is collected again is meant for the test behind it.
    if (item.local.index != kCollectAgain) break;
  }
}

std::string Vassal::loss_notice(const RunnerLost& event, const std::vector<Slot>& busy) const {
  std::string names;
  for (const Slot slot : busy) {
    names += names.empty() ? "" : ", ";
    names += job_.tests()[workers_[slot].sent.front().test].id;
  }
  const std::string died = "the runner died (" + event.reason + ") while ";
  if (busy.empty()) return died + "no test ran; it is started again";
  if (busy.size() == 1) return died + names + " ran; it is started again";
  return died + "these ran: " + names + "; it is started again, and they run again one at a time";
}

// ---- left-overs -------------------------------------------------------------------------------

void Vassal::on(Instant, int64_t, const LeftOver& event, Output& out) {
  const bool runs = std::any_of(workers_.begin(), workers_.end(), [&](const Worker& worker) {
    return std::any_of(worker.sent.begin(), worker.sent.end(), [&](const Item& item) {
      return !collects(item) && job_.tests()[item.test].id == event.test;
    });
  });
  if (!runs) {
    const std::string whose = event.test.empty() ? "a test" : event.test;
    out.notice = whose + " has left a process behind: " + event.text;
    return;
  }
  std::string& text = left_overs_[event.test];
  text += (text.empty() ? "" : "; ") + event.text;
}

void Vassal::name_left_overs(const Item& item, report::Finished& result) {
  const auto found = left_overs_.find(job_.tests()[item.test].id);
  if (found == left_overs_.end()) return;
  const std::string text = "left behind, without a parent: " + found->second;
  if (result.output.empty()) {
    result.message += (result.message.empty() ? "" : "; ") + text;
    result.message.resize(std::min(result.message.size(), report::kMessageMax));
  } else {
    result.output += "\n" + text;
    result.output.resize(std::min(result.output.size(), report::kOutputMax));
  }
  left_overs_.erase(found);
}

}  // namespace dagz::sched
