#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mesh/time.hpp"
#include "options/option_values.hpp"

// What the user asked for. The command line is parsed once, here, together with the environment
// and dagz.toml, into typed values; nothing else of the program looks at any of the three for an
// option. Pure: arguments, variables and the file's text are passed in.

namespace dagz {

enum class Trust : uint8_t { kAuto, kSecret, kOpen };
enum class FlakyPolicy : uint8_t { kPass, kFail };
enum class CollectMode : uint8_t { kAuto, kShared, kWhole };
enum class StartMethod : uint8_t { kAuto, kFork, kSpawn };
enum class Affinity : uint8_t { kModule, kClass, kFile, kGroup, kNone };
enum class IsolationPolicy : uint8_t { kRunAll, kSlice };
enum class ExitPolicy : uint8_t { kJob, kOwn };
enum class ColorMode : uint8_t { kAuto, kAlways, kNever };
enum class Format : uint8_t { kText, kJson, kJunit, kMarkdown };

// Where things are, and how to write.
struct PlaceOptions {
  std::string project_root;
  std::string state_dir;               // absent until somebody makes it
  ColorMode color = ColorMode::kAuto;  // NO_COLOR and its like decide for kAuto
};

// Which mesh, and how to find it.
struct NetworkOptions {
  std::string job;    // replaces what the CI says; empty = not given
  std::string group;  // empty = not given
  std::vector<Endpoint> peers;
  std::optional<Endpoint> listen;  // port 0: chosen by the system
  std::string rendezvous;          // a directory; empty = none
  bool beacon = true;
  std::string beacon_interface;  // empty = all
  std::string secret_file;       // empty = none; DAGZ_SECRET is the agent's affair
  Trust trust = Trust::kAuto;
};

struct MaxFail {
  uint32_t count = 0;  // 0 = never
  bool now = false;    // kill what is running
};

struct RunOptions {
  PlaceOptions place;
  NetworkOptions network;
  std::vector<std::string> command = {"pytest"};

  std::optional<uint32_t> workers;  // nullopt = auto
  std::optional<uint32_t> nodes;    // a hint
  uint32_t retries = 2;
  FlakyPolicy flaky = FlakyPolicy::kPass;
  MaxFail max_fail;
  std::optional<Duration> test_timeout;
  std::optional<Duration> deadline;
  Duration grace = Duration::seconds(10);
  std::optional<uint64_t> max_worker_memory;  // bytes
  StartMethod start_method = StartMethod::kAuto;
  CollectMode collect = CollectMode::kAuto;
  Affinity affinity = Affinity::kModule;
  bool plan = false;
  Format format = Format::kText;  // of the plan: text or json
  bool speculation = true;
  bool strict_collection = false;
  IsolationPolicy on_isolation = IsolationPolicy::kRunAll;
  bool on_isolation_given = false;  // on the command line
  ExitPolicy exit = ExitPolicy::kJob;
  std::string junit;  // files; empty = none
  std::string events;
  std::string trace;
  std::string dashboard_url;  // whose /jobs/… is the job's page; empty = nobody serves one
  Duration status_interval = Duration::seconds(30);
};

struct ReportOptions {
  PlaceOptions place;
  NetworkOptions network;
  Format format = Format::kText;
  std::string job = "last";  // short id, full id or "last"
};

struct JobsOptions {
  PlaceOptions place;
};

struct LogsOptions {
  PlaceOptions place;
  NetworkOptions network;
  std::string span;               // a test id, a part of one, or a span id
  std::string bundle;             // a directory; empty = print
  Format format = Format::kText;  // text or json
};

enum class HistoryAction : uint8_t { kExport, kImport, kPrune, kFlaky };

inline constexpr uint16_t kDashboardPort = 8640;

struct ServeOptions {
  PlaceOptions place;
  NetworkOptions network;
  Endpoint listen{"127.0.0.1", kDashboardPort};  // port 0: chosen by the system
  bool listen_given = false;
  std::string url;    // how browsers reach it, when not there; empty = there
  bool join = false;  // be an archivist as well
};

struct HistoryOptions {
  PlaceOptions place;
  HistoryAction action = HistoryAction::kExport;
  std::vector<std::string> files;  // one for export, "-" is stdout; one or more for import
  uint32_t jobs = 100;             // limits of prune
  uint32_t age_days = 30;
  uint32_t size_mb = 1024;
  Format format = Format::kText;  // of flaky: text or json
};

struct MeshOptions {
  PlaceOptions place;
  NetworkOptions network;
};

struct DoctorOptions {
  PlaceOptions place;
  NetworkOptions network;
};

// For stdout; exit 0.
struct PrintText {
  std::string text;
};

// One sentence for stderr; exit 4.
struct UsageError {
  std::string sentence;
};

using Invocation = std::variant<RunOptions, ReportOptions, JobsOptions, LogsOptions, HistoryOptions,
                                MeshOptions, DoctorOptions, ServeOptions, PrintText, UsageError>;

struct ConfigFile {
  std::string path;  // as it should be named in messages
  std::string text;
  bool readable = true;
};

struct CommandLine {
  std::vector<std::string> arguments;  // without the program's name
  std::function<std::optional<std::string>(const std::string&)> environment;
  std::string project_root = ".";
  std::optional<ConfigFile> config;
};

// Precedence: command line, environment (DAGZ_<OPTION>; an empty value counts as unset), file.
// Every value is checked, those that are overruled too. DAGZ_JOB and DAGZ_WORKERS are what tests
// see as well; inside a test of another job (DAGZ_SPAN is set) they are no options, and the job is
// another one (nest_in_test).
Invocation parse_command_line(const CommandLine& line);

// The nearest folder at or above `start` that holds dagz.toml, else .git, else a pytest
// configuration; else `start`. `exists` tells whether a path does.
std::string find_project_root(const std::string& start,
                              const std::function<bool(const std::string& path)>& exists);

}  // namespace dagz
