#include <algorithm>

#include "sched/runs.hpp"
#include "sched/vassal.hpp"

// A test may take its node down. What another node was given and never answered may be one, so this
// node says that it begins it: whoever is left knows then what it was lost with.

namespace dagz::sched {

// Of the last `count` that were sent: what another node was given and has not answered.
void Vassal::tell_begun(Slot slot, std::size_t count, Output& out) const {
  const auto is_with_another = [this](const Item& item) {
    const auto& all = job_.tests()[item.test].assignments;
    return std::any_of(all.begin(), all.end(), [this](const report::Assignment& one) {
      const report::NodeState& node = job_.nodes()[one.node];
      return one.held() && !node.departed && node.id != enlisted_->node;
    });
  };
  report::Began began{slot, {}};
  const std::deque<Item>& sent = workers_[slot].sent;
  for (std::size_t i = sent.size() - count; i < sent.size(); ++i) {
    const bool is_named = sent[i].local.index != kCollectAgain;
    if (is_named && is_with_another(sent[i])) add_place(began.runs, sent[i].place);
  }
  if (!began.runs.empty()) out.entries.emplace_back(std::move(began));
}

}  // namespace dagz::sched
