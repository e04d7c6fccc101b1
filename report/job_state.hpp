#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "report/entry.hpp"
#include "report/summary.hpp"
#include "report/verdict.hpp"

// The state of the job: a fold over the union of all nodes' logs. The entries of one log come in
// order; between logs any order gives the same state (entries that arrive before what they speak of
// wait inside). Tests and nodes are numbered as they become known, which differs between nodes:
// the numbers are for use inside a process only.

namespace dagz::report {

using TestIndex = uint32_t;
using NodeIndex = uint32_t;
inline constexpr uint32_t kNone = UINT32_MAX;

struct Attempt {
  NodeIndex node = 0;
  Finished result;
  bool lost = false;  // with its node, which has not said this itself
};

// What one node was told about one test, and what it answered. Each grant is answered by one result
// or one giving-up, unless the node dies.
struct Assignment {
  NodeIndex node = 0;
  uint32_t grants = 0;
  uint32_t gave_up = 0;
  uint32_t finished = 0;
  uint32_t again = 0;  // of the finished: tried once more without another grant
  // 1 + the slot of the worker that had it last, where this was said; 0: it was not.
  uint16_t began = 0;
  bool alone = false;  // with nothing else beside it

  bool held() const { return grants > 0 && grants + again > gave_up + finished; }
};

// A place in a version of a file.
struct Place {
  FileKey file = 0;
  uint32_t index = 0;
};

// A test, or the collection of a found file: both are work that is granted, given up and stolen.
struct Test {
  std::string id;      // of a collection: the file's path
  uint32_t path = 0;   // see JobState::path
  uint32_t group = 0;  // 0: none, else see JobState::group
  uint32_t mutex = 0;  // 0: none, else see JobState::mutex
  uint32_t weight = 1;
  bool exclusive = false;
  uint32_t times_usual = 1;  // as long as tests take, by its marks
  Verdict verdict = Verdict::kPending;
  bool settled = false;       // not tried again
  bool copied = false;        // a second copy was granted while it ran
  int64_t passed_in_ms = 0;   // the start of the latest earlier attempt that it passed in; 0: none
  Duration redundant_took;    // so long, at a guess
  std::vector<Place> places;  // one, unless nodes collected the file differently
  std::vector<Assignment> assignments;
  std::vector<Attempt> attempts;
  std::vector<NodeIndex> missing_on;  // those that cannot run it, although they found its file
  bool collects = false;              // the collection of a file: not counted, not reported
  uint64_t bytes = 0;                 // of that file
};

// Whether this node was given the test, as far as is known.
bool is_granted(const Test& test, NodeIndex node);

// Whether the verdict is made of this attempt: not of one by a node that was not given the test,
// nor of a second copy that fails (it ran beside the first, and may have failed for that) or whose
// first run has a result of its own, nor of one that was lost with a node that has come back with
// a result.
bool is_counted(const Test& test, const Attempt& attempt);

struct FileVersion {
  uint32_t path = kNone;  // unknown until listed
  uint32_t count = 0;
  uint32_t listed = 0;
  std::vector<TestIndex> tests;  // kNone until listed
  std::vector<NodeIndex> offered_by;
  std::unordered_map<std::string, uint32_t> repeats;  // of ids that it lists more than once
  std::vector<std::pair<NodeIndex, Entry>> waiting;   // until all names are known
  // Of a found file: from those that collected it, but were not granted it as far as is known here.
  std::map<NodeIndex, std::vector<Expanded>> ungranted;

  bool known() const { return path != kNone && listed == count; }
};

struct NodeState {
  NodeId id;
  std::optional<Opened> opened;
  std::optional<Enlisted> enlisted;  // with workers as a profile may have
  NodeId enlisted_by;
  uint32_t workers_seen = 0;  // from the first to the last that a run of its names
  bool collected = false;
  std::optional<Unable> unable;
  std::optional<Draining> draining;  // as a scheduler, under its best claim
  mesh::Claim drained;               // the best claim under which it said so
  bool departed = false;
  std::vector<FileKey> offered;
  std::unordered_set<uint32_t> found;  // paths
};

// What the last `apply` did to tests, for those who keep books of their own.
struct Change {
  // Of a settled or redundant test there is no node, unless it is settled for being lost with it.
  enum class Kind : uint8_t { kKnown, kGranted, kReleased, kFinished, kSettled } kind;
  TestIndex test = 0;
  NodeIndex node = 0;
  uint32_t attempt = 0;  // of a result or a loss: its place among the test's attempts
};

class JobState {
 public:
  JobState();
  JobState(JobState&&) = default;
  JobState& operator=(JobState&&) = default;

  void apply(const NodeId& origin, const Entry& entry);
  std::vector<Change> take_changes() { return std::exchange(changes_, {}); }

  const std::deque<Test>& tests() const { return tests_; }
  const std::vector<NodeState>& nodes() const { return nodes_; }
  const std::map<FileKey, FileVersion>& files() const { return files_; }
  const std::string& path(uint32_t index) const { return paths_[index]; }
  const std::string& group(uint32_t index) const { return groups_[index]; }
  // Of the tests with one mutex only one runs at a time.
  struct Mutex {
    std::string name;
    std::vector<TestIndex> tests;
  };
  const Mutex& mutex(uint32_t index) const { return mutexes_[index]; }
  NodeIndex node_index(const NodeId& id) const;           // kNone if never heard of
  TestIndex test_at(FileKey file, uint32_t index) const;  // kNone if unknown
  // Where this node can run this test, if it can.
  std::optional<Place> place_on(TestIndex test, NodeIndex node) const;
  // The first test of this id; kNone if there is none.
  TestIndex find_test(const std::string& id) const;

  const Counts& counts() const { return counts_; }
  // Found files; those of them that nobody has collected yet.
  std::size_t collections() const { return collections_; }
  std::size_t uncollected() const { return uncollected_; }
  // More was listed or found than kTestsPerFileMax and kJobTestsMax allow; it is left out. The job
  // is incomplete, and what was left out stays unnamed for ever.
  bool is_too_large() const { return too_large_; }
  uint64_t retrying() const { return counts_.retrying; }
  const std::optional<Named>& named() const { return named_; }
  const std::optional<Closed>& closed() const { return closed_; }
  const NodeId& closed_by() const { return closed_by_; }
  std::size_t collection_errors() const { return collection_errors_.size(); }
  uint32_t max_retries() const { return named_ ? named_->retries : 0; }
  // Which highest worker number is taken.
  uint32_t workers_enlisted() const;
  // So often a node was numbered, or numbered anew, or turned out to have more workers.
  uint64_t enlistments() const { return enlistments_; }
  // Which number the worker in this slot of a node bears in the whole job, as far as is known.
  uint32_t worker_number(NodeIndex node, uint32_t slot) const;
  uint32_t steals() const { return steals_; }
  bool has_plan() const { return !plans_.empty(); }
  // The start of the newest earlier attempt that any node remembers; 0: nobody does.
  int64_t attempt_before_ms() const { return attempt_before_ms_; }

  // The job as every node reports it. Equal for equal sets of logs. `lost` and the times come from
  // the closing entry once there is one.
  JobSummary summary() const;

 private:
  NodeIndex intern(const NodeId& id);
  bool defer(NodeIndex origin, FileKey file, const Entry& entry);
  void add_names(const Listed& listed);
  uint32_t intern_path(const std::string& path);
  void names_known(FileVersion& version);
  // What is said of tests of this part of their file; by default of all.
  struct Part {
    uint32_t from = 0;
    uint32_t until = UINT32_MAX;

    bool has(uint32_t index) const { return from <= index && index < until; }
  };
  void put_together(const Grouped& entry, const Part& part);
  void require(const Required& entry, const Part& part);
  TestIndex intern_test(const std::string& id, uint32_t repeat, uint32_t path);
  void find(NodeIndex origin, const FoundFile& found);
  void expand(NodeIndex origin, TestIndex collection, const Expanded& entry);
  void grant(NodeIndex to, TestIndex index, const Granted& entry);
  Assignment& assignment(Test& test, NodeIndex node);
  void give_up(Test& test, NodeIndex node);
  void judge(Test& test);
  void remember_attempt(int64_t started_wall_ms);
  bool is_redundant(const Test& test) const;
  void on(NodeIndex origin, const Opened& entry);
  void on(NodeIndex origin, const Offered& entry);
  void on(NodeIndex origin, const Listed& entry);
  void on(NodeIndex origin, const Grouped& entry);
  void on(NodeIndex origin, const CollectionFailed& entry);
  void on(NodeIndex origin, const Collected& entry);
  void on(NodeIndex origin, const Unable& entry);
  void on(NodeIndex origin, const Named& entry);
  void on(NodeIndex origin, const Enlisted& entry);
  uint32_t seen_worker(NodeIndex node, uint32_t slot);
  void on(NodeIndex origin, const Planned& entry);
  void on(NodeIndex origin, const Granted& entry);
  void on(NodeIndex origin, const Recalled& entry);
  void on(NodeIndex origin, const GaveUp& entry);
  void on(NodeIndex origin, const Finished& entry);
  void stopped(NodeIndex origin, TestIndex index, const Finished& run);
  void on(NodeIndex origin, const Draining& entry);
  void on(NodeIndex origin, const Drained& entry);
  void on(NodeIndex origin, const Departed& entry);
  void on(NodeIndex origin, const Closed& entry);
  void on(NodeIndex origin, const Found& entry);
  void on(NodeIndex origin, const Expanded& entry);
  void on(NodeIndex origin, const Missing& entry);
  void on(NodeIndex origin, const Settled& entry);
  void on(NodeIndex origin, const Redundant& entry);
  void on(NodeIndex origin, const Remembered& entry);
  void on(NodeIndex origin, const PassedBefore& entry);
  void on(NodeIndex origin, const Required& entry);
  void on(NodeIndex origin, const Began& entry);
  void on(NodeIndex origin, const Poisoned& entry);
  void fail_collection(NodeIndex origin, TestIndex index);
  template <class Visit>
  void for_each_test(NodeIndex origin, const std::vector<Run>& runs, const Entry& whole,
                     const Visit& visit);
  const std::string& file_of(const Test& test) const;
  TestSummary summarize(const Test& test, int64_t started_wall_ms) const;
  void summarize_times(JobSummary& summary) const;
  bool is_found_empty() const;
  JobStatus status_of(const JobSummary& summary) const;
  struct Files {
    bool whole = false;
    std::set<uint32_t> all;
    std::map<uint32_t, std::set<FileKey>> versions;
  };
  Files files_of(const NodeState& node) const;
  void note_differences(const std::vector<const NodeState*>& nodes, JobSummary& summary) const;

  std::vector<NodeState> nodes_;
  std::map<NodeId, NodeIndex> node_index_;
  std::vector<std::string> paths_;
  std::unordered_map<std::string, uint32_t> path_index_;
  std::vector<std::string> groups_;
  std::unordered_map<std::string, uint32_t> group_index_;
  std::vector<Mutex> mutexes_;
  std::unordered_map<std::string, uint32_t> mutex_index_;
  std::map<FileKey, FileVersion> files_;
  std::deque<Test> tests_;  // they stay where they are: the index below reads their ids
  std::unordered_map<std::string_view, TestIndex> test_index_;
  std::unordered_map<const Test*, std::vector<Attempt>> stopped_;  // runs that ended with the job
  // The second, third and further tests of one id in one file.
  std::map<std::pair<std::string, uint32_t>, TestIndex> repeat_index_;
  std::map<std::string, std::string> collection_errors_;
  std::map<NodeId, Named> names_;
  std::optional<Named> named_;
  std::map<NodeId, Duration> plans_;
  std::optional<Closed> closed_;
  NodeId closed_by_;
  Counts counts_;
  uint64_t enlistments_ = 0;
  std::size_t collections_ = 0;
  std::size_t uncollected_ = 0;
  std::size_t unlisted_ = 0;  // tests of files whose first names are here
  bool too_large_ = false;
  uint32_t steals_ = 0;
  int64_t attempt_before_ms_ = 0;
  std::vector<Change> changes_;
};

}  // namespace dagz::report
