#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "mesh/archive.hpp"
#include "mesh/claim.hpp"
#include "mesh/ids.hpp"
#include "mesh/ledger.hpp"
#include "mesh/time.hpp"
#include "report/outcome.hpp"
#include "report/property.hpp"

// What nodes write into their logs. The alternatives of `Entry` are numbered on the wire by their
// place: append only. Lists and strings have limits, enforced as they are decoded.

namespace dagz::report {

inline constexpr std::size_t kTestIdMax = 16 * 1024;
inline constexpr std::size_t kPathMax = 4096;
// Of a job also the files that are found: to collect one is work like a test.
inline constexpr std::size_t kTestsPerFileMax = 1'000'000;
inline constexpr std::size_t kJobTestsMax = 8'000'000;
inline constexpr std::size_t kIdsPerEntryMax = 4096;
inline constexpr std::size_t kRunsPerEntryMax = 65'536;
inline constexpr std::size_t kRunsWrittenMax = kRunsPerEntryMax / 8;
inline constexpr uint32_t kTimesUsualMax = 1000;  // fits into 16 bits
inline constexpr std::size_t kFoundPerEntryMax = 4096;
inline constexpr std::size_t kVersionsPerFileMax = 64;
inline constexpr std::size_t kHashesPerEntryMax = 16'384;
inline constexpr std::size_t kLossesMax = 64;
inline constexpr std::size_t kMessageMax = 1024;
inline constexpr std::size_t kOutputMax = 128 * 1024;

// One version of one file of the catalog: the first 8 bytes of the hash of its path and ids. Nodes
// that collected the same tests from it use the same key.
using FileKey = uint64_t;

// Neighbouring tests of one file, `first` to `first + count - 1`.
struct Run {
  FileKey file = 0;
  uint32_t first = 0;
  uint32_t count = 0;

  bool operator==(const Run&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(file, first, count);
  }
};

// A node's first entry.
struct Opened {
  std::string host;
  std::string ci_url;
  uint32_t place = 0;         // among the nodes of its CI step, from 1; 0: unknown
  std::string dashboard_url;  // whose /jobs/… is the job's page; empty: nobody said

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(host, kPathMax), bounded(ci_url, kPathMax), place,
            bounded(dashboard_url, kPathMax));
  }
};

// "I can run these": one file of this node's collection.
struct Offered {
  FileKey file = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(file);
  }
};

// The names behind a key, from whoever was asked first; long files come in parts.
struct Listed {
  FileKey file = 0;
  std::string path;
  uint32_t count = 0;  // of the whole file
  uint32_t first = 0;  // of this part
  std::vector<std::string> ids;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(file, bounded(path, kPathMax), count, first, bounded(ids, kIdsPerEntryMax));
  }
};

// Tests of a file that ask for one worker (xdist_group).
struct Grouped {
  FileKey file = 0;
  std::string name;
  std::vector<uint32_t> indexes;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(file, bounded(name, kPathMax), bounded(indexes, kTestsPerFileMax));
  }
};

struct CollectionFailed {
  std::string path;
  std::string text;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(path, kPathMax), bounded(text, kOutputMax));
  }
};

// This node has told all that it found or collected; it can run tests from here on.
struct Collected {
  template <class Archive>
  void serialize(Archive&) {}
};

// This node will run nothing: its runner could not start or ended early.
struct Unable {
  uint32_t exit_code = 3;
  std::string reason;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(exit_code, bounded(reason, kOutputMax));
  }
};

// The scheduler names the job, and says what its verdict depends on besides the tests.
struct Named {
  std::string short_id;
  std::string full_id;
  int64_t started_wall_ms = 0;
  uint32_t retries = 0;            // tries of a failing test after the first
  uint32_t expected_nodes = 0;     // 0: nobody said
  bool flaky_fails = false;        // a flaky test fails the job
  bool strict_collection = false;  // so do different collections; all nodes' are waited for

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(short_id, kPathMax), bounded(full_id, kPathMax), started_wall_ms, retries,
            expected_nodes, flaky_fails, strict_collection);
  }
};

// More splits no job sees.
inline constexpr uint32_t kRevisionMax = 64;

// The scheduler numbers a node and its workers. Where two schedulers did so before they met, the
// one that is left numbers anew what bears a number twice: the highest revision counts.
struct Enlisted {
  NodeId node;
  uint32_t number = 0;  // node-<number>
  uint32_t first_worker = 0;
  uint32_t workers = 0;
  uint32_t revision = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(node, number, first_worker, workers, revision);
  }
};

// The scheduler made the first plan of the job, as far as it knows.
struct Planned {
  Duration makespan;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(makespan);
  }
};

// The scheduler hands out work; it counts only under the claim it was made.
struct Granted {
  mesh::Claim claim;
  NodeId to;
  bool stolen = false;  // taken from another node
  std::vector<Run> runs;
  // Retries that wait until nothing else is left, each for a fresh process.
  bool tail = false;
  // Second copies of tests that run elsewhere, and for long.
  bool copies = false;
  // Nodes were lost with this test; nothing else runs on this one meanwhile.
  bool alone = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(claim, to, stolen, bounded(runs, kRunsPerEntryMax), tail, copies, alone);
  }
};

// The scheduler asks a node to give up work.
struct Recalled {
  mesh::Claim claim;
  NodeId victim;
  uint64_t number = 0;  // the scheduler's own count
  Duration wanted;      // about this much expected time, on one worker

  template <class Archive>
  void serialize(Archive& archive) {
    archive(claim, victim, number, wanted);
  }
};

// What a node truly gave up: nobody has begun these. Answers a recall (0: of its own accord).
struct GaveUp {
  uint64_t recall = 0;
  std::vector<Run> runs;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(recall, bounded(runs, kRunsPerEntryMax));
  }
};

struct Finished {
  FileKey file = 0;
  uint32_t index = 0;
  Outcome outcome = Outcome::kPassed;
  // A second word on an attempt: wider fixtures failed to tear down after it was told.
  bool amends = false;
  // It failed and is tried once more by the same node at once: nobody else need.
  bool again = false;
  // Of a second copy: counts only if it is good and the first run has no result.
  bool copy = false;
  uint32_t slot = 0;  // which worker of its node, from 0
  uint32_t cpu_percent = 0;
  int64_t started_wall_ms = 0;
  Duration duration;
  // Of this, the set-up of fixtures that other tests share, and of that what does not belong to the
  // whole session: another worker that begins the test's group pays it once more.
  Duration shared_setup;
  Duration group_setup;
  std::string message;
  std::string output;
  Properties properties;

  // Without what it did for others.
  Duration own_duration() const { return std::max(Duration{}, duration - shared_setup); }

  // Nearly all results have none of what the flags say: together they cost a byte.
  template <class Archive>
  void serialize(Archive& archive) {
    auto flags = static_cast<uint8_t>((amends ? 1 : 0) | (again ? 2 : 0) | (copy ? 4 : 0) |
                                      (properties.empty() ? 0 : 8));
    archive(file, index, outcome, flags, slot, started_wall_ms, duration, shared_setup, group_setup,
            cpu_percent, bounded(message, kMessageMax), bounded(output, kOutputMax));
    amends = (flags & 1) != 0;
    again = (flags & 2) != 0;
    copy = (flags & 4) != 0;
    if ((flags & 8) != 0) archive(properties);
  }
};

// The scheduler: nothing is left to hand out; tear down.
struct Draining {
  mesh::Claim claim;
  bool now = false;  // what runs is ended, without a verdict

  template <class Archive>
  void serialize(Archive& archive) {
    archive(claim, now);
  }
};

// This node's workers have torn everything down, as the scheduler of this claim wished. It also
// says that the node follows that scheduler and no other: a job is closed only with everybody's
// word.
struct Drained {
  mesh::Claim claim;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(claim);
  }
};

// This node leaves before the end, by its own will.
struct Departed {
  std::string reason;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(reason, kPathMax));
  }
};

enum class CloseReason : uint8_t {
  kComplete = 0,
  kInterrupted = 1,  // by a signal, or by a test that asked for the end
  kStopped = 2,      // --max-fail
  kDeadline = 3,
  kUnable = 4,  // no node can run what is left
  kSlice = 5,   // a node that met nobody has run its slice: the rest is for the others
  kFailed = 6,  // a test or a plug-in says that the session has failed (session.shouldfail)
};

// The scheduler ends the job. The report is made from exactly these lengths of the logs.
struct Closed {
  mesh::Claim claim;
  CloseReason reason = CloseReason::kComplete;
  std::string detail;
  Duration duration;
  std::vector<NodeId> lost;
  std::vector<mesh::LogPosition> positions;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(claim, reason, bounded(detail, kPathMax), duration, bounded(lost, 12'000),
            bounded(positions, 12'000));
  }
};

// A file that can be collected, before anybody knows its tests. The key is made from the path
// alone: all nodes that find the file use the same. To collect it is a piece of work like a test.
struct FoundFile {
  FileKey key = 0;
  std::string path;
  uint64_t bytes = 0;  // how large it is: a guess at how long its tests take

  template <class Archive>
  void serialize(Archive& archive) {
    archive(key, bounded(path, kPathMax), bytes);
  }
};

// "I can collect these, and run the tests that they hold."
struct Found {
  std::vector<FoundFile> files;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(files, kFoundPerEntryMax));
  }
};

// Answers the grant of a found file: it has been collected, and its tests are granted to this node
// along with it.
struct Expanded {
  FileKey file = 0;
  std::vector<FileKey> versions;  // none if it holds no tests or could not be collected

  template <class Archive>
  void serialize(Archive& archive) {
    archive(file, bounded(versions, kVersionsPerFileMax));
  }
};

// Gives up these for good: this node collected their file and found no such tests.
struct Missing {
  std::vector<Run> runs;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(runs, kRunsPerEntryMax));
  }
};

// The scheduler: these have failed, and are not tried again although tries are left.
struct Settled {
  mesh::Claim claim;
  std::vector<Run> runs;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(claim, bounded(runs, kRunsPerEntryMax));
  }
};

// What marks say of tests of a file: that they ask for more than a worker (the mark `dagz`), or
// take long. Written before `Listed`, so that whoever knows the names knows this.
struct Required {
  FileKey file = 0;
  bool exclusive = false;    // alone on its node
  uint32_t weight = 1;       // counts as so many workers of its node
  std::string mutex;         // of the tests with this name one runs at a time; empty: none
  uint32_t times_usual = 1;  // as long as tests take; cut to kTimesUsualMax by whoever reads it
  std::vector<uint32_t> indexes;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(file, exclusive, weight, bounded(mutex, kPathMax), times_usual,
            bounded(indexes, kTestsPerFileMax));
  }
};

// These passed in the attempt before, and are not run again as long as nobody remembers a newer
// one. By the scheduler, or by whoever has collected their file where it runs: before its
// `Expanded`, so that none of them begins.
struct Redundant {
  int64_t attempt_wall_ms = 0;  // the start of that attempt
  std::vector<Run> runs;
  Duration each;  // what one of them would have taken, on average

  template <class Archive>
  void serialize(Archive& archive) {
    archive(attempt_wall_ms, bounded(runs, kRunsPerEntryMax), each);
  }
};

// The newest earlier attempt of this job that the node knows of. Follows `Opened`.
struct Remembered {
  std::string full_id;
  std::string short_id;
  int64_t started_wall_ms = 0;
  uint32_t passed = 0;  // so many of its tests need not run again; 0: all run, as it has passed

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(full_id, kPathMax), bounded(short_id, kPathMax), started_wall_ms, passed);
  }
};

// Which tests need not run again after that attempt, as hashes of their ids, in parts. Written by a
// node that remembers it, where others do not.
struct PassedBefore {
  std::string full_id;
  int64_t started_wall_ms = 0;
  std::vector<uint64_t> tests;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(full_id, kPathMax), started_wall_ms, bounded(tests, kHashesPerEntryMax));
  }
};

// This node hands these to one of its workers, although another node holds them as well: should it
// be lost, it may be for one of these. Written before the worker is told.
struct Began {
  uint32_t slot = 0;  // which worker, from 0
  std::vector<Run> runs;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(slot, bounded(runs, kRunsPerEntryMax));
  }
};

// A node that was lost while a worker of it had a test.
struct Loss {
  NodeId node;
  uint32_t slot = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(node, slot);
  }
};

// The scheduler: nodes are lost again and again while they run this test. It crashed with them, and
// is not tried again.
struct Poisoned {
  mesh::Claim claim;
  FileKey file = 0;
  uint32_t index = 0;
  std::vector<Loss> losses;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(claim, file, index, bounded(losses, kLossesMax));
  }
};

// What a log consists of.
using AnyEntry =
    std::variant<Opened, Offered, Listed, Grouped, CollectionFailed, Collected, Unable, Named,
                 Enlisted, Planned, Granted, Recalled, GaveUp, Finished, Draining, Drained,
                 Departed, Closed, Found, Expanded, Missing, Settled, Required, Redundant,
                 Remembered, PassedBefore, Began, Poisoned>;

// A class, so that what copies and destroys one of so many is compiled once.
class Entry : public AnyEntry {
 public:
  using AnyEntry::AnyEntry;
  Entry(const Entry& other);
  Entry(Entry&& other) noexcept;
  Entry& operator=(const Entry& other);
  Entry& operator=(Entry&& other) noexcept;
  ~Entry();
};

}  // namespace dagz::report
