#include "options/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>

#include "options/completion.hpp"
#include "options/config_file.hpp"
#include "options/option_table.hpp"

namespace dagz {
namespace {

constexpr std::size_t kHelpColumn = 30;
constexpr std::size_t kHelpWidth = 100;
constexpr std::size_t kShownMax = 200;  // bytes of a value that does not fit

// ---- help ------------------------------------------------------------------------------------

std::string wrapped(const std::string& text, std::size_t width) {
  std::string out;
  std::size_t used = 0;
  for (const std::string& word : split_list(text, ' ')) {
    if (used > 0 && used + 1 + word.size() > width) {
      out += '\n';
      used = 0;
    }
    if (used > 0) out += ' ';
    used += word.size() + (used > 0 ? 1 : 0);
    out += word;
  }
  return out;
}

class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(kHelpColumn); }

  std::string make_option_desc(const CLI::Option* option) const override {
    return wrapped(option->get_description(), kHelpWidth - kHelpColumn);
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_type_name().empty() ? "" : " " + option->get_type_name();
  }
  std::string make_usage(const CLI::App* app, std::string) const override {
    std::string out = "Usage: dagz ";
    if (app->get_parent() == nullptr) return out + "COMMAND [options]\n";
    out += app->get_name();
    if (app->get_options([](const CLI::Option* o) { return o->nonpositional(); }).size() > 1) {
      out += " [options]";
    }
    for (const CLI::Option* o :
         app->get_options([](const CLI::Option* p) { return p->get_positional(); })) {
      out += " [" + o->get_name(true) + "]";
    }
    if (app->get_name() == "run") out += " [-- COMMAND...]";
    return out + "\n";
  }
};

constexpr const char* kRunFooter =
    "Every option can also come from the environment (DAGZ_RETRIES for --retries) and from "
    "dagz.toml\n"
    "at the project's root (retries = 1). The command line wins over the environment, and the\n"
    "environment over the file.\n\n"
    "--retries, --flaky and --strict-collection are the job's: those of the node that names it, "
    "its\n"
    "first scheduler, hold for all nodes.\n\n"
    "SIGUSR1, or t on a terminal, tells what each worker runs now.\n\n"
    "Exit codes: 0 passed, 1 failed, 2 interrupted, 3 internal error, 4 usage error, 5 nothing\n"
    "collected, 6 too many warnings, 16 environment unusable, 17 incomplete, 18 collections "
    "differ,\n"
    "19 flaky with --flaky fail.";
constexpr const char* kReportFooter =
    "Exit codes: 0 printed, whatever became of the job; 4 there is no such job, or several are "
    "meant.";
constexpr const char* kLogsFooter =
    "SPAN is looked for in the live job, then in the history, the newest job first.\n\n"
    "Exit codes: 0 printed; 4 none or several tests are meant.";
constexpr const char* kHistoryFooter =
    "import reads what export wrote, JUnit XML files, and .test_durations of pytest-split; the "
    "format "
    "is\ntold by the content. When anything is wrong, nothing is imported.\n\n"
    "flaky lists the tests that failed and passed in one job, by how often; jobs in which most "
    "tests\nfailed do not count.\n\n"
    "Exit codes: 0 done; 3 the disk or the file system says no; 4 there is nothing to export, or a "
    "file\nis damaged.";
constexpr const char* kServeFooter =
    "The jobs are those of the history in --state-dir, and the live job of --job. SIGINT (Ctrl-C) "
    "and\n"
    "SIGTERM end it. There is no password: on other addresses than loopback everybody who can "
    "reach it\n"
    "reads the output of tests.\n\n"
    "Exit codes: 0 ended by a signal; 4 the address is taken, or no address of this machine; 16 "
    "the\n"
    "default address is taken.";
constexpr const char* kMeshFooter = "Exit codes: 0 there is a live mesh; 16 nobody answers.";
constexpr const char* kDoctorFooter = "Exit codes: 0 fit for a run; 16 something says FAIL.";

// ---- the parser, built from the table --------------------------------------------------------

struct Parser {
  CLI::App app{"Runs a test suite across the nodes of a parallel CI step, without a server.",
               "dagz"};
  std::map<std::string, CLI::App*> commands;
  struct Given {
    CLI::Option* option = nullptr;
    std::string text;
  };
  // By command and place in the option table; the strings must not move, CLI11 writes to them.
  std::map<std::pair<unsigned, std::size_t>, Given> given;
  std::map<std::string, std::string> arguments;          // by command: its positional
  std::map<std::string, std::vector<std::string>> rest;  // and what follows it
};

void add_option(Parser& parser, CLI::App& app, const CommandSpec& command, std::size_t place) {
  const OptionSpec& spec = option_table()[place];
  std::string names = fmt::format("--{}", spec.name);
  if (spec.letter != '\0') names = fmt::format("-{},{}", spec.letter, names);
  Parser::Given& given = parser.given[{command.bit, place}];
  if (*spec.value == '\0') {
    given.option = app.add_flag(names, spec.help);
  } else {
    given.option = app.add_option(names, given.text, spec.help)->type_name(spec.value);
  }
  given.option->group(spec.group);
  if (std::string_view(spec.name) == "peers") {
    given.option->join(',');
  } else {
    given.option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
}

std::unique_ptr<Parser> make_parser() {
  auto parser = std::make_unique<Parser>();
  parser->app.formatter(std::make_shared<HelpFormatter>());
  parser->app.set_help_flag("-h,--help", "explain");
  parser->app.set_version_flag("--version", "dagz " DAGZ_VERSION, "print the version");
  parser->app.allow_extras();
  parser->app.require_subcommand(0, 1);
  for (const CommandSpec& command : command_table()) {
    CLI::App* app = parser->app.add_subcommand(command.name, command.help);
    parser->commands[command.name] = app;
    for (std::size_t i = 0; i < option_table().size(); ++i) {
      if ((option_table()[i].commands & command.bit) != 0) add_option(*parser, *app, command, i);
    }
    if (*command.argument != '\0') {
      app->add_option(command.argument, parser->arguments[command.name], command.argument_help)
          ->type_name("");
    }
    if (*command.rest != '\0') {
      app->add_option(command.rest, parser->rest[command.name], "")->type_name("");
    }
    if (command.bit == kRunCommand) app->footer(kRunFooter);
    if (command.bit == kReportCommand) app->footer(kReportFooter);
    if (command.bit == kHistoryCommand) app->footer(kHistoryFooter);
    if (command.bit == kLogsCommand) app->footer(kLogsFooter);
    if (command.bit == kServeCommand) app->footer(kServeFooter);
    if (command.bit == kMeshCommand) app->footer(kMeshFooter);
    if (command.bit == kDoctorCommand) app->footer(kDoctorFooter);
  }
  return parser;
}

// ---- complaints ------------------------------------------------------------------------------

std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates) {
  const std::string best = nearest(word, candidates);
  return best.empty() ? "" : fmt::format("; did you mean '{}'?", best);
}

std::vector<std::string> option_names(unsigned commands, std::string_view prefix) {
  std::vector<std::string> names;
  for (const OptionSpec& option : option_table()) {
    if (prefix.empty() && option.only_command_line) continue;
    if ((option.commands & commands) != 0) names.push_back(std::string(prefix) + option.name);
  }
  return names;
}

UsageError unknown_word(const std::string& word, const CommandSpec* command) {
  const std::string name = word.substr(0, word.find('='));
  if (command == nullptr) {
    if (word.starts_with('-')) {
      return {
          fmt::format("unknown option '{}'{}", name, did_you_mean(name, {"--help", "--version"}))};
    }
    std::vector<std::string> names;
    for (const CommandSpec& known : command_table()) names.emplace_back(known.name);
    const std::string hint = did_you_mean(word, names);
    return {fmt::format("unknown command '{}'{}", word, hint.empty() ? "; see dagz --help" : hint)};
  }
  if (word.starts_with('-')) {
    return {fmt::format("unknown option '{}' of dagz {}{}", name, command->name,
                        did_you_mean(name, option_names(command->bit, "--")))};
  }
  if (command->bit == kRunCommand) {
    return {
        fmt::format("unexpected argument '{}'; write the command after '--', as in: dagz run -- {}",
                    word, word)};
  }
  return {fmt::format("unexpected argument '{}' of dagz {}", word, command->name)};
}

std::string unfit(std::string_view origin, std::string_view text, const OptionSpec& option) {
  std::string expects = option.expects;
  if (*option.choices != '\0') {
    const std::vector<std::string> words = split_list(option.choices, '|');
    expects = "one of " + words.front();
    for (std::size_t i = 1; i < words.size(); ++i) expects += ", " + words[i];
  }
  const bool is_long = text.size() > kShownMax;
  return fmt::format("{}: '{}{}' is not {}", origin, text.substr(0, kShownMax), is_long ? "…" : "",
                     expects);
}

// ---- the three sources -----------------------------------------------------------------------

class Reader {
 public:
  Reader(const CommandLine& line, const Parser& parser, const CommandSpec& command)
      : line_(line), parser_(parser), command_(command) {}

  // The first complaint, or none.
  std::optional<std::string> read(Settings& settings) {
    for (const auto step :
         {&Reader::read_file, &Reader::read_environment, &Reader::read_arguments}) {
      if (auto complaint = (this->*step)(settings)) return complaint;
    }
    finish(settings);
    return std::nullopt;
  }

 private:
  std::optional<std::string> variable(const std::string& name) const {
    auto value = line_.environment(name);
    if (value && value->empty()) return std::nullopt;
    return value;
  }

  std::optional<std::string> read_file(Settings& settings) {
    if (!line_.config) return std::nullopt;
    if (!line_.config->readable) return fmt::format("{} cannot be read", line_.config->path);
    const ConfigResult result = read_config(line_.config->path, line_.config->text);
    if (const auto* complaint = std::get_if<std::string>(&result)) return *complaint;
    for (const ConfigEntry& entry : std::get<std::vector<ConfigEntry>>(result)) {
      if (auto complaint = apply_entry(entry, settings)) return complaint;
    }
    return std::nullopt;
  }

  std::optional<std::string> apply_entry(const ConfigEntry& entry, Settings& settings) const {
    const std::string origin = fmt::format("{}:{}: {}", line_.config->path, entry.line, entry.key);
    bool known = false;
    for (const OptionSpec& option : option_table()) {
      if (option.name != entry.key || option.only_command_line) continue;
      known = true;
      if ((option.commands & command_.bit) == 0 || entry.value.empty()) continue;
      const bool is_path = option.completes != Completes::kNothing;
      const std::string text = is_path ? in_project(entry.value) : entry.value;
      if (!option.apply(text, settings)) return unfit(origin, entry.value, option);
    }
    if (known) return std::nullopt;
    return fmt::format("{}:{}: unknown key '{}'{}", line_.config->path, entry.line, entry.key,
                       did_you_mean(entry.key, option_names(~0U, "")));
  }

  std::optional<std::string> read_environment(Settings& settings) {
    const bool inside_a_test = variable("DAGZ_SPAN").has_value();
    for (const OptionSpec& option : option_table()) {
      if ((option.commands & command_.bit) == 0 || option.only_command_line) continue;
      const std::string name = variable_name(option);
      if (inside_a_test && (name == "DAGZ_JOB" || name == "DAGZ_WORKERS")) continue;
      const auto text = variable(name);
      if (text && !option.apply(*text, settings)) return unfit(name, *text, option);
    }
    return std::nullopt;
  }

  std::optional<std::string> read_arguments(Settings& settings) {
    std::vector<std::string> seen;
    for (const auto& [key, given] : parser_.given) {
      if (key.first != command_.bit || given.option->count() == 0) continue;
      const OptionSpec& option = option_table()[key.second];
      const std::string origin = fmt::format("--{}", option.name);
      std::string text = given.text;
      if (*option.value == '\0') text = given.option->results().back();
      if (text.empty() || text.starts_with("--")) {
        return fmt::format("{} needs a value ({})", origin, option.value);
      }
      if (!option.apply(text, settings)) return unfit(origin, text, option);
      seen.emplace_back(option.name);
    }
    const auto has = [&](const char* name) {
      return std::count(seen.begin(), seen.end(), name) > 0;
    };
    if (has("exitfirst") && has("max-fail")) return "-x and --max-fail exclude each other";
    return std::nullopt;
  }

  void finish(Settings& settings) const {
    PlaceOptions& place = settings.run.place;
    place.project_root = line_.project_root;
    if (place.state_dir.empty()) place.state_dir = in_project(".dagz");
  }

  std::string in_project(const std::string& path) const {
    return path.starts_with('/') ? path : line_.project_root + "/" + path;
  }

  const CommandLine& line_;
  const Parser& parser_;
  const CommandSpec& command_;
};

// ---- one command -----------------------------------------------------------------------------

Invocation print_help(const Parser& parser, const std::string& name) {
  const CLI::App* app = &parser.app;
  if (!name.empty()) {
    const auto found = parser.commands.find(name);
    if (found == parser.commands.end()) return unknown_word(name, nullptr);
    app = found->second;
  }
  std::string text = app->get_formatter()->make_help(app, "", CLI::AppFormatMode::Normal);
  for (auto at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n")) {
    text.erase(at, 1);
  }
  return PrintText{text};
}

Invocation print_completion(const std::string& shell) {
  const std::string script = completion_script(shell);
  if (!script.empty()) return PrintText{script};
  if (shell.empty())
    return UsageError{"dagz completion needs the name of a shell: bash, zsh or fish"};
  return UsageError{
      fmt::format("no completion for '{}'; there is one for bash, zsh and fish", shell)};
}

Invocation history_command_of(HistoryOptions options, const std::string& action,
                              const std::vector<std::string>& files) {
  const auto place = parse_choice(action, "export|import|prune|flaky");
  if (!place) {
    return UsageError{"dagz history needs one of: export FILE, import FILE..., prune, flaky" +
                      did_you_mean(action, {"export", "import", "prune", "flaky"})};
  }
  options.action = static_cast<HistoryAction>(*place);
  options.files = files;
  if (options.action == HistoryAction::kExport && files.size() != 1) {
    return UsageError{"dagz history export needs one FILE, or - for the standard output"};
  }
  if (options.action == HistoryAction::kImport && files.empty()) {
    return UsageError{"dagz history import needs at least one FILE"};
  }
  const bool takes_none =
      options.action == HistoryAction::kPrune || options.action == HistoryAction::kFlaky;
  if (takes_none && !files.empty()) {
    return UsageError{
        fmt::format("unexpected argument '{}' of dagz history {}", files.front(), action)};
  }
  return options;
}

Invocation finish_command(const CommandLine& line, const Parser& parser, const CommandSpec& command,
                          std::vector<std::string> child) {
  const auto argument = parser.arguments.find(command.name);
  const std::string word = argument == parser.arguments.end() ? "" : argument->second;
  if (command.bit == kHelpCommand) return print_help(parser, word);
  if (command.bit == kCompletionCommand) return print_completion(word);

  Settings settings;
  if (auto complaint = Reader(line, parser, command).read(settings)) return UsageError{*complaint};
  RunOptions& run = settings.run;
  if (command.bit == kRunCommand && !run.plan &&
      parser.commands.at(command.name)->count("--format") > 0) {
    return UsageError{"--format is for --plan only; of a job: dagz report --format json"};
  }
  if (command.bit == kRunCommand) {
    run.on_isolation_given = parser.commands.at(command.name)->count("--on-isolation") > 0;
  }
  if (!child.empty()) run.command = std::move(child);
  switch (command.bit) {
    case kRunCommand:
      return run;
    case kReportCommand:
      return ReportOptions{run.place, run.network, settings.report_format,
                           word.empty() ? "last" : word};
    case kJobsCommand:
      return JobsOptions{run.place};
    case kLogsCommand:
      if (word.empty()) {
        return UsageError{"dagz logs needs a SPAN: a test id, a part of one, or a span id"};
      }
      return LogsOptions{run.place, run.network, word, settings.bundle, settings.logs_format};
    case kHistoryCommand:
      settings.history.place = run.place;
      settings.history.format = settings.logs_format;
      return history_command_of(std::move(settings.history), word, parser.rest.at(command.name));
    case kServeCommand:
      settings.serve.place = run.place;
      settings.serve.network = run.network;
      return settings.serve;
    case kMeshCommand:
      return MeshOptions{run.place, run.network};
    default:
      return DoctorOptions{run.place, run.network};
  }
}

// CLI11 would take the next word for the value of "--job=".
std::optional<UsageError> check_empty_value(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word.starts_with("--") && word.ends_with('=')) {
      return UsageError{fmt::format("{} needs a value", word.substr(0, word.size() - 1))};
    }
  }
  return std::nullopt;
}

std::string without_prefix(std::string_view text, std::string_view prefix) {
  return std::string(text.starts_with(prefix) ? text.substr(prefix.size()) : text);
}

Invocation parse(const CommandLine& line, std::vector<std::string> words,
                 std::vector<std::string> child, bool dashes) {
  const auto parser = make_parser();
  const CommandSpec* command = nullptr;
  try {
    std::reverse(words.begin(), words.end());
    parser->app.parse(words);
  } catch (const CLI::CallForHelp&) {
    const auto chosen = parser->app.get_subcommands();
    return print_help(*parser, chosen.empty() ? "" : chosen.front()->get_name());
  } catch (const CLI::CallForVersion&) {
    return PrintText{"dagz " DAGZ_VERSION "\n"};
  } catch (const CLI::ArgumentMismatch& error) {
    std::string name = error.what();
    name = name.substr(0, name.find_first_of(": "));
    return UsageError{fmt::format("{} needs a value", name)};
  } catch (const CLI::ParseError& error) {
    return UsageError{without_prefix(error.what(), "Error: ")};
  }
  for (const CommandSpec& candidate : command_table()) {
    if (parser->commands[candidate.name]->parsed()) command = &candidate;
  }
  for (const std::string& word : parser->app.remaining(false)) return unknown_word(word, nullptr);
  if (command == nullptr) return PrintText{parser->app.help()};
  for (const std::string& word : parser->commands[command->name]->remaining(false)) {
    return unknown_word(word, command);
  }
  if (dashes && command->bit != kRunCommand) {
    return UsageError{fmt::format("dagz {} takes no command after '--'", command->name)};
  }
  return finish_command(line, *parser, *command, std::move(child));
}

}  // namespace

Invocation parse_command_line(const CommandLine& line) {
  const auto dashes = std::find(line.arguments.begin(), line.arguments.end(), "--");
  std::vector<std::string> words(line.arguments.begin(), dashes);
  std::vector<std::string> child;
  if (dashes != line.arguments.end()) child.assign(dashes + 1, line.arguments.end());

  if (auto error = check_empty_value(words)) return *error;
  return parse(line, std::move(words), std::move(child), dashes != line.arguments.end());
}

std::string find_project_root(const std::string& start,
                              const std::function<bool(const std::string& path)>& exists) {
  const std::vector<std::vector<std::string>> marks = {
      {"dagz.toml"}, {".git"}, {"pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"}};
  for (const auto& names : marks) {
    for (std::string folder = start;; folder.resize(folder.rfind('/'))) {
      for (const std::string& name : names) {
        if (exists(folder + "/" + name)) return folder.empty() ? "/" : folder;
      }
      if (folder.find('/') == std::string::npos) break;
    }
  }
  return start;
}

}  // namespace dagz
