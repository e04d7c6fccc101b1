#include "sched/rerun.hpp"

#include <algorithm>
#include <utility>

#include "mesh/mark.hpp"
#include "report/job_state.hpp"
#include "sched/test_hash.hpp"

namespace dagz::sched {

namespace {

struct {
  Mark told{"rerun: a node tells others what passed before"};
  Mark superseded{"rerun: another node remembers a newer attempt"};
} marks;

}  // namespace

std::string left_out(std::size_t passed) {
  // Which are of such a chain is known when all names are, and this is told before.
  const std::string who = passed == 1
                              ? "the 1 test that passed there is"
                              : "the " + std::to_string(passed) + " tests that passed there are";
  return who + " not run again, unless in one chain with a test that must run";
}

Rerun::Rerun(std::optional<EarlierAttempt> own) : own_(std::move(own)) {
  if (!own_) return;
  own_name_ = {own_->started_wall_ms, own_->full_id};
  newest_ = own_name_;
  newest_entry_ = *opening();
}

std::optional<report::Remembered> Rerun::opening() const {
  if (!own_) return std::nullopt;
  return report::Remembered{own_->full_id, own_->short_id, own_->started_wall_ms,
                            static_cast<uint32_t>(own_->passed.size())};
}

bool Rerun::seen(const NodeId& origin, const report::Entry& entry) {
  if (std::get_if<report::Opened>(&entry) != nullptr) {
    nodes_.try_emplace(origin);
  } else if (const auto* remembered = std::get_if<report::Remembered>(&entry)) {
    const Name name{remembered->started_wall_ms, remembered->full_id};
    nodes_[origin] = name;
    if (newest_ && name <= *newest_) return false;
    become(name, *remembered);
    return true;
  } else if (const auto* skipped = std::get_if<report::Redundant>(&entry)) {
    // Of an attempt that is known from a log which is not here, or not yet.
    if (newest_ && skipped->attempt_wall_ms <= newest_->started_wall_ms) return false;
    become({skipped->attempt_wall_ms, {}}, {{}, {}, skipped->attempt_wall_ms, 0});
    return true;
  } else if (const auto* passed = std::get_if<report::PassedBefore>(&entry)) {
    // Its author has named the attempt before: one that is not the newest never will be.
    if (newest_ != Name{passed->started_wall_ms, passed->full_id}) return false;
    const std::size_t before = told_.size();
    for (const uint64_t test : passed->tests) {
      if (told_.size() < report::kJobTestsMax) told_.insert(test);
    }
    return told_.size() > before && !is_own();
  }
  return false;
}

void Rerun::become(const Name& name, const report::Remembered& entry) {
  if (newest_) marks.superseded.reach();
  newest_ = name;
  newest_entry_ = entry;
  told_.clear();
  has_told_ = false;
}

bool Rerun::has_passed(std::string_view id) const {
  if (!newest_) return false;
  const std::unordered_set<uint64_t>& passed = is_own() ? own_->passed : told_;
  return !passed.empty() && passed.contains(test_hash(id));
}

bool Rerun::is_empty() const { return (is_own() ? own_->passed : told_).empty(); }

const report::Remembered* Rerun::from_others() const {
  return newest_ && !is_own() ? &newest_entry_ : nullptr;
}

bool Rerun::may_have_to_tell() const {
  if (has_told_ || !is_own() || told_.size() >= own_->passed.size()) return false;
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [this](const auto& node) { return node.second != newest_; });
}

std::vector<report::PassedBefore> Rerun::tell(const NodeId& self, const std::set<NodeId>& live) {
  if (!may_have_to_tell()) return {};
  bool lacking = false;
  for (const auto& [node, remembers] : nodes_) {
    const bool is_live = node == self || live.contains(node);
    if (!is_live) continue;
    if (remembers != newest_) lacking = true;
    if (remembers == newest_ && node < self) return {};
  }
  if (!lacking) return {};
  marks.told.reach();
  has_told_ = true;
  // Sorted: the same list is the same bytes.
  std::vector<uint64_t> all(own_->passed.begin(), own_->passed.end());
  std::sort(all.begin(), all.end());
  std::vector<report::PassedBefore> parts;
  for (std::size_t from = 0; from < all.size(); from += report::kHashesPerEntryMax) {
    const std::size_t end = std::min(all.size(), from + report::kHashesPerEntryMax);
    parts.push_back({own_->full_id,
                     own_->started_wall_ms,
                     {all.begin() + static_cast<std::ptrdiff_t>(from),
                      all.begin() + static_cast<std::ptrdiff_t>(end)}});
  }
  return parts;
}

}  // namespace dagz::sched
