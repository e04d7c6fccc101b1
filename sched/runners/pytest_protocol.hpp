#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "mesh/time.hpp"
#include "report/outcome.hpp"
#include "report/property.hpp"
#include "report/rerun_command.hpp"
#include "sched/runner.hpp"

// The lines that dagz and its pytest driver exchange: one JSON object a line, over a Unix stream
// socket, one connection for the zygote and one for each worker. "t" names the kind and comes
// first; absent fields are zero or empty; unknown fields are ignored.
//
// Tests run in the processes that write these lines, so a line may be anything. Decoding never
// throws and never asserts: what does not fit is a BadLine.

namespace dagz::sched {

inline constexpr int kDriverProtocolVersion = 1;
inline constexpr std::size_t kWorkerLineMax = 1 << 20;   // bytes; the driver cuts long outputs
inline constexpr std::size_t kZygoteLineMax = 64 << 20;  // all collection errors are in one line
inline constexpr std::size_t kIdsPerLineMax = 200'000;
inline constexpr std::size_t kCollectionErrorsMax = 10'000;
inline constexpr std::size_t kNotesMax = 256;
inline constexpr std::size_t kArgumentsMax = 256;
inline constexpr std::size_t kArgumentsBytesMax = 256 << 10;  // more is as good as none
inline constexpr uint32_t kCatalogFilesMax = 1'000'000;
inline constexpr uint32_t kSlotsMax = 4096;
inline constexpr uint32_t kWeightMax = 65'536;
inline constexpr Duration kTestDurationMax = Duration::seconds(100'000'000);

// ---- from the zygote --------------------------------------------------------------------------

struct ZygoteHello {
  int32_t pid = 0;
  std::string python;
  std::string pytest;
  std::string rootdir;
  std::vector<std::string> notes;  // for people: what could not be kept, what was worked around
  std::optional<report::RunnerArguments> arguments;  // unless it is not clear which name tests
};

// One file of the catalog, or a part of one: `more` says that parts with the same number follow.
struct FilePart {
  uint32_t file = 0;
  std::string path;
  std::vector<std::string> ids;
  std::vector<LocalGroup> groups;
  std::vector<LocalRequirement> requirements;
  bool more = false;
};

// A part of the files that can be collected, where the workers do it.
struct FoundPart {
  std::vector<FilesFound::File> files;
};

struct Collected {
  uint32_t files = 0;
  uint32_t tests = 0;
  uint32_t skipped = 0;   // files and classes that skipped themselves
  uint32_t max_fail = 0;  // the user's own
  uint32_t threads = 0;   // alive in the zygote when it begins to fork
  Duration took;
  bool shared = false;  // files were found, not collected
  std::string why;
  std::vector<std::string> notes;  // for people
  std::vector<CollectionError> errors;
};

struct WorkerForked {
  Slot slot = 0;
  int32_t pid = 0;
};

struct WorkerExited {
  Slot slot = 0;
  int32_t pid = 0;
  int32_t status = 0;  // as waitpid gave it
  std::string text;    // why it could not even be forked: then pid is 0
};

struct ZygoteFailed {
  std::string text;
};

struct ZygoteFinished {
  int32_t status = 0;  // the session's exit status
};

// ---- from a worker ----------------------------------------------------------------------------

struct WorkerHello {
  Slot slot = 0;
  int32_t pid = 0;
};

struct WantLine {};

struct DoneLine {
  LocalTest test;
  report::Outcome outcome = report::Outcome::kPassed;
  Duration duration;  // these four within [0, kTestDurationMax]
  Duration shared_setup;
  Duration group_setup;
  Duration cpu;
  std::string message;  // up to its first line break
  std::string output;
  report::Properties properties;
};

// A file has been collected; its tests, if they were asked for, came before as `FilePart`s.
struct FiledLine {
  uint32_t file = 0;
  Duration took;
  std::vector<CollectionError> errors;
};

// The zygote begins with this file or directory.
struct CollectingLine {
  std::string path;
};

struct MissingLine {
  LocalTest test;
};

struct ExitRequestLine {
  std::string reason;
  int32_t status = 0;  // with which pytest would exit
};

struct ByeLine {};
struct CancelledLine {};

// Anything else. `why` is for people; nothing of the line was used.
struct BadLine {
  std::string why;
};

using DriverMessage =
    std::variant<BadLine, DoneLine, WantLine, FilePart, Collected, WorkerForked, WorkerExited,
                 WorkerHello, ByeLine, CancelledLine, ExitRequestLine, ZygoteHello, ZygoteFailed,
                 ZygoteFinished, FoundPart, FiledLine, MissingLine, CollectingLine>;

// `line` without its line break.
DriverMessage decode_driver_line(std::string_view line);

// ---- to the driver: each ends with a line break -----------------------------------------------

struct ForkOrder {
  Slot slot = 0;
  uint32_t number = 0;
  std::string log;      // the worker's standard output and error go here
  std::string tickets;  // the path of its pipe of tickets
  std::vector<std::pair<std::string, std::string>> env;
};

std::string encode_fork(const ForkOrder& order);
// A test of this node's catalog and the how-manieth run of it on this node, from 1.
struct RunOrder {
  LocalTest test;
  uint32_t run = 1;
  const RunTests::Name* name = nullptr;  // where files are collected one by one
};

std::string encode_run(std::span<const RunOrder> orders);
std::string encode_drain();
std::string encode_cancel();
std::string encode_finish(const FinishRunner& finish);
std::string encode_job(std::string_view name);

}  // namespace dagz::sched
