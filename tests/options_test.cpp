#include "options/options.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "options/completion.hpp"
#include "options/option_table.hpp"

// The command line, the environment and dagz.toml as one: values, precedence, and the sentence that
// each mistake gets.

namespace dagz {
namespace {

using Arguments = std::vector<std::string>;
using Variables = std::map<std::string, std::string>;

CommandLine line_of(Arguments arguments, Variables variables = {}, const std::string& toml = "") {
  CommandLine line;
  line.arguments = std::move(arguments);
  line.project_root = "/project";
  line.environment = [variables = std::move(variables)](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
  if (!toml.empty()) line.config = {"dagz.toml", toml};
  return line;
}

template <class T>
T parsed(Arguments arguments, Variables variables = {}, const std::string& toml = "") {
  const Invocation invocation =
      parse_command_line(line_of(std::move(arguments), std::move(variables), toml));
  if (const auto* error = std::get_if<UsageError>(&invocation)) INFO(error->sentence);
  REQUIRE(std::holds_alternative<T>(invocation));
  return std::get<T>(invocation);
}

RunOptions run(Arguments arguments = {}, Variables variables = {}, const std::string& toml = "") {
  arguments.insert(arguments.begin(), "run");
  return parsed<RunOptions>(std::move(arguments), std::move(variables), toml);
}

std::string complaint(Arguments arguments, Variables variables = {}, const std::string& toml = "") {
  return parsed<UsageError>(std::move(arguments), std::move(variables), toml).sentence;
}

std::string text_of(Arguments arguments) { return parsed<PrintText>(std::move(arguments)).text; }

}  // namespace

TEST_CASE("options: what dagz run does when nobody says anything", "[options]") {
  const RunOptions o = run();
  CHECK(o.command == Arguments{"pytest"});
  CHECK_FALSE(o.workers.has_value());
  CHECK_FALSE(o.nodes.has_value());
  CHECK(o.retries == 2);
  CHECK(o.flaky == FlakyPolicy::kPass);
  CHECK(o.max_fail.count == 0);
  CHECK_FALSE(o.test_timeout.has_value());
  CHECK_FALSE(o.deadline.has_value());
  CHECK(o.grace == Duration::seconds(10));
  CHECK_FALSE(o.max_worker_memory.has_value());
  CHECK(o.start_method == StartMethod::kAuto);
  CHECK(o.collect == CollectMode::kAuto);
  CHECK(o.affinity == Affinity::kModule);
  CHECK(o.on_isolation == IsolationPolicy::kRunAll);
  CHECK(o.exit == ExitPolicy::kJob);
  CHECK(o.status_interval == Duration::seconds(30));
  CHECK(o.network.trust == Trust::kAuto);
  CHECK(o.network.beacon);
  CHECK(o.place.state_dir == "/project/.dagz");
  CHECK(o.place.project_root == "/project");
  CHECK(o.place.color == ColorMode::kAuto);
  CHECK_FALSE((o.plan || o.strict_collection));
}

TEST_CASE("options: a format without a plan is a mistake, and not ignored", "[options]") {
  CHECK(complaint({"run", "--format", "json"}) ==
        "--format is for --plan only; of a job: dagz report --format json");
  CHECK(run({"--plan", "--format", "json"}).format == Format::kJson);
  CHECK(run({"--format", "json"}, {{"DAGZ_PLAN", "1"}}).plan);
  // For all commands that know it.
  CHECK_FALSE(run({}, {{"DAGZ_FORMAT", "json"}}).plan);
}

TEST_CASE("options: every option of dagz run on the command line", "[options]") {
  const RunOptions o = run({"-n",
                            "4",
                            "--job=key",
                            "--group",
                            "py311",
                            "--nodes",
                            "3",
                            "--peers",
                            "a:1,[::1]:2",
                            "--peers",
                            "10.0.0.1:3",
                            "--listen",
                            "0.0.0.0:70",
                            "--rendezvous",
                            "/nfs",
                            "--no-beacon",
                            "--beacon-interface",
                            "eth0",
                            "--secret-file",
                            "s",
                            "--trust",
                            "secret",
                            "--retries",
                            "0",
                            "--flaky",
                            "fail",
                            "--max-fail",
                            "3:now",
                            "--test-timeout",
                            "1.5",
                            "--deadline",
                            "20m",
                            "--grace",
                            "500ms",
                            "--max-worker-memory",
                            "512M",
                            "--start-method",
                            "spawn",
                            "--collect",
                            "whole",
                            "--affinity",
                            "none",
                            "--plan",
                            "--format",
                            "json",
                            "--strict-collection",
                            "--on-isolation",
                            "slice",
                            "--exit",
                            "own",
                            "--junit",
                            "j.xml",
                            "--events",
                            "e",
                            "--trace",
                            "t",
                            "--status-interval",
                            "5",
                            "--state-dir",
                            "st",
                            "--color",
                            "never"});
  CHECK(o.workers == 4U);
  CHECK(o.network.job == "key");
  CHECK(o.network.group == "py311");
  CHECK(o.nodes == 3U);
  CHECK(o.network.peers == std::vector<Endpoint>{{"a", 1}, {"::1", 2}, {"10.0.0.1", 3}});
  CHECK(o.network.listen == Endpoint{"0.0.0.0", 70});
  CHECK(o.network.rendezvous == "/nfs");
  CHECK_FALSE(o.network.beacon);
  CHECK(o.network.beacon_interface == "eth0");
  CHECK(o.network.secret_file == "s");
  CHECK(o.network.trust == Trust::kSecret);
  CHECK(o.retries == 0);
  CHECK(o.flaky == FlakyPolicy::kFail);
  CHECK((o.max_fail.count == 3 && o.max_fail.now));
  CHECK(o.test_timeout == Duration::milliseconds(1500));
  CHECK(o.deadline == Duration::seconds(1200));
  CHECK(o.grace == Duration::milliseconds(500));
  CHECK(o.max_worker_memory == 512ULL * 1024 * 1024);
  CHECK(o.start_method == StartMethod::kSpawn);
  CHECK(o.collect == CollectMode::kWhole);
  CHECK(o.affinity == Affinity::kNone);
  CHECK((o.plan && o.format == Format::kJson && o.strict_collection));
  CHECK(o.on_isolation == IsolationPolicy::kSlice);
  CHECK(o.on_isolation_given);
  CHECK(o.exit == ExitPolicy::kOwn);
  CHECK((o.junit == "j.xml" && o.events == "e" && o.trace == "t"));
  CHECK(o.status_interval == Duration::seconds(5));
  CHECK(o.place.state_dir == "st");
  CHECK(o.place.color == ColorMode::kNever);
}

TEST_CASE("options: the command is everything after the first two dashes", "[options]") {
  CHECK(run({"--", "tox", "-e", "py", "--", "-x", "--retries"}).command ==
        Arguments{"tox", "-e", "py", "--", "-x", "--retries"});
  CHECK(run({"--"}).command == Arguments{"pytest"});
  CHECK(run({"--", "pytest", "-n", "4"}).workers == std::nullopt);
  CHECK(complaint({"run", "pytest", "-k", "x"}) ==
        "unexpected argument 'pytest'; write the command after '--', as in: dagz run -- pytest");
  CHECK(complaint({"jobs", "--", "x"}) == "dagz jobs takes no command after '--'");
}

TEST_CASE("options: the command line wins over the environment, the environment over the file",
          "[options]") {
  const std::string file = "retries = 5\n";
  CHECK(run({}, {}, file).retries == 5);
  CHECK(run({}, {{"DAGZ_RETRIES", "4"}}, file).retries == 4);
  CHECK(run({"--retries", "3"}, {{"DAGZ_RETRIES", "4"}}, file).retries == 3);
  CHECK(run({}, {{"DAGZ_RETRIES", ""}}, file).retries == 5);
  CHECK(run({"--retries", "3", "--retries", "1"}).retries == 1);
  CHECK(run({"-n", "auto"}, {{"DAGZ_WORKERS", "4"}}).workers == std::nullopt);
  CHECK(run({"--no-beacon=false"}, {{"DAGZ_NO_BEACON", "1"}}).network.beacon);
}

TEST_CASE("options: each one has a variable, and each but -x a key", "[options]") {
  for (const OptionSpec& option : option_table()) {
    INFO(option.name);
    if (option.only_command_line) continue;
    const char* command = (option.commands & kRunCommand) != 0 ? "run" : "report";
    const bool is_flag = *option.value == '\0';
    const std::string bad = is_flag ? "maybe" : "\t";
    const auto from_variable =
        parse_command_line(line_of({command}, {{variable_name(option), bad}}));
    const auto from_file = parse_command_line(line_of(
        {command}, {}, std::string(option.name) + " = \"" + (is_flag ? bad : "\\t") + "\"\n"));
    Settings settings;
    if (option.apply(bad, settings)) continue;  // free text
    CHECK(std::get<UsageError>(from_variable).sentence.starts_with(variable_name(option) + ": "));
    CHECK(std::get<UsageError>(from_file).sentence.starts_with(std::string("dagz.toml:1: ") +
                                                               option.name + ": "));
  }
}

TEST_CASE("options: values of the file may be of any plain type", "[options]") {
  const RunOptions o = run({}, {},
                           "# a comment\n"
                           "workers = 3\n"
                           "grace = 0.5\n"
                           "deadline = \"2m\"\n"
                           "plan = true\n"
                           "peers = [\"a:1\", \"b:2\"]\n"
                           "junit = \"out/j.xml\"\n"
                           "rendezvous = \"/nfs\"\n");
  CHECK(o.workers == 3U);
  CHECK(o.grace == Duration::milliseconds(500));
  CHECK(o.deadline == Duration::seconds(120));
  CHECK(o.plan);
  CHECK(o.network.peers == std::vector<Endpoint>{{"a", 1}, {"b", 2}});
  CHECK(o.junit == "/project/out/j.xml");
  CHECK(o.network.rendezvous == "/nfs");
}

TEST_CASE("options: the first failure ends the job where anybody says so", "[options]") {
  const auto max_fail = [](std::vector<std::string> arguments,
                           std::map<std::string, std::string> environment, const char* file) {
    return parsed<RunOptions>(std::move(arguments), std::move(environment), file).max_fail.count;
  };
  CHECK(max_fail({"run"}, {{"DAGZ_EXITFIRST", "1"}}, "") == 1);
  CHECK(max_fail({"run"}, {}, "exitfirst = true\n") == 1);
  CHECK(max_fail({"run"}, {{"DAGZ_EXITFIRST", "0"}}, "max-fail = 3\n") == 3);
  CHECK(max_fail({"run", "--max-fail", "2"}, {{"DAGZ_EXITFIRST", "1"}}, "") == 2);
}

TEST_CASE("options: mistakes in the file are named with file and line", "[options]") {
  CHECK(complaint({"run"}, {}, "\nwrokers = 3\n") ==
        "dagz.toml:2: unknown key 'wrokers'; did you mean 'workers'?");
  CHECK(complaint({"jobs"}, {}, "nonsense = 3\n") == "dagz.toml:1: unknown key 'nonsense'");
  CHECK(complaint({"run"}, {}, "retries = 1\ntrust = \"no\"\n") ==
        "dagz.toml:2: trust: 'no' is not one of auto, secret, open");
  CHECK(complaint({"run"}, {}, "[run]\nretries = 1\n") ==
        "dagz.toml:1: 'run' must be a text, a number, true, false or a list of these; there are no "
        "sections");
  CHECK(complaint({"run"}, {}, "retries = \n").starts_with("dagz.toml:1: "));
  CHECK(complaint({"run"}, {}, "exitfirst = maybe\n").starts_with("dagz.toml:1: "));
  CHECK_FALSE(complaint({"run"}, {}, "retries = 1\nretries = 2\n").empty());
  CommandLine line = line_of({"run"}, {}, "retries = 1\n");
  line.config->readable = false;
  CHECK(std::get<UsageError>(parse_command_line(line)).sentence == "dagz.toml cannot be read");
}

TEST_CASE("options: a key of one command does not disturb another", "[options]") {
  CHECK(parsed<JobsOptions>({"jobs"}, {{"DAGZ_RETRIES", "x"}}, "retries = 1\n").place.state_dir ==
        "/project/.dagz");
  CHECK(text_of({"--version"}).starts_with("dagz "));
  CHECK(std::holds_alternative<PrintText>(parse_command_line(line_of({"help"}, {}, "bad = 1\n"))));
}

TEST_CASE("options: mistakes on the command line get one sentence", "[options]") {
  const std::vector<std::pair<Arguments, std::string>> cases = {
      {{"run", "--wrokers", "3"},
       "unknown option '--wrokers' of dagz run; did you mean '--workers'?"},
      {{"run", "--max-fial=3"},
       "unknown option '--max-fial' of dagz run; did you mean '--max-fail'?"},
      {{"run", "-q"}, "unknown option '-q' of dagz run"},
      {{"jobs", "--retries", "1"}, "unknown option '--retries' of dagz jobs"},
      {{"rnu"}, "unknown command 'rnu'; did you mean 'run'?"},
      {{"frobnicate"}, "unknown command 'frobnicate'; see dagz --help"},
      {{"--verison"}, "unknown option '--verison'; did you mean '--version'?"},
      {{"run", "-n"}, "--workers needs a value"},
      {{"run", "--job="}, "--job needs a value"},
      {{"run", "--job", "--workers"}, "--job needs a value (KEY)"},
      {{"run", "--job", ""}, "--job needs a value (KEY)"},
      {{"run", "-n", "0"}, "--workers: '0' is not a number from 1 to 1024, or 'auto'"},
      {{"run", "-n", "-1"}, "--workers: '-1' is not a number from 1 to 1024, or 'auto'"},
      {{"run", "-x", "--max-fail", "2"}, "-x and --max-fail exclude each other"},
      {{"run", "--max-fail", "3:later"}, "--max-fail: '3:later' is not a count (3, 3:wait, 3:now)"},
      {{"run", "--no-beacon=maybe"}, "--no-beacon: 'maybe' is not true or false"},
      {{"run", "--peers", "a:1,b"}, "--peers: 'a:1,b' is not a list of HOST:PORT"},
      {{"run", "--format", "junit"}, "--format: 'junit' is not one of text, json"},
      {{"run", "--deadline", "0"}, "--deadline: '0' is not a duration above nought (600, 20m, 1h)"},
      {{"report", "--format", "yaml"},
       "--format: 'yaml' is not one of text, json, junit, markdown"},
      {{"report", "a", "b"}, "unexpected argument 'b' of dagz report"},
      {{"completion"}, "dagz completion needs the name of a shell: bash, zsh or fish"},
      {{"completion", "tcsh"}, "no completion for 'tcsh'; there is one for bash, zsh and fish"},
      {{"help", "rnu"}, "unknown command 'rnu'; did you mean 'run'?"},
  };
  for (const auto& [arguments, sentence] : cases) CHECK(complaint(arguments) == sentence);
}

TEST_CASE("options: dagz history", "[options]") {
  const auto prune = parsed<HistoryOptions>({"history", "prune", "--jobs", "7", "--age", "3"});
  CHECK((prune.action == HistoryAction::kPrune && prune.jobs == 7 && prune.age_days == 3));
  CHECK((prune.size_mb == 1024 && prune.place.state_dir == "/project/.dagz"));
  const auto import = parsed<HistoryOptions>({"history", "import", "a.xml", "b.json"});
  CHECK((import.action == HistoryAction::kImport && import.files == Arguments{"a.xml", "b.json"}));
  CHECK(parsed<HistoryOptions>({"history", "export", "-"}).files == Arguments{"-"});
  CHECK(complaint({"history"}) ==
        "dagz history needs one of: export FILE, import FILE..., prune, flaky");
  CHECK(complaint({"history", "trim"}) == complaint({"history"}));
  CHECK(complaint({"history", "exprot"}) == complaint({"history"}) + "; did you mean 'export'?");
  CHECK(complaint({"history", "export"}).find("needs one FILE") != std::string::npos);
  CHECK(complaint({"history", "export", "a", "b"}) == complaint({"history", "export"}));
  CHECK(complaint({"history", "import"}) == "dagz history import needs at least one FILE");
  CHECK(complaint({"history", "prune", "x"}) == "unexpected argument 'x' of dagz history prune");
  CHECK(complaint({"history", "flaky", "x"}) == "unexpected argument 'x' of dagz history flaky");
  const auto flaky = parsed<HistoryOptions>({"history", "flaky", "--format", "json"});
  CHECK((flaky.action == HistoryAction::kFlaky && flaky.format == Format::kJson));
  CHECK(complaint({"history", "flaky", "--format", "junit"}) ==
        "--format: 'junit' is not one of text, json");
  CHECK(complaint({"history", "prune", "--jobs", "0"}) ==
        "--jobs: '0' is not a number from 1 to 100000");
}

TEST_CASE("options: dagz logs", "[options]") {
  const auto o = parsed<LogsOptions>({"logs", "a.py::t[x]", "--bundle", "ctx", "--format", "json"});
  CHECK((o.span == "a.py::t[x]" && o.bundle == "ctx" && o.format == Format::kJson));
  CHECK(parsed<LogsOptions>({"logs", "t"}).bundle.empty());
  CHECK(complaint({"logs"}) == "dagz logs needs a SPAN: a test id, a part of one, or a span id");
  CHECK(complaint({"logs", "a", "b"}) == "unexpected argument 'b' of dagz logs");
}

TEST_CASE("options: dagz serve", "[options]") {
  const auto plain = parsed<ServeOptions>({"serve", "--job", "nightly"});
  CHECK((plain.listen == Endpoint{"127.0.0.1", 8640} && !plain.listen_given && plain.url.empty()));
  CHECK(plain.network.job == "nightly");
  const auto listen = [](const char* text) {
    return parsed<ServeOptions>({"serve", "--listen", text}).listen;
  };
  CHECK(listen("10.0.0.1") == Endpoint{"10.0.0.1", 8640});
  CHECK(listen("10.0.0.1:80") == Endpoint{"10.0.0.1", 80});
  CHECK(listen("127.0.0.1:0") == Endpoint{"127.0.0.1", 0});
  CHECK(listen("[::1]:0") == Endpoint{"::1", 0});
  CHECK(listen("::") == Endpoint{"::", 8640});
  CHECK(listen("::0") == Endpoint{"::0", 8640});
  for (const char* text : {"127.0.0.1:99999", ":0", "a b:0", "x:0:0"}) {
    CHECK(complaint({"serve", "--listen", text}).starts_with("--listen: '"));
  }
  CHECK(parsed<ServeOptions>({"serve", "--url", "https://d.example:8/"}).url ==
        "https://d.example:8");
  CHECK(complaint({"serve", "--url", "https://d.example/dagz"}).starts_with("--url: '"));
  CHECK(parsed<ServeOptions>({"serve", "--join"}).join);
  CHECK_FALSE(parsed<ServeOptions>({"serve"}).join);
  CHECK(complaint({"serve", "--workers", "2"}).starts_with("unknown option '--workers'"));
}

TEST_CASE("options: what the mesh listens on is nothing that the dashboard binds", "[options]") {
  // It would open the dashboard to the network.
  CHECK_FALSE(parsed<ServeOptions>({"serve"}, {{"DAGZ_LISTEN", "10.0.0.1"}}).listen_given);
  CHECK(run({}, {{"DAGZ_LISTEN", "10.0.0.1"}}).network.listen == Endpoint{"10.0.0.1", 0});
}

TEST_CASE("options: the dashboard's address", "[options]") {
  CHECK(run({"--dashboard-url", "https://d.example/x/"}).dashboard_url == "https://d.example/x");
  CHECK(run({}, {{"DAGZ_DASHBOARD_URL", "http://[::1]:8640"}}).dashboard_url ==
        "http://[::1]:8640");
  CHECK(run({}).dashboard_url.empty());
  for (const char* text : {"d.example", "ftp://d", "http://", "https:///x", "http://a b",
                           "http://a?b", "http://a#b", "javascript:alert(1)", "http://\"", "/"}) {
    INFO(text);
    CHECK(complaint({"run", "--dashboard-url", text}).starts_with("--dashboard-url: '"));
  }
}

TEST_CASE("options: -x is one failure, and the running tests may end", "[options]") {
  CHECK(run({"-x"}).max_fail.count == 1);
  CHECK_FALSE(run({"-x"}).max_fail.now);
  CHECK(run({"-x"}, {{"DAGZ_MAX_FAIL", "7:now"}}).max_fail.count == 1);
  CHECK(run({"--max-fail", "7"}).max_fail.count == 7);
}

TEST_CASE("options: inside a test, the variables that tests see are no options", "[options]") {
  const Variables variables = {
      {"DAGZ_SPAN", "s1"}, {"DAGZ_JOB", "outer"}, {"DAGZ_WORKERS", "64"}, {"DAGZ_RETRIES", "1"}};
  const RunOptions o = run({}, variables);
  CHECK(o.network.job.empty());
  CHECK_FALSE(o.workers.has_value());
  CHECK(o.retries == 1);
  CHECK(run({"--job", "mine"}, variables).network.job == "mine");
}

TEST_CASE("options: colour is as told; customs are for whoever prints", "[options]") {
  CHECK(run({}, {{"NO_COLOR", "1"}}).place.color == ColorMode::kAuto);
  CHECK(run({}, {{"FORCE_COLOR", "false"}}).place.color == ColorMode::kAuto);
  CHECK(run({"--color", "always"}, {{"NO_COLOR", "1"}}).place.color == ColorMode::kAlways);
}

TEST_CASE("options: the other commands", "[options]") {
  CHECK(parsed<ReportOptions>({"report"}).job == "last");
  const auto report = parsed<ReportOptions>({"report", "j0517.50", "--format", "markdown"});
  CHECK(report.job == "j0517.50");
  CHECK(report.format == Format::kMarkdown);
  CHECK(parsed<ReportOptions>({"report", "jobs"}).job == "jobs");
  CHECK(parsed<MeshOptions>({"mesh", "--job", "k"}).network.job == "k");
  const std::string longest(kLabelMax, 'k');
  CHECK(parsed<RunOptions>({"run", "--job", longest, "--", "pytest"}).network.job == longest);
  CHECK(complaint({"run", "--group", longest + "k"}) ==
        "--group: '" + longest.substr(0, 200) + "…' is not a label of at most 256 bytes");
  CHECK_THAT(complaint({"mesh", "--job", longest + "k"}),
             Catch::EndsWith("…' is not a job key of at most 256 bytes"));
  CHECK(parsed<DoctorOptions>({"doctor", "--trust", "open"}).network.trust == Trust::kOpen);
}

TEST_CASE("options: help names every option of a command once", "[options]") {
  for (const CommandSpec& command : command_table()) {
    const std::string text = text_of({"help", command.name});
    CHECK(text == text_of({command.name, "--help"}));
    for (const OptionSpec& option : option_table()) {
      if ((option.commands & command.bit) == 0) continue;
      INFO(option.name);
      const std::string name = std::string("--") + option.name;
      const std::string shown = *option.value == '\0' ? name + " " : name + " " + option.value;
      CHECK(text.find(shown) != std::string::npos);
    }
  }
  CHECK(text_of({"help"}) == text_of({}));
  CHECK(text_of({"--help"}) == text_of({"-h"}));
}

TEST_CASE("options: completions know every command, option and word", "[options]") {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = completion_script(shell);
    for (const CommandSpec& command : command_table()) {
      CHECK(script.find(command.name) != std::string::npos);
    }
    for (const OptionSpec& option : option_table()) {
      INFO(shell << ": " << option.name);
      CHECK(script.find(option.name) != std::string::npos);
    }
  }
  CHECK(completion_script("tcsh").empty());
}

TEST_CASE("options: durations", "[options]") {
  CHECK(parse_duration("10") == Duration::seconds(10));
  CHECK(parse_duration("0.25s") == Duration::milliseconds(250));
  CHECK(parse_duration("500ms") == Duration::milliseconds(500));
  CHECK(parse_duration("0.5ms") == Duration::microseconds(500));
  CHECK(parse_duration("2m") == Duration::seconds(120));
  CHECK(parse_duration("1.5h") == Duration::seconds(5400));
  CHECK(parse_duration("0") == Duration{});
  for (const char* bad : {"", "s", "-1", "1 s", "1d", "1.", ".5", "1e3", "99999999999999999999",
                          "9999999h", "1s2", "+1", "0x10", "inf", "nan"}) {
    INFO(bad);
    CHECK_FALSE(parse_duration(bad).has_value());
  }
}

TEST_CASE("options: sizes", "[options]") {
  CHECK(parse_size("1024") == 1024U);
  CHECK(parse_size("1k") == 1024U);
  CHECK(parse_size("512MiB") == 512ULL << 20);
  CHECK(parse_size("2GB") == 2ULL << 30);
  CHECK(parse_size("1T") == 1ULL << 40);
  for (const char* bad : {"", "0", "-1", "M", "1X", "1.5G", "1 G", "1000000000000T", "1MiBB"}) {
    INFO(bad);
    CHECK_FALSE(parse_size(bad).has_value());
  }
}

TEST_CASE("options: addresses", "[options]") {
  CHECK(parse_listen("127.0.0.1") == Endpoint{"127.0.0.1", 0});
  CHECK(parse_listen("host:80") == Endpoint{"host", 80});
  CHECK(parse_listen("::1") == Endpoint{"::1", 0});
  CHECK(parse_listen("[fe80::1%eth0]:80") == Endpoint{"fe80::1%eth0", 80});
  CHECK(parse_listen("[::]") == Endpoint{"::", 0});
  CHECK(parse_endpoints("a:1, b:2").has_value());
  for (const char* bad : {"", ":1", "a:0", "a:65536", "a:", "a", "a b:1", "[::1]", "[x]:1", "a:1,",
                          "tcp://a:1", "::1:5"}) {
    INFO(bad);
    CHECK_FALSE(parse_endpoints(bad).has_value());
  }
}

TEST_CASE("options: the nearest word is offered only when it is near", "[options]") {
  CHECK(nearest("--wrokers", {"--workers", "--retries"}) == "--workers");
  CHECK(nearest("--retrys", {"--workers", "--retries"}) == "--retries");
  CHECK(nearest("--zzzzzz", {"--workers", "--retries"}).empty());
  CHECK(nearest(std::string(1000, 'x'), {"x"}).empty());
}

TEST_CASE("options: the project's root is the nearest folder that says so", "[options]") {
  const auto root = [](const std::string& start, const std::set<std::string>& files) {
    return find_project_root(start, [&](const std::string& path) { return files.count(path) > 0; });
  };
  CHECK(root("/a/b/c", {"/a/dagz.toml", "/a/b/.git"}) == "/a");
  CHECK(root("/a/b/c", {"/a/.git", "/a/b/pytest.ini"}) == "/a");
  CHECK(root("/a/b/c", {"/a/b/pyproject.toml"}) == "/a/b");
  CHECK(root("/a/b/c", {}) == "/a/b/c");
  CHECK(root("/a", {"/dagz.toml"}) == "/");
  CHECK(root(".", {}) == ".");
}

}  // namespace dagz
