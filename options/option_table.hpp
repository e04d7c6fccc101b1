#pragma once

#include <span>
#include <string>
#include <string_view>

#include "options/options.hpp"

// The one list of commands and options. The parser, --help, the shell completions, the names of the
// environment variables and the keys of dagz.toml all come from it.

namespace dagz {

// Everything that any command takes; each command picks its own.
struct Settings {
  RunOptions run;
  Format report_format = Format::kText;
  Format logs_format = Format::kText;
  std::string bundle;
  HistoryOptions history;
  ServeOptions serve;
};

enum CommandBit : unsigned {
  kRunCommand = 1,
  kReportCommand = 2,
  kJobsCommand = 4,
  kMeshCommand = 8,
  kDoctorCommand = 16,
  kCompletionCommand = 32,
  kHelpCommand = 64,
  kLogsCommand = 128,
  kHistoryCommand = 256,
  kServeCommand = 512,
};

struct CommandSpec {
  const char* name;
  CommandBit bit;
  const char* help;
  const char* argument = "";  // its positional, as shown; "" = none
  const char* argument_help = "";
  const char* choices = "";  // of the positional: "a|b"
  const char* rest = "";     // what may follow it, any number of files; "" = nothing
};

enum class Completes : uint8_t { kNothing, kFile, kDirectory };

struct OptionSpec {
  const char* name;     // without dashes; also the key in dagz.toml
  const char* value;    // as shown in help; "" = a flag
  const char* expects;  // ends the sentence "'x' is not …"
  const char* group;    // heading in help
  const char* help;
  unsigned commands;                                         // CommandBits
  bool (*apply)(std::string_view text, Settings& settings);  // false: not such a value
  char letter = '\0';                                        // short form
  const char* choices = "";                                  // "a|b"; for completions
  Completes completes = Completes::kNothing;
  bool only_command_line = false;
};

std::span<const CommandSpec> command_table();
std::span<const OptionSpec> option_table();

// "test-timeout" -> "DAGZ_TEST_TIMEOUT"
std::string variable_name(const OptionSpec& option);

}  // namespace dagz
