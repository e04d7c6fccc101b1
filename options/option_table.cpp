#include "options/option_table.hpp"

namespace dagz {
namespace {

constexpr unsigned kNetworked =
    kRunCommand | kReportCommand | kMeshCommand | kDoctorCommand | kLogsCommand;
// These look for the mesh, too, but what --listen binds is the dashboard.
constexpr unsigned kMeets = kNetworked | kServeCommand;
constexpr unsigned kAny = kNetworked | kJobsCommand;

constexpr uint32_t kMaxWorkersOfNode = 1024;
constexpr uint32_t kMaxNodes = 65536;
constexpr uint32_t kMaxRetries = 100;
constexpr uint32_t kMaxFailCount = 1'000'000'000;

// The order of the words is the order of the enumerators.
constexpr const char* kTrustWords = "auto|secret|open";
constexpr const char* kFlakyWords = "pass|fail";
constexpr const char* kCollectWords = "auto|shared|whole";
constexpr const char* kStartMethodWords = "auto|fork|spawn";
constexpr const char* kAffinityWords = "module|class|file|group|none";
constexpr const char* kIsolationWords = "run-all|slice";
constexpr const char* kExitWords = "job|own";
constexpr const char* kColorWords = "auto|always|never";
constexpr const char* kPlanFormatWords = "text|json";
constexpr const char* kReportFormatWords = "text|json|junit|markdown";

constexpr const char* kDurationText = "a duration (10, 0.5, 10s, 500ms, 2m, 1h)";
constexpr const char* kBoolText = "true or false";

template <class T>
bool store(const std::optional<T>& value, auto& target) {
  if (!value) return false;
  target = *value;
  return true;
}

template <class Enum>
bool pick(std::string_view text, const char* words, Enum& target) {
  const auto place = parse_choice(text, words);
  if (!place) return false;
  target = static_cast<Enum>(*place);
  return true;
}

bool store_text(std::string_view text, std::string& target) {
  target = std::string(text);
  return !text.empty();
}

// It is in the job's identity and in its full id, which have to fit into what nodes say.
bool store_label(std::string_view text, std::string& target) {
  return text.size() <= kLabelMax && store_text(text, target);
}

bool apply_workers(std::string_view text, Settings& s) {
  if (text == "auto") {
    s.run.workers.reset();
    return true;
  }
  return store(parse_number(text, 1, kMaxWorkersOfNode), s.run.workers);
}

bool apply_no_speculation(std::string_view text, Settings& s) {
  const auto value = parse_bool(text);
  if (!value) return false;
  s.run.speculation = !*value;
  return true;
}

bool apply_no_beacon(std::string_view text, Settings& s) {
  const auto value = parse_bool(text);
  if (!value) return false;
  s.run.network.beacon = !*value;
  return true;
}

bool apply_max_fail(std::string_view text, Settings& s) {
  const std::size_t colon = text.find(':');
  const auto count = parse_number(text.substr(0, colon), 0, kMaxFailCount);
  const std::string_view how = colon == std::string_view::npos ? "wait" : text.substr(colon + 1);
  const auto place = parse_choice(how, "wait|now");
  if (!count || !place) return false;
  s.run.max_fail = {*count, *place == 1};
  return true;
}

// Without a port it is the usual one; with port 0 any that is free.
bool apply_dashboard_listen(std::string_view text, Settings& s) {
  const bool any = text.ends_with(":0") && !parse_listen(text);
  s.serve.listen_given = true;
  if (any) text.remove_suffix(2);
  const auto endpoint = parse_listen(text);
  if (!endpoint) return false;
  s.serve.listen = *endpoint;
  if (endpoint->port == 0 && !any) s.serve.listen.port = kDashboardPort;
  return true;
}

bool apply_dashboard_name(std::string_view text, Settings& s) {
  const auto url = parse_web_address(text);
  if (!url || url->find('/', url->find("//") + 2) != std::string::npos) return false;
  s.serve.url = *url;
  return true;
}

bool apply_exit_first(std::string_view text, Settings& s) {
  const auto value = parse_bool(text);
  if (value.value_or(false)) s.run.max_fail = {1, false};
  return value.has_value();
}

bool apply_timeout(std::string_view text, std::optional<Duration>& target) {
  const auto value = parse_duration(text);
  if (!value || value->ns == 0) return false;
  target = *value;
  return true;
}

using Text = std::string_view;

// clang-format off
const OptionSpec kOptions[] = {
    // ---- Workers
    {"workers", "N|auto", "a number from 1 to 1024, or 'auto'", "Workers",
     "worker processes on this node; auto (default): as CPU affinity, CPU quota and memory allow",
     kRunCommand, apply_workers, 'n'},
    {"max-worker-memory", "SIZE", "a size (512M, 2G)", "Workers",
     "end a worker between tests when it is larger than this (resident set), and fork it anew",
     kRunCommand, [](Text t, Settings& s) { return store(parse_size(t), s.run.max_worker_memory); }},
    {"start-method", kStartMethodWords, kStartMethodWords, "Workers",
     "fork: from one pytest that has configured and collected; spawn: each is the command once more; "
     "auto (default): fork, unless threads, connections or databases are open by then",
     kRunCommand, [](Text t, Settings& s) { return pick(t, kStartMethodWords, s.run.start_method); },
     '\0', kStartMethodWords},
    {"grace", "S", kDurationText, "Workers",
     "time between the polite and the hard kill (default 10s)",
     kRunCommand, [](Text t, Settings& s) { return store(parse_duration(t), s.run.grace); }},
    // ---- Job
    {"job", "KEY", "a job key of at most 256 bytes", "Job",
     "the job key; default: from the CI's variables, else the repository and user on this host; "
     "inside a test of another job, also that test's DAGZ_SPAN",
     kMeets, [](Text t, Settings& s) { return store_label(t, s.run.network.job); }},
    {"group", "LABEL", "a label of at most 256 bytes", "Job",
     "splits one CI step into several jobs (matrix axes)",
     kMeets, [](Text t, Settings& s) { return store_label(t, s.run.network.group); }},
    {"nodes", "N", "a number from 1 to 65536", "Job",
     "how many nodes to expect; a hint, nobody waits for it",
     kRunCommand, [](Text t, Settings& s) { return store(parse_number(t, 1, kMaxNodes), s.run.nodes); }},
    // ---- Mesh
    {"peers", "HOST:PORT[,...]", "a list of HOST:PORT", "Mesh",
     "addresses of nodes to begin with",
     kMeets, [](Text t, Settings& s) { return store(parse_endpoints(t), s.run.network.peers); }},
    {"listen", "ADDR[:PORT]", "an address, with or without a port", "Mesh",
     "what to bind; default: loopback, or the way to the peers when there are other hosts",
     kNetworked, [](Text t, Settings& s) { return store(parse_listen(t), s.run.network.listen); }},
    {"rendezvous", "DIR", "a directory", "Mesh",
     "a directory that all nodes share (NFS, a CI volume)",
     kMeets, [](Text t, Settings& s) { return store_text(t, s.run.network.rendezvous); },
     '\0', "", Completes::kDirectory},
    {"no-beacon", "", kBoolText, "Mesh",
     "no UDP beacon",
     kMeets, apply_no_beacon},
    {"beacon-interface", "NAME", "the name of a network interface", "Mesh",
     "the UDP beacon on this interface only",
     kMeets, [](Text t, Settings& s) { return store_text(t, s.run.network.beacon_interface); }},
    // ---- Trust
    {"secret-file", "FILE", "a file", "Trust",
     "holds the secret that admits nodes; DAGZ_SECRET gives the secret itself",
     kMeets, [](Text t, Settings& s) { return store_text(t, s.run.network.secret_file); },
     '\0', "", Completes::kFile},
    {"trust", kTrustWords, kTrustWords, "Trust",
     "auto (default): the best root there is; secret: refuse to do without a secret; open: a key from "
     "the run's public identity",
     kMeets, [](Text t, Settings& s) { return pick(t, kTrustWords, s.run.network.trust); },
     '\0', kTrustWords},
    // ---- Tests
    {"retries", "N", "a number from 0 to 100", "Tests",
     "tries of a failed test after the first (default 2)",
     kRunCommand, [](Text t, Settings& s) { return store(parse_number(t, 0, kMaxRetries), s.run.retries); }},
    {"flaky", kFlakyWords, kFlakyWords, "Tests",
     "what a test counts as that failed and then passed (default pass)",
     kRunCommand, [](Text t, Settings& s) { return pick(t, kFlakyWords, s.run.flaky); },
     '\0', kFlakyWords},
    {"max-fail", "N[:wait|now]", "a count (3, 3:wait, 3:now)", "Tests",
     "stop the whole job after N failures; wait (default): running tests may end; now: they are "
     "killed, on all nodes",
     kRunCommand, apply_max_fail},
    {"exitfirst", "", kBoolText, "Tests",
     "stop the whole job after the first failure, as --max-fail 1",
     kRunCommand, apply_exit_first, 'x'},
    {"test-timeout", "S", "a duration above nought (10, 10s, 2m)", "Tests",
     "kill a test that takes longer; collecting a file may take ten times as long",
     kRunCommand, [](Text t, Settings& s) { return apply_timeout(t, s.run.test_timeout); }},
    {"deadline", "S", "a duration above nought (600, 20m, 1h)", "Tests",
     "end the whole job by then",
     kRunCommand, [](Text t, Settings& s) { return apply_timeout(t, s.run.deadline); }},
    // ---- Collection and plan
    {"collect", kCollectWords, kCollectWords, "Collection and plan",
     "shared: each file where it runs; whole: everything before the workers fork; auto (default): "
     "shared from 50 files on, unless a plug-in needs the whole list",
     kRunCommand, [](Text t, Settings& s) { return pick(t, kCollectWords, s.run.collect); },
     '\0', kCollectWords},
    {"affinity", kAffinityWords, kAffinityWords, "Collection and plan",
     "which tests want one worker (default module); xdist_group marks are honoured",
     kRunCommand, [](Text t, Settings& s) { return pick(t, kAffinityWords, s.run.affinity); },
     '\0', kAffinityWords},
    {"plan", "", kBoolText, "Collection and plan",
     "print which worker would get which tests, and stop; without --nodes for as many nodes as the CI "
     "says; collects everything, runs nothing",
     kRunCommand, [](Text t, Settings& s) { return store(parse_bool(t), s.run.plan); }},
    {"format", kPlanFormatWords, kPlanFormatWords, "Collection and plan",
     "of the plan (default text)",
     kRunCommand, [](Text t, Settings& s) { return pick(t, kPlanFormatWords, s.run.format); },
     '\0', kPlanFormatWords},
    {"no-speculation", "", kBoolText, "Collection and plan",
     "no second copies of tests that take much too long, for workers that have nothing else to do",
     kRunCommand, apply_no_speculation},
    {"strict-collection", "", kBoolText, "Collection and plan",
     "different collections on the nodes fail the job, which waits until all have collected, whole",
     kRunCommand, [](Text t, Settings& s) { return store(parse_bool(t), s.run.strict_collection); }},
    {"on-isolation", kIsolationWords, kIsolationWords, "Collection and plan",
     "when expected nodes are never met: run everything (default), or only this node's slice (a "
     "setting is passed over where no CI counts nodes)",
     kRunCommand, [](Text t, Settings& s) { return pick(t, kIsolationWords, s.run.on_isolation); },
     '\0', kIsolationWords},
    // ---- Output
    {"exit", kExitWords, kExitWords, "Output",
     "which verdict this node's exit code gives (default job)",
     kRunCommand, [](Text t, Settings& s) { return pick(t, kExitWords, s.run.exit); },
     '\0', kExitWords},
    {"junit", "FILE", "a file", "Output", "write JUnit XML; its folder is made",
     kRunCommand, [](Text t, Settings& s) { return store_text(t, s.run.junit); },
     '\0', "", Completes::kFile},
    {"events", "FILE", "a file", "Output", "write events, one JSON object a line",
     kRunCommand, [](Text t, Settings& s) { return store_text(t, s.run.events); },
     '\0', "", Completes::kFile},
    {"trace", "FILE", "a file", "Output", "write a Perfetto trace",
     kRunCommand, [](Text t, Settings& s) { return store_text(t, s.run.trace); },
     '\0', "", Completes::kFile},
    {"dashboard-url", "URL", "a URL (http://… or https://…)", "Output",
     "where `dagz serve` shows this job to browsers; the report links to its page there",
     kRunCommand, [](Text t, Settings& s) { return store(parse_web_address(t), s.run.dashboard_url); }},
    {"status-interval", "S", kDurationText, "Output",
     "time between the status lines of the workers (default 30s)",
     kRunCommand, [](Text t, Settings& s) { return store(parse_duration(t), s.run.status_interval); }},
    {"format", kReportFormatWords, kReportFormatWords, "Output",
     "of the report (default text)",
     kReportCommand, [](Text t, Settings& s) { return pick(t, kReportFormatWords, s.report_format); },
     '\0', kReportFormatWords},
    {"format", kPlanFormatWords, kPlanFormatWords, "Output",
     "of the logs, or of the flaky tests (default text)",
     kLogsCommand | kHistoryCommand, [](Text t, Settings& s) { return pick(t, kPlanFormatWords, s.logs_format); },
     '\0', kPlanFormatWords},
    {"jobs", "N", "a number from 1 to 100000", "Limits of prune",
     "keep so many jobs (default 100)",
     kHistoryCommand, [](Text t, Settings& s) { return store(parse_number(t, 1, 100'000), s.history.jobs); },
     '\0', "", Completes::kNothing, true},
    {"age", "DAYS", "a number of days from 1 to 36500", "Limits of prune",
     "keep what is not older than this before the newest job (default 30)",
     kHistoryCommand, [](Text t, Settings& s) { return store(parse_number(t, 1, 36'500), s.history.age_days); },
     '\0', "", Completes::kNothing, true},
    {"size", "MB", "a number of megabytes from 1 to 1000000", "Limits of prune",
     "keep the file below this (default 1024)",
     kHistoryCommand, [](Text t, Settings& s) { return store(parse_number(t, 1, 1'000'000), s.history.size_mb); },
     '\0', "", Completes::kNothing, true},
    {"listen", "ADDR[:PORT]", "an address, with or without a port", "Dashboard",
     "what to bind (default 127.0.0.1:8640; port 0: any that is free). Whoever can reach it reads all "
     "test output",
     kServeCommand, apply_dashboard_listen,
     '\0', "", Completes::kNothing, true},
    {"url", "URL", "a URL without a path (https://dagz.example)", "Dashboard",
     "how browsers reach the dashboard, when they do so under another name",
     kServeCommand, apply_dashboard_name,
     '\0', "", Completes::kNothing, true},
    {"join", "", kBoolText, "Dashboard",
     "also join every run that is seen from here, as a member that runs no tests, and keep its job",
     kServeCommand, [](Text t, Settings& s) { return store(parse_bool(t), s.serve.join); },
     '\0', "", Completes::kNothing, true},
    {"bundle", "DIR", "a directory", "Output",
     "write the context for a coding agent into this directory, which must be new or empty",
     kLogsCommand, [](Text t, Settings& s) { return store_text(t, s.bundle); },
     '\0', "", Completes::kDirectory, true},
    {"color", kColorWords, kColorWords, "Output",
     "colours (default auto); NO_COLOR, FORCE_COLOR and CLICOLOR_FORCE are honoured",
     kAny, [](Text t, Settings& s) { return pick(t, kColorWords, s.run.place.color); },
     '\0', kColorWords},
    {"state-dir", "DIR", "a directory", "Output",
     "where the history is kept (default .dagz at the project's root)",
     kAny | kHistoryCommand | kServeCommand, [](Text t, Settings& s) { return store_text(t, s.run.place.state_dir); },
     '\0', "", Completes::kDirectory},
};

const CommandSpec kCommands[] = {
    {"run", kRunCommand, "run this node of the job; COMMAND follows '--' and defaults to pytest"},
    {"report", kReportCommand, "print a job's report: of a live job from the mesh, else from the history",
     "JOB", "a short id, a full id or 'last' (default)"},
    {"jobs", kJobsCommand, "list recent jobs"},
    {"logs", kLogsCommand, "print one test's logs, history and context",
     "SPAN", "a test id, a part that only one has, or a span id (DAGZ_SPAN)"},
    {"history", kHistoryCommand, "move the history between machines, trim it, list flaky tests",
     "ACTION", "export FILE (- is stdout), import FILE..., prune, or flaky", "export|import|prune|flaky", "FILE"},
    {"serve", kServeCommand, "show jobs, tests and their output to browsers, the live job included"},
    {"mesh", kMeshCommand, "list the members of the live mesh as seen from here"},
    {"doctor", kDoctorCommand, "say what discovery, CI, Python and the machine look like from here"},
    {"completion", kCompletionCommand, "print a completion script", "SHELL", "bash, zsh or fish",
     "bash|zsh|fish"},
    {"help", kHelpCommand, "explain a command", "COMMAND", "a command", ""},
};
// clang-format on

}  // namespace

std::span<const CommandSpec> command_table() { return kCommands; }
std::span<const OptionSpec> option_table() { return kOptions; }

std::string variable_name(const OptionSpec& option) {
  std::string name = "DAGZ_";
  for (const char c : std::string_view(option.name)) {
    name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return name;
}

}  // namespace dagz
