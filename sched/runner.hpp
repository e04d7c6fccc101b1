#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mesh/time.hpp"
#include "report/outcome.hpp"
#include "report/property.hpp"

// What the scheduling cores and a test runner say to one another. The real runner is a zygote
// process that forks workers (sched/io/runner_host); the simulator has its own. Tests are named by
// their place in this node's own catalog: the number of the file and the index within it.

namespace dagz::sched {

// A worker process of this node: 0, 1, 2 …
using Slot = uint32_t;

struct LocalTest {
  uint32_t file = 0;
  uint32_t index = 0;

  auto operator<=>(const LocalTest&) const = default;
};

// In place of a test's index: collect the file and tell its tests; collect it here too, its tests
// are known.
inline constexpr uint32_t kCollectFile = UINT32_MAX;
inline constexpr uint32_t kCollectAgain = UINT32_MAX - 1;

// Tests of one file that ask for one worker (xdist_group).
struct LocalGroup {
  std::string name;
  std::vector<uint32_t> indexes;
};

// What marks say of tests of one file: that they ask for more than a worker (the mark `dagz`), or
// take long.
struct LocalRequirement {
  bool exclusive = false;
  uint32_t weight = 1;
  std::string mutex;
  uint32_t times_usual = 1;  // so many times as long as is usual, at a guess
  std::vector<uint32_t> indexes;
};

// ---- events: the runner reports --------------------------------------------------------------

struct FileCollected {
  uint32_t file = 0;  // ascending from 0
  std::string path;
  std::vector<std::string> ids;
  std::vector<LocalGroup> groups;
  std::vector<LocalRequirement> requirements;
};

// Where files are collected one by one: those that there are, numbered from 0 in this order.
struct FilesFound {
  struct File {
    std::string path;
    uint64_t bytes = 0;
  };
  std::vector<File> files;
};

struct CollectionError {
  std::string path;
  std::string text;
};

// The whole catalog has been told.
struct CollectionDone {
  uint32_t max_fail = 0;  // the runner's own --maxfail, 0 = none
  std::vector<CollectionError> errors;
  bool shared = false;             // files were found, not collected
  std::string why;                 // this way and not the other, for people
  std::vector<std::string> notes;  // for people, too
};

// The runner is collecting for as long as this and has not ended; told again at twice the time.
struct CollectionSlow {
  Duration since_start;
  bool connected = false;  // pytest has started
  std::string path;        // of the file or directory that it is at; may be empty
};

// A worker has collected a file, as it was told by `kCollectFile` or `kCollectAgain`.
struct WorkerCollected {
  Slot slot = 0;
  FileCollected file;  // nothing but its number after `kCollectAgain`
  std::vector<CollectionError> errors;
  Duration took;
};

// The worker's collection of the file has no such test.
struct TestMissing {
  Slot slot = 0;
  LocalTest test;
};

struct WorkerReady {
  Slot slot = 0;
};

// Its queue is empty; it waits for an answer before it tears the last test down.
struct WorkerWants {
  Slot slot = 0;
};

struct TestDone {
  Slot slot = 0;
  LocalTest test;
  report::Outcome outcome = report::Outcome::kPassed;
  Duration duration;      // set-up, call and tear-down
  Duration shared_setup;  // of this, fixtures that other tests share
  Duration group_setup;   // of that, all but what belongs to the session
  Duration cpu;
  std::string message;  // one line
  std::string output;   // failures only; head and tail kept
  report::Properties properties;
};

// A process has lost its parent and lives on. Told before the result of its test, if that has not
// ended yet.
struct LeftOver {
  std::string test;  // its id; empty if unknown
  std::string text;  // "sleep 1000, pid 12"
};

// How large the worker's process is (resident set): told before a result and before the worker's
// wish for another test; only if the runner was asked to measure.
struct WorkerMemory {
  Slot slot = 0;
  uint64_t bytes = 0;
};

// Tests that the worker had not begun and will not run: the answer to TakeBack, in their order.
struct TakenBack {
  Slot slot = 0;
  std::vector<LocalTest> tests;
};

// The worker's process is gone. Unless `clean`, the test at the head of its queue took it down.
struct WorkerGone {
  Slot slot = 0;
  bool clean = false;
  std::string reason;  // "SIGSEGV", "exit status 3"
  std::string output;  // what it left in its log, bounded
  std::string where;   // its test was as it ended, as far as it could say so; for people
};

// A test or a plug-in asked for the end of the run (pytest.exit). A test that has no result for
// that is told as stopped.
struct ExitRequested {
  std::string reason;
  bool fails = false;  // because the session has failed (session.shouldfail)
};

// The runner died after it had collected, and all workers with it: none of them gets a WorkerGone.
// Answered by RestartRunner, whenever workers are wanted again, or by AbandonRunner.
struct RunnerLost {
  std::string reason;  // "SIGKILL"
};

// No more tests can run on this node: the command could not be started, or ended before its time.
struct RunnerFailed {
  int exit_code = 3;  // what this node should exit with if nobody else can finish the job
  std::string text;   // why, with what the command printed
};

// The runner has wound up after `Finish`.
struct RunnerFinished {
  int status = 0;  // of pytest's session
  std::string
      output;  // what plug-ins printed in their summaries, and whatever the command did then
  // Of the whole command, if it was left to end by itself: it may do more than start pytest.
  std::optional<int> command_status;
};

// pytest has ended its session, and the command has gone on for a while since.
struct CommandGoesOn {
  bool ends = false;  // it is told to end: pytest's own process hangs
};

using RunnerEvent = std::variant<FileCollected, FilesFound, CollectionDone, CollectionSlow,
                                 WorkerCollected, WorkerReady, WorkerWants, TestDone, TestMissing,
                                 TakenBack, WorkerMemory, LeftOver, WorkerGone, ExitRequested,
                                 RunnerLost, RunnerFailed, CommandGoesOn, RunnerFinished>;

// ---- commands: the cores decide ---------------------------------------------------------------

// Starts what was lost once more. It has to collect the same tests.
struct RestartRunner {
  std::vector<LocalTest> charged;  // the losses so far count as runs of these
};

// What was lost stays so: RunnerFailed says why.
struct AbandonRunner {};

struct StartWorker {
  Slot slot = 0;
  uint32_t number = 0;   // across the mesh
  uint32_t workers = 0;  // in the mesh, as known now
};

// Appends to the worker's queue; empty answers WorkerWants with "nothing now".
struct RunTests {
  Slot slot = 0;
  std::vector<LocalTest> tests;
  // Where files are collected one by one: the found file and the id of each test. The worker looks
  // its tests up by id; `tests` are only what they are called here.
  struct Name {
    uint32_t file = 0;
    std::string id;
  };
  std::vector<Name> names;
};

// Empties the worker's queue of all that it has not begun. Answered by TakenBack.
struct TakeBack {
  Slot slot = 0;
};

// Finish the queue, tear everything down, leave.
struct DrainWorker {
  Slot slot = 0;
};

// What it runs is of no use any more: it tears everything down and leaves, or is killed with its
// group soon. What it says before its WorkerGone means nothing.
struct CancelTest {
  Slot slot = 0;
};

// The worker and its whole process group, unheard from now on. With `stacks` it may first write
// into its log where its threads are.
struct KillWorker {
  Slot slot = 0;
  bool stacks = false;
};

// All workers are gone: let the runner end its session.
struct FinishRunner {
  std::vector<std::string> failed;      // ids and files that failed in the whole job
  std::vector<std::string> unfinished;  // ids that have no verdict
  bool hard = false;                    // do not wait for it: kill
  uint64_t tests = 0;                   // in the whole job
  bool ran = true;                      // false: only the catalog was wanted
  std::string job = {};                 // its full id
  int64_t began_s = 0;                  // seconds of Unix time
  uint64_t elsewhere = 0;               // tests of the job that this node did not run
};

using RunnerCommand = std::variant<StartWorker, RunTests, TakeBack, DrainWorker, KillWorker,
                                   FinishRunner, RestartRunner, AbandonRunner, CancelTest>;

}  // namespace dagz::sched
