#include <algorithm>
#include <iterator>
#include <tuple>

#include "report/job_state.hpp"

// The job as every node reports it.

namespace dagz::report {

// Nodes may have collected one id from different files: which of them was heard of first must not
// matter.
const std::string& JobState::file_of(const Test& test) const {
  const std::string* first = &paths_[test.path];
  for (std::size_t i = 1; i < test.places.size(); ++i) {
    const std::string& other = paths_[files_.at(test.places[i].file).path];
    if (other < *first) first = &other;
  }
  return *first;
}

TestSummary JobState::summarize(const Test& test, int64_t started_wall_ms) const {
  TestSummary out;
  out.id = test.id;
  out.file = file_of(test);
  out.verdict = test.verdict;
  const auto stopped = stopped_.find(&test);
  const bool unfinished = test.verdict == Verdict::kPending && stopped != stopped_.end();
  std::vector<const Attempt*> order;
  for (const Attempt& attempt : unfinished ? stopped->second : test.attempts) {
    if (is_granted(test, attempt.node)) order.push_back(&attempt);
  }
  const auto key = [this](const Attempt* attempt) {
    return std::tuple(attempt->result.started_wall_ms, nodes_[attempt->node].id,
                      attempt->result.slot);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](const Attempt* a, const Attempt* b) { return key(a) < key(b); });
  std::map<NodeIndex, uint32_t> runs;  // the next one of each node
  for (const Attempt* attempt : order) {
    const NodeState& node = nodes_[attempt->node];
    const Finished& result = attempt->result;
    if (!is_counted(test, *attempt)) {
      if (is_failure(result.outcome)) ++runs.try_emplace(attempt->node, 1).first->second;
      continue;
    }
    AttemptSummary& one = out.attempts.emplace_back();
    one.outcome = result.outcome;
    one.node = "node-" + std::to_string(node.enlisted ? node.enlisted->number : 0);
    one.worker = worker_number(attempt->node, result.slot);
    one.started_after =
        Duration::milliseconds(std::max<int64_t>(0, result.started_wall_ms - started_wall_ms));
    one.duration = result.duration;
    one.shared_setup = result.shared_setup;
    one.group_setup = result.group_setup;
    one.cpu_percent = result.cpu_percent;
    uint32_t& run = runs.try_emplace(attempt->node, 1).first->second;
    // A second word is on the run before.
    one.run = result.amends ? std::max(1U, run - 1) : run;
    if (!result.amends && is_failure(result.outcome)) ++run;
    one.message = result.message;
    one.output = result.output;
    one.properties = result.properties;
  }
  return out;
}

void JobState::summarize_times(JobSummary& summary) const {
  Duration total;
  Duration longest;
  for (const TestSummary& test : summary.tests) {
    Duration spent;
    for (const AttemptSummary& attempt : test.attempts) spent += attempt.duration;
    total += spent;
    longest = std::max(longest, spent);
  }
  if (!plans_.empty()) summary.plan = plans_.begin()->second;
  if (summary.workers > 0) summary.ideal = std::max(total / summary.workers, longest);
  if (closed_) summary.duration = closed_->duration;
  if (summary.duration.ns > 0) {
    summary.efficiency_permille = static_cast<uint32_t>(std::min<int64_t>(
        1000, summary.ideal.us() * 1000 / std::max<int64_t>(1, summary.duration.us())));
    Duration redundant;
    for (const Test& test : tests_) {
      if (test.verdict == Verdict::kRedundant) redundant += test.redundant_took;
    }
    summary.saved = std::max(Duration{}, total + redundant - summary.duration);
  }
}

// What one node has: the paths that it found or collected, and the versions of those it collected.
JobState::Files JobState::files_of(const NodeState& node) const {
  Files files;
  files.whole = node.found.empty();
  files.all.insert(node.found.begin(), node.found.end());
  for (const FileKey key : node.offered) {
    const auto version = files_.find(key);
    if (version == files_.end() || version->second.path == kNone) continue;
    files.all.insert(version->second.path);
    files.versions[version->second.path].insert(key);
  }
  return files;
}

// What a reader should know although it fails nothing: fewer nodes than expected, and nodes that
// collected other tests than the first.
void JobState::note_differences(const std::vector<const NodeState*>& nodes,
                                JobSummary& summary) const {
  if (named_ && named_->expected_nodes > nodes.size()) {
    summary.notes.push_back(std::to_string(nodes.size()) + " of " +
                            std::to_string(named_->expected_nodes) + " expected nodes took part");
  }
  const NodeState* first = nullptr;
  Files files;
  for (const NodeState* node : nodes) {
    if (!node->collected) continue;
    Files own = files_of(*node);
    if (first == nullptr) {
      first = node;
      files = std::move(own);
      continue;
    }
    std::set<std::string> paths;
    for (const auto& [path, versions] : own.versions) {
      const auto other = files.versions.find(path);
      const bool both = other != files.versions.end();
      if (both && other->second != versions) paths.insert(paths_[path]);
    }
    // A file that holds no tests can be found, but never collected.
    std::vector<uint32_t> alone;
    if (own.whole == files.whole) {
      std::set_symmetric_difference(own.all.begin(), own.all.end(), files.all.begin(),
                                    files.all.end(), std::back_inserter(alone));
    }
    for (const uint32_t path : alone) paths.insert(paths_[path]);
    // Where collection is shared, the next one is compared with all that came before.
    if (!files.whole) files.versions.merge(own.versions);
    if (paths.empty()) continue;
    summary.collections_differ = true;
    summary.notes.push_back(
        "node-" + std::to_string(node->enlisted->number) + " collected other tests than node-" +
        std::to_string(first->enlisted->number) + " in " + *paths.begin() +
        (paths.size() > 1 ? " and " + std::to_string(paths.size() - 1) + " more" : ""));
  }
}

// Whether all that could collect have, and found nothing.
bool JobState::is_found_empty() const {
  const bool cut_short =
      closed_->reason == CloseReason::kStopped || closed_->reason == CloseReason::kDeadline;
  if (!cut_short) return true;
  return files_.empty() && std::all_of(nodes_.begin(), nodes_.end(), [](const NodeState& node) {
           return !node.enlisted || node.collected || node.unable || node.departed;
         });
}

// Of a closed job, in the order of `final_status`.
JobStatus JobState::status_of(const JobSummary& summary) const {
  const Counts& counts = summary.counts;
  if (closed_->reason == CloseReason::kInterrupted) return JobStatus::kInterrupted;
  if (closed_->reason == CloseReason::kFailed) return JobStatus::kFailed;
  if (counts.failed + counts.errors > 0 || fails_by_collections(summary)) return JobStatus::kFailed;
  // A slice may hold none of the suite's tests.
  if (counts_.total == 0 && uncollected_ == 0 && !too_large_) {
    return is_found_empty() ? JobStatus::kEmpty : JobStatus::kIncomplete;
  }
  if (counts.unfinished > 0 || uncollected_ > 0 || too_large_) return JobStatus::kIncomplete;
  return fails_by_flaky_tests(summary) ? JobStatus::kFailed : JobStatus::kPassed;
}

JobSummary JobState::summary() const {
  JobSummary out;
  if (named_) {
    out.full_id = named_->full_id;
    out.short_id = named_->short_id;
    out.started = {named_->started_wall_ms};
    out.strict_collection = named_->strict_collection;
    out.flaky_fails = named_->flaky_fails;
  }
  std::vector<const NodeState*> nodes;
  for (const NodeState& node : nodes_) {
    if (node.enlisted) nodes.push_back(&node);
  }
  std::sort(nodes.begin(), nodes.end(), [](const NodeState* a, const NodeState* b) {
    return std::pair(a->enlisted->number, a->id) < std::pair(b->enlisted->number, b->id);
  });
  for (const NodeState* node : nodes) {
    NodeSummary& one = out.nodes.emplace_back();
    one.name = "node-" + std::to_string(node->enlisted->number);
    const Opened opened = node->opened.value_or(Opened{});
    one.host = opened.host;
    one.ci_url = opened.ci_url;
    one.place = opened.place;
    one.id = short_name(node->id);
    one.workers = node->enlisted->workers;
    one.lost = closed_ && std::find(closed_->lost.begin(), closed_->lost.end(), node->id) !=
                              closed_->lost.end();
    out.workers += one.workers;
    if (one.lost) ++out.lost_nodes;
    if (out.ci_url.empty()) out.ci_url = one.ci_url;
    if (out.dashboard_url.empty() && !opened.dashboard_url.empty() && named_) {
      out.dashboard_url = opened.dashboard_url + "/jobs/" + named_->short_id;
    }
  }
  out.steals = steals_;
  out.counts = counts_;
  out.counts.errors += collection_errors_.size();
  const bool sliced = closed_ && closed_->reason == CloseReason::kSlice;
  std::vector<const Test*> tests;
  tests.reserve(tests_.size());
  for (const Test& test : tests_) {
    if (test.collects) continue;
    if (sliced && test.verdict == Verdict::kPending) {
      --out.counts.total;
      --out.counts.unfinished;
      continue;
    }
    tests.push_back(&test);
  }
  std::stable_sort(tests.begin(), tests.end(), [this](const Test* a, const Test* b) {
    const int order = a->id.compare(b->id);
    return order != 0 ? order < 0 : file_of(*a) < file_of(*b);
  });
  out.tests.reserve(tests.size());
  for (const Test* test : tests) out.tests.push_back(summarize(*test, out.started.ms));
  for (const auto& [path, text] : collection_errors_) out.collection_errors.push_back({path, text});
  summarize_times(out);
  if (!closed_) return out;
  note_differences(nodes, out);
  out.status = status_of(out);
  tell_why_failed(out);
  if (!closed_->detail.empty()) out.notes.push_back(closed_->detail);
  if (uncollected_ > 0) {
    out.notes.push_back(std::to_string(uncollected_) +
                        (uncollected_ == 1 ? " file was" : " files were") + " never collected");
  }
  std::sort(out.notes.begin(), out.notes.end());
  return out;
}

}  // namespace dagz::report
