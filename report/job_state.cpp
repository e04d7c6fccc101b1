#include "report/job_state.hpp"

#include <algorithm>

#include "mesh/mark.hpp"
#include "mesh/planted.hpp"
#include "mesh/profile.hpp"

namespace dagz::report {
namespace {

struct {
  Mark ungranted{"job: a result comes before its grant, or without one"};
  Mark closed_twice{"job: it is closed a second time"};
  Mark copy_counts{"job: a second copy has the result"};
  Mark left_out_too_soon{"job: a newer attempt is heard of than the one that a test passed in"};
  Mark early_news{"job: news of a test come before its name"};
} marks;

// What a node says of times may be absurd, and sums of it must not overflow.
Duration sane(Duration duration) {
  return std::clamp(duration, Duration{}, Duration::seconds(30 * 24 * 3600));
}

int64_t sane_wall_ms(int64_t ms) { return std::clamp<int64_t>(ms, 0, int64_t{1} << 45); }

}  // namespace

bool is_granted(const Test& test, NodeIndex node) {
  return std::any_of(test.assignments.begin(), test.assignments.end(),
                     [node](const Assignment& one) { return one.node == node && one.grants > 0; });
}

bool is_counted(const Test& test, const Attempt& attempt) {
  if (!is_granted(test, attempt.node)) return false;
  const auto& all = test.attempts;
  if (attempt.lost) {
    return std::none_of(all.begin(), all.end(), [&attempt](const Attempt& other) {
      return !other.lost && other.node == attempt.node;
    });
  }
  if (!attempt.result.copy) return true;
  return !is_failure(attempt.result.outcome) &&
         std::none_of(all.begin(), all.end(), [&test](const Attempt& other) {
           return !other.lost && !other.result.copy && !other.result.amends &&
                  is_granted(test, other.node);
         });
}

JobState::JobState() : groups_(1), mutexes_(1) {}

NodeIndex JobState::intern(const NodeId& id) {
  const auto [found, added] = node_index_.try_emplace(id, static_cast<NodeIndex>(nodes_.size()));
  if (added) {
    nodes_.emplace_back();
    nodes_.back().id = id;
  }
  return found->second;
}

NodeIndex JobState::node_index(const NodeId& id) const {
  const auto found = node_index_.find(id);
  return found == node_index_.end() ? kNone : found->second;
}

TestIndex JobState::test_at(FileKey file, uint32_t index) const {
  const auto found = files_.find(file);
  if (found == files_.end() || index >= found->second.tests.size()) return kNone;
  return found->second.tests[index];
}

std::optional<Place> JobState::place_on(TestIndex index, NodeIndex node) const {
  const Test& test = tests_[index];
  const auto& unable = test.missing_on;
  if (std::find(unable.begin(), unable.end(), node) != unable.end()) return std::nullopt;
  for (const Place& place : test.places) {
    const auto& owners = files_.at(place.file).offered_by;
    if (std::find(owners.begin(), owners.end(), node) != owners.end()) return place;
  }
  // It can collect the file when it is given the test.
  if (nodes_[node].found.contains(test.path) && !test.places.empty()) return test.places.front();
  return std::nullopt;
}

TestIndex JobState::find_test(const std::string& id) const {
  const auto found = test_index_.find(id);
  return found == test_index_.end() ? kNone : found->second;
}

void JobState::apply(const NodeId& origin, const Entry& entry) {
  const NodeIndex node = intern(origin);
  std::visit([&](const auto& one) { on(node, one); }, entry);
}

// Entries about a file whose names are not all here yet wait for them.
bool JobState::defer(NodeIndex origin, FileKey file, const Entry& entry) {
  FileVersion& version = files_[file];
  if (version.known()) return false;
  version.waiting.emplace_back(origin, entry);
  return true;
}

void JobState::on(NodeIndex origin, const Opened& entry) { nodes_[origin].opened = entry; }

void JobState::on(NodeIndex origin, const Offered& entry) {
  FileVersion& version = files_[entry.file];
  auto& owners = version.offered_by;
  if (std::find(owners.begin(), owners.end(), origin) != owners.end()) return;
  owners.push_back(origin);
  nodes_[origin].offered.push_back(entry.file);
}

void JobState::on(NodeIndex, const Listed& entry) {
  FileVersion& version = files_[entry.file];
  if (version.known()) return;
  if (version.path == kNone) {
    const std::size_t promised = tests_.size() + unlisted_;
    if (entry.count > kTestsPerFileMax || promised + entry.count > kJobTestsMax) {
      too_large_ = true;
      return;
    }
    unlisted_ += entry.count;
    version.path = intern_path(entry.path);
    version.count = entry.count;
    version.tests.assign(entry.count, kNone);
  }
  add_names(entry);
  if (version.known()) {
    names_known(version);
    return;
  }
  // A test is granted once it is known, though the rest of a large file is still to come.
  const Part part{entry.first, entry.first + static_cast<uint32_t>(entry.ids.size())};
  for (const auto& [node, waiting] : version.waiting) {
    if (const auto* grouped = std::get_if<Grouped>(&waiting)) put_together(*grouped, part);
    if (const auto* required = std::get_if<Required>(&waiting)) require(*required, part);
  }
}

uint32_t JobState::intern_path(const std::string& path) {
  const auto [found, added] = path_index_.try_emplace(path, static_cast<uint32_t>(paths_.size()));
  if (added) paths_.push_back(path);
  return found->second;
}

// What waited for the names is applied.
void JobState::names_known(FileVersion& version) {
  auto waiting = std::exchange(version.waiting, {});
  for (const auto& [node, late] : waiting) {
    std::visit([&, origin = node](const auto& one) { on(origin, one); }, late);
  }
}

void JobState::add_names(const Listed& entry) {
  FileVersion& version = files_[entry.file];
  const auto is_listed = [&](TestIndex test) {
    const auto& places = tests_[test].places;
    return std::any_of(places.begin(), places.end(),
                       [&](const Place& place) { return place.file == entry.file; });
  };
  for (std::size_t i = 0; i < entry.ids.size(); ++i) {
    const std::size_t at = entry.first + i;
    if (at >= version.tests.size() || version.tests[at] != kNone) continue;
    // The same id twice in one file is two tests.
    TestIndex test = intern_test(entry.ids[i], 0, version.path);
    if (is_listed(test)) {
      test = intern_test(entry.ids[i], ++version.repeats[entry.ids[i]], version.path);
    }
    version.tests[at] = test;
    ++version.listed;
    --unlisted_;
    tests_[test].places.push_back({entry.file, static_cast<uint32_t>(at)});
  }
}

TestIndex JobState::intern_test(const std::string& id, uint32_t repeat, uint32_t path) {
  const auto index = static_cast<TestIndex>(tests_.size());
  if (repeat > 0) {
    const auto [found, added] = repeat_index_.try_emplace({id, repeat}, index);
    if (!added) return found->second;
  } else if (const auto found = test_index_.find(id); found != test_index_.end()) {
    return found->second;
  }
  Test& test = tests_.emplace_back();
  test.id = id;
  test.path = path;
  if (repeat == 0) test_index_.emplace(test.id, index);
  ++counts_.total;
  ++counts_.unfinished;
  changes_.push_back({Change::Kind::kKnown, index, kNone});
  return index;
}

void JobState::on(NodeIndex origin, const Grouped& entry) {
  if (!defer(origin, entry.file, entry)) put_together(entry, {});
}

void JobState::put_together(const Grouped& entry, const Part& part) {
  const auto [found, added] =
      group_index_.try_emplace(entry.name, static_cast<uint32_t>(groups_.size()));
  if (added) groups_.push_back(entry.name);
  for (const uint32_t index : entry.indexes) {
    if (!part.has(index)) continue;
    const TestIndex test = test_at(entry.file, index);
    if (test != kNone) tests_[test].group = found->second;
  }
}

void JobState::on(NodeIndex origin, const Required& entry) {
  if (!defer(origin, entry.file, entry)) require(entry, {});
}

// Where two versions of a file differ, a test that both have asks for the more.
void JobState::require(const Required& entry, const Part& part) {
  uint32_t mutex = 0;
  if (!entry.mutex.empty()) {
    const auto [found, added] =
        mutex_index_.try_emplace(entry.mutex, static_cast<uint32_t>(mutexes_.size()));
    if (added) mutexes_.push_back({entry.mutex, {}});
    mutex = found->second;
  }
  for (const uint32_t index : entry.indexes) {
    if (!part.has(index)) continue;
    const TestIndex number = test_at(entry.file, index);
    if (number == kNone || tests_[number].collects) continue;
    Test& test = tests_[number];
    test.exclusive = test.exclusive || entry.exclusive;
    test.weight = std::max(test.weight, entry.weight);
    test.times_usual = std::max(test.times_usual, std::min(entry.times_usual, kTimesUsualMax));
    if (mutex == 0 || test.mutex != 0) continue;
    test.mutex = mutex;
    mutexes_[mutex].tests.push_back(number);
  }
}

void JobState::on(NodeIndex, const CollectionFailed& entry) {
  // Several nodes report the same error: it counts once, in the words that sort first.
  auto [found, added] = collection_errors_.try_emplace(entry.path, entry.text);
  if (!added && entry.text < found->second) found->second = entry.text;
}

void JobState::on(NodeIndex origin, const Collected&) { nodes_[origin].collected = true; }

void JobState::on(NodeIndex origin, const Unable& entry) { nodes_[origin].unable = entry; }

void JobState::on(NodeIndex origin, const Found& entry) {
  for (const FoundFile& file : entry.files) find(origin, file);
}

void JobState::find(NodeIndex origin, const FoundFile& found) {
  FileVersion& version = files_[found.key];
  if (version.path == kNone) {
    if (tests_.size() + unlisted_ >= kJobTestsMax) {
      too_large_ = true;
      return;
    }
    version.path = intern_path(found.path);
    version.count = version.listed = 1;
    const auto index = static_cast<TestIndex>(tests_.size());
    version.tests = {index};
    Test& test = tests_.emplace_back();
    test.id = found.path;
    test.path = version.path;
    test.places = {{found.key, 0}};
    test.collects = true;
    test.bytes = found.bytes;
    ++collections_;
    ++uncollected_;
    changes_.push_back({Change::Kind::kKnown, index, kNone});
  }
  if (version.tests.empty() || version.tests.front() == kNone ||
      !tests_[version.tests.front()].collects) {
    return;
  }
  if (!nodes_[origin].found.insert(version.path).second) return;
  version.offered_by.push_back(origin);
  names_known(version);
}

void JobState::on(NodeIndex origin, const Expanded& entry) {
  if (defer(origin, entry.file, entry)) return;
  const TestIndex index = test_at(entry.file, 0);
  if (index == kNone || !tests_[index].collects) return;
  // Whoever collected what another has listed leaves the names to that one's log. As long as that
  // is not here, the tests are not, and the file has yet to be collected.
  for (const FileKey version : entry.versions) {
    if (defer(origin, version, entry)) return;
  }
  if (assignment(tests_[index], origin).grants > 0) {
    expand(origin, index, entry);
  } else {
    files_.at(entry.file).ungranted[origin].push_back(entry);
  }
}

// A granted file has been collected: its tests count as granted by the same word. No file holds
// another one.
void JobState::expand(NodeIndex origin, TestIndex index, const Expanded& entry) {
  Test& collection = tests_[index];
  ++assignment(collection, origin).finished;
  if (collection.verdict == Verdict::kPending) {
    collection.verdict = Verdict::kOk;
    --uncollected_;
  }
  changes_.push_back({Change::Kind::kReleased, index, origin});
  Granted along;
  along.to = along.claim.scheduler.node = nodes_[origin].id;
  for (const FileKey key : entry.versions) {
    const TestIndex first = test_at(key, 0);
    if (first == kNone || tests_[first].collects) continue;
    along.runs = {{key, 0, UINT32_MAX}};
    on(origin, along);
  }
}

void JobState::on(NodeIndex origin, const Missing& entry) {
  for_each_test(origin, entry.runs, entry, [&](TestIndex index) {
    Test& test = tests_[index];
    give_up(test, origin);
    if (std::find(test.missing_on.begin(), test.missing_on.end(), origin) ==
        test.missing_on.end()) {
      test.missing_on.push_back(origin);
    }
    changes_.push_back({Change::Kind::kReleased, index, origin});
  });
}

void JobState::on(NodeIndex origin, const Named& entry) {
  Named& own = names_.try_emplace(nodes_[origin].id, entry).first->second;
  own.started_wall_ms = sane_wall_ms(own.started_wall_ms);
  // Two halves of a split job may each have named it: the earlier start wins, then the id.
  const Named* best = nullptr;
  for (const auto& [by, name] : names_) {
    if (best == nullptr || std::pair(name.started_wall_ms, name.full_id) <
                               std::pair(best->started_wall_ms, best->full_id)) {
      best = &name;
    }
  }
  const bool tries_changed = max_retries() != best->retries;
  named_ = *best;
  if (!tries_changed) return;
  for (Test& test : tests_) {
    if (!test.collects) judge(test);
  }
}

void JobState::on(NodeIndex origin, const Enlisted& entry) {
  const NodeId by = nodes_[origin].id;
  NodeState& node = nodes_[intern(entry.node)];
  const bool keeps = is_planted(Planted::kReportsNamesakes) && entry.revision > 0;
  if (entry.revision > kRevisionMax || keeps) return;
  if (node.enlisted) {
    const uint32_t revision = node.enlisted->revision;
    if (entry.revision < revision) return;
    if (entry.revision == revision && node.enlisted_by <= by) return;
  }
  node.enlisted = entry;
  node.enlisted->workers = std::min(entry.workers, mesh::kWorkersMax);
  node.enlisted->first_worker = std::min(entry.first_worker, UINT32_MAX - mesh::kWorkersMax);
  node.enlisted_by = by;
  ++enlistments_;
}

// Gives the slot, within bounds.
uint32_t JobState::seen_worker(NodeIndex index, uint32_t slot) {
  slot = std::min(slot, mesh::kWorkersMax - 1);
  NodeState& node = nodes_[index];
  if (slot < node.workers_seen) return slot;
  node.workers_seen = slot + 1;
  if (node.enlisted && node.workers_seen > node.enlisted->workers) ++enlistments_;
  return slot;
}

void JobState::on(NodeIndex origin, const Planned& entry) {
  plans_.try_emplace(nodes_[origin].id, sane(entry.makespan));
}

template <class Visit>
void JobState::for_each_test(NodeIndex origin, const std::vector<Run>& runs, const Entry& whole,
                             const Visit& visit) {
  for (const Run& run : runs) {
    const FileVersion& version = files_[run.file];
    if (!version.known()) {
      // Only this run waits, as an entry of its own.
      Entry part = whole;
      std::visit(
          [&run](auto& one) {
            if constexpr (requires { one.runs; }) one.runs = {run};
          },
          part);
      if (auto* granted = std::get_if<Granted>(&part)) granted->stolen = false;
      files_[run.file].waiting.emplace_back(origin, std::move(part));
      marks.early_news.reach();
      continue;
    }
    const uint64_t end = std::min<uint64_t>(uint64_t{run.first} + run.count, version.tests.size());
    for (uint64_t i = run.first; i < end; ++i) visit(version.tests[i]);
  }
}

Assignment& JobState::assignment(Test& test, NodeIndex node) {
  for (Assignment& one : test.assignments) {
    if (one.node == node) return one;
  }
  return test.assignments.emplace_back(Assignment{node});
}

void JobState::on(NodeIndex origin, const Granted& entry) {
  // Only the claimant grants: nobody can give itself a test and have the result count.
  if (nodes_[origin].id != entry.claim.scheduler.node) return;
  if (entry.stolen) ++steals_;
  const NodeIndex to = intern(entry.to);
  for_each_test(origin, entry.runs, entry, [&](TestIndex index) { grant(to, index, entry); });
}

void JobState::grant(NodeIndex to, TestIndex index, const Granted& entry) {
  Assignment& assigned = assignment(tests_[index], to);
  ++assigned.grants;
  assigned.alone |= entry.alone;
  tests_[index].copied |= entry.copies;
  changes_.push_back({Change::Kind::kGranted, index, to});
  if (!tests_[index].collects) {
    if (!tests_[index].attempts.empty()) judge(tests_[index]);
    return;
  }
  // Its answer may have come before the grant.
  auto& early = files_.at(tests_[index].places.front().file).ungranted;
  const auto own = early.extract(to);
  if (own.empty()) return;
  for (const Expanded& answer : own.mapped()) expand(to, index, answer);
}

void JobState::on(NodeIndex, const Recalled&) {}

void JobState::on(NodeIndex origin, const GaveUp& entry) {
  for_each_test(origin, entry.runs, entry, [&](TestIndex index) {
    give_up(tests_[index], origin);
    changes_.push_back({Change::Kind::kReleased, index, origin});
  });
}

void JobState::give_up(Test& test, NodeIndex node) {
  Assignment& own = assignment(test, node);
  ++own.gave_up;
  own.began = 0;
}

void JobState::on(NodeIndex origin, const Began& entry) {
  const auto began = static_cast<uint16_t>(std::min(entry.slot, mesh::kWorkersMax - 1) + 1);
  for_each_test(origin, entry.runs, entry,
                [&](TestIndex index) { assignment(tests_[index], origin).began = began; });
}

void JobState::on(NodeIndex origin, const Finished& entry) {
  if (defer(origin, entry.file, entry)) return;
  const TestIndex index = test_at(entry.file, entry.index);
  if (index == kNone || tests_[index].collects) return;
  if (entry.outcome == Outcome::kStopped) return stopped(origin, index, entry);
  Test& test = tests_[index];
  if (!entry.amends) {
    Assignment& own = assignment(test, origin);
    ++own.finished;
    own.began = 0;
    if (entry.again) ++own.again;
  }
  test.attempts.push_back({origin, entry});
  Finished& result = test.attempts.back().result;
  result.duration = sane(result.duration);
  result.shared_setup = sane(result.shared_setup);
  result.group_setup = sane(result.group_setup);
  result.started_wall_ms = sane_wall_ms(result.started_wall_ms);
  result.slot = seen_worker(origin, result.slot);
  judge(test);
  const auto place = static_cast<uint32_t>(test.attempts.size() - 1);
  changes_.push_back({Change::Kind::kFinished, index, origin, place});
}

// It is as if the node had given the test up; what is known of the run is for the report.
void JobState::stopped(NodeIndex origin, TestIndex index, const Finished& run) {
  give_up(tests_[index], origin);
  Finished& kept = stopped_[&tests_[index]].emplace_back(Attempt{origin, run}).result;
  kept.duration = sane(kept.duration);
  kept.started_wall_ms = sane_wall_ms(kept.started_wall_ms);
  kept.slot = seen_worker(origin, kept.slot);
  changes_.push_back({Change::Kind::kReleased, index, origin});
}

void JobState::on(NodeIndex origin, const Draining& entry) {
  NodeState& node = nodes_[origin];
  if (node.id != entry.claim.scheduler.node) return;
  const bool sooner = node.draining && node.draining->claim == entry.claim && entry.now;
  if (!node.draining || sooner || mesh::is_better(entry.claim, node.draining->claim)) {
    node.draining = entry;
  }
}

void JobState::on(NodeIndex origin, const Drained& entry) {
  mesh::Claim& drained = nodes_[origin].drained;
  if (mesh::is_better(entry.claim, drained)) drained = entry.claim;
}

void JobState::on(NodeIndex origin, const Departed&) { nodes_[origin].departed = true; }

void JobState::on(NodeIndex origin, const Closed& entry) {
  if (!entry.claim.exists() || nodes_[origin].id != entry.claim.scheduler.node) return;
  if (closed_) marks.closed_twice.reach();
  if (closed_ && !mesh::is_better(entry.claim, closed_->claim)) return;
  closed_ = entry;
  closed_->duration = sane(entry.duration);
  closed_by_ = nodes_[origin].id;
  for (Test& test : tests_) {
    if (!test.collects) judge(test);
  }
}

void JobState::on(NodeIndex origin, const Settled& entry) {
  if (nodes_[origin].id != entry.claim.scheduler.node) return;
  for_each_test(origin, entry.runs, entry, [&](TestIndex index) {
    Test& test = tests_[index];
    test.settled = true;
    judge(test);
    changes_.push_back({Change::Kind::kSettled, index, kNone});
  });
}

// Two schedulers may say so of different nodes, or of different workers of one: the first counts.
void JobState::on(NodeIndex origin, const Poisoned& entry) {
  if (nodes_[origin].id != entry.claim.scheduler.node) return;
  if (defer(origin, entry.file, entry)) return;
  const TestIndex index = test_at(entry.file, entry.index);
  if (index == kNone) return;
  Test& test = tests_[index];
  if (test.collects) return fail_collection(origin, index);
  test.settled = true;
  const std::size_t before = test.attempts.size();
  for (const Loss& loss : entry.losses) {
    const NodeIndex node = intern(loss.node);
    const uint32_t slot = seen_worker(node, loss.slot);
    const auto known =
        std::find_if(test.attempts.begin(), test.attempts.end(),
                     [node](const Attempt& other) { return other.lost && other.node == node; });
    if (known != test.attempts.end()) {
      known->result.slot = std::min(known->result.slot, slot);
      continue;
    }
    Attempt& attempt = test.attempts.emplace_back(Attempt{node, {}, true});
    attempt.result.file = entry.file;
    attempt.result.index = entry.index;
    attempt.result.outcome = Outcome::kCrashed;
    attempt.result.slot = slot;
    attempt.result.message = "its node was lost while it ran";
  }
  judge(test);
  for (std::size_t i = before; i < test.attempts.size(); ++i) {
    changes_.push_back(
        {Change::Kind::kSettled, index, test.attempts[i].node, static_cast<uint32_t>(i)});
  }
}

void JobState::fail_collection(NodeIndex origin, TestIndex index) {
  Test& collection = tests_[index];
  on(origin, CollectionFailed{collection.id, "its node was lost, each time that it was collected"});
  if (collection.verdict != Verdict::kPending) return;
  collection.verdict = Verdict::kOk;
  --uncollected_;
  changes_.push_back({Change::Kind::kSettled, index, kNone});
}

// Whoever leaves something out knows of that attempt, and may have it from a log that is not here.
void JobState::on(NodeIndex origin, const Redundant& entry) {
  remember_attempt(entry.attempt_wall_ms);
  for_each_test(origin, entry.runs, entry, [&](TestIndex index) {
    Test& test = tests_[index];
    if (test.collects) return;
    test.passed_in_ms = std::max(test.passed_in_ms, sane_wall_ms(entry.attempt_wall_ms));
    test.redundant_took = std::max(test.redundant_took, sane(entry.each));
    judge(test);
    // One that has run all the same is what its runs came to.
    if (test.verdict != Verdict::kRedundant) return;
    changes_.push_back({Change::Kind::kSettled, index, kNone});
  });
}

// What was left out for an older attempt is open again.
void JobState::remember_attempt(int64_t started_wall_ms) {
  const int64_t before = std::exchange(attempt_before_ms_,
                                       std::max(attempt_before_ms_, sane_wall_ms(started_wall_ms)));
  if (before == attempt_before_ms_) return;
  for (TestIndex index = 0; index < tests_.size(); ++index) {
    if (tests_[index].verdict != Verdict::kRedundant || is_redundant(tests_[index])) continue;
    marks.left_out_too_soon.reach();
    judge(tests_[index]);
    changes_.push_back({Change::Kind::kSettled, index, kNone});
  }
}

void JobState::on(NodeIndex, const Remembered& entry) { remember_attempt(entry.started_wall_ms); }

bool JobState::is_redundant(const Test& test) const {
  return test.passed_in_ms > 0 && test.passed_in_ms >= attempt_before_ms_;
}

void JobState::on(NodeIndex, const PassedBefore&) {}

// A result counts only from a node that was given that test.
void JobState::judge(Test& test) {
  std::vector<Outcome> outcomes;
  outcomes.reserve(test.attempts.size());
  bool amended = false;
  std::size_t tries = 0;
  for (const Attempt& attempt : test.attempts) {
    if (!is_counted(test, attempt)) {
      if (!attempt.result.copy) marks.ungranted.reach();
      continue;
    }
    if (attempt.result.copy) marks.copy_counts.reach();
    outcomes.push_back(attempt.result.outcome);
    amended |= attempt.result.amends;
    if (!attempt.result.amends) ++tries;
  }
  // What failed to be torn down is not mended by another run of the test.
  if (amended) std::erase_if(outcomes, [](Outcome outcome) { return !is_failure(outcome); });
  if (is_planted(Planted::kLastOutcomeWins) && !outcomes.empty()) outcomes = {outcomes.back()};
  const bool final = closed_.has_value() || amended || test.settled || tries > max_retries();
  Verdict verdict = decide(outcomes, final);
  if (verdict == Verdict::kPending && is_redundant(test)) verdict = Verdict::kRedundant;
  if (verdict == test.verdict) return;
  const auto counter = [this](Verdict which) -> uint64_t& {
    switch (bucket_of(which)) {
      case Bucket::kPassed:
        return counts_.passed;
      case Bucket::kFailed:
        return counts_.failed;
      case Bucket::kFlaky:
        return counts_.flaky;
      case Bucket::kErrors:
        return counts_.errors;
      case Bucket::kSkipped:
        return counts_.skipped;
      case Bucket::kRedundant:
        return counts_.redundant;
      case Bucket::kUnfinished:
        break;
    }
    return counts_.unfinished;
  };
  const bool forgotten = is_planted(Planted::kCountsTwice) && test.verdict == Verdict::kRetry;
  if (!forgotten) --counter(test.verdict);
  ++counter(verdict);
  if (test.verdict == Verdict::kRetry) --counts_.retrying;
  if (verdict == Verdict::kRetry) ++counts_.retrying;
  test.verdict = verdict;
}

uint32_t JobState::workers_enlisted() const {
  uint32_t workers = 0;
  for (const NodeState& node : nodes_) {
    if (node.enlisted) {
      workers = std::max(workers, node.enlisted->first_worker + node.enlisted->workers);
    }
  }
  return workers;
}

uint32_t JobState::worker_number(NodeIndex node, uint32_t slot) const {
  const std::optional<Enlisted>& enlisted = nodes_[node].enlisted;
  return (enlisted ? enlisted->first_worker : 0) + slot;
}

}  // namespace dagz::report
