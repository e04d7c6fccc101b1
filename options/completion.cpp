#include "options/completion.hpp"

#include <fmt/format.h>

#include <vector>

#include "options/option_table.hpp"
#include "options/option_values.hpp"

namespace dagz {
namespace {

std::string joined(const std::vector<std::string>& words, std::string_view separator) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += separator;
    out += word;
  }
  return out;
}

std::string spaced(std::string_view choices) { return joined(split_list(choices, '|'), " "); }

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const CommandSpec& command : command_table()) names.emplace_back(command.name);
  return names;
}

// What may stand as the positional of a command: words split by '|'.
std::string positional_words(const CommandSpec& command) {
  if (command.bit == kHelpCommand) return joined(command_names(), "|");
  return command.choices;
}

// For single quotes of a shell.
std::string quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out;
}

// ---- bash ------------------------------------------------------------------------------------

std::string bash_values(const OptionSpec& option) {
  std::string pattern = fmt::format("--{}", option.name);
  if (option.letter != '\0') pattern += fmt::format("|-{}", option.letter);
  std::string action = "return";
  if (*option.choices != '\0') {
    action =
        fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$cur\")); return", spaced(option.choices));
  } else if (option.completes == Completes::kFile) {
    action = "COMPREPLY=($(compgen -f -- \"$cur\")); return";
  } else if (option.completes == Completes::kDirectory) {
    action = "COMPREPLY=($(compgen -d -- \"$cur\")); return";
  }
  return fmt::format("      {}) {} ;;\n", pattern, action);
}

std::string bash_command(const CommandSpec& command) {
  std::string flags = "--help";
  std::string values;
  for (const OptionSpec& option : option_table()) {
    if ((option.commands & command.bit) == 0) continue;
    flags += fmt::format(" --{}", option.name);
    if (*option.value != '\0') values += bash_values(option);
  }
  std::string out = fmt::format("  {})\n", command.name);
  if (!values.empty()) out += fmt::format("    case \"$prev\" in\n{}    esac\n", values);
  if (*command.rest != '\0') {
    out +=
        "    if ((COMP_CWORD > 2)) && [[ $cur != -* ]]; then COMPREPLY=($(compgen -f -- "
        "\"$cur\")); "
        "return; fi\n";
  }
  out += fmt::format("    words='{}'; flags='{}' ;;\n", spaced(positional_words(command)), flags);
  return out;
}

std::string bash_script() {
  std::string out = R"(# bash completion of dagz: source <(dagz completion bash)
_dagz() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words='' flags='' i
  COMPREPLY=()
  if [[ $cur == = ]]; then cur=''; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ ${COMP_WORDS[i]} == -- ]]; then
      if ((COMP_CWORD == i + 1)); then COMPREPLY=($(compgen -c -- "$cur"))
      else COMPREPLY=($(compgen -f -- "$cur")); fi
      return
    fi
  done
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W ')" +
                    joined(command_names(), " ") + R"( --help --version' -- "$cur"))
    return
  fi
  case ${COMP_WORDS[1]} in
)";
  for (const CommandSpec& command : command_table()) out += bash_command(command);
  out += R"(  *) return ;;
  esac
  if [[ $cur == -* ]]; then words=$flags; fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _dagz dagz
)";
  return out;
}

// ---- zsh -------------------------------------------------------------------------------------

// Within _arguments, brackets and colons of a text are escaped.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return quoted(out);
}

std::string zsh_action(const char* choices, Completes completes) {
  if (*choices != '\0') return fmt::format("({})", spaced(choices));
  if (completes == Completes::kFile) return "_files";
  if (completes == Completes::kDirectory) return "_files -/";
  return " ";
}

std::string zsh_option(const OptionSpec& option) {
  std::string tail = fmt::format("[{}]", zsh_text(option.help));
  if (*option.value != '\0') {
    tail +=
        fmt::format(":{}:{}", zsh_text(option.value), zsh_action(option.choices, option.completes));
  }
  const char* equals = *option.value == '\0' ? "" : "=";
  std::string out = fmt::format("        '--{}{}{}' \\\n", option.name, equals, tail);
  if (option.letter != '\0') out += fmt::format("        '-{}{}' \\\n", option.letter, tail);
  return out;
}

std::string zsh_command(const CommandSpec& command) {
  std::string out =
      fmt::format("    {})\n      _arguments \\\n        '--help[explain]' \\\n", command.name);
  for (const OptionSpec& option : option_table()) {
    if ((option.commands & command.bit) != 0) out += zsh_option(option);
  }
  if (command.bit == kRunCommand) {
    out += "        '*::command: _normal' ;;\n";
  } else if (*command.argument != '\0') {
    out += fmt::format("        '1:{}:{}' ;;\n", zsh_text(command.argument),
                       zsh_action(positional_words(command).c_str(), Completes::kNothing));
    if (*command.rest != '\0') {
      out.insert(out.rfind(" ;;"), fmt::format(" \\\n        '*:{}:_files'", command.rest));
    }
  } else {
    out += "        ;;\n";
  }
  return out;
}

std::string zsh_script() {
  std::string out = R"(#compdef dagz
# zsh completion of dagz: source <(dagz completion zsh), after compinit
_dagz() {
  local -a commands
  commands=(
)";
  for (const CommandSpec& command : command_table()) {
    out += fmt::format("    '{}:{}'\n", command.name, zsh_text(command.help));
  }
  out += R"(  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command=${words[2]}
  words=("dagz $command" "${(@)words[3,-1]}")
  ((CURRENT--))
  case $command in
)";
  for (const CommandSpec& command : command_table()) out += zsh_command(command);
  out += R"(  esac
}
if [[ ${funcstack[1]} == _dagz ]]; then _dagz "$@"; else compdef _dagz dagz; fi
)";
  return out;
}

// ---- fish ------------------------------------------------------------------------------------

std::string fish_option(const CommandSpec& command, const OptionSpec& option) {
  std::string out = fmt::format("complete -c dagz -n '__fish_seen_subcommand_from {}' -l {}",
                                command.name, option.name);
  if (option.letter != '\0') out += fmt::format(" -s {}", option.letter);
  if (*option.choices != '\0') {
    out += fmt::format(" -x -a '{}'", spaced(option.choices));
  } else if (option.completes == Completes::kFile) {
    out += " -r -F";
  } else if (option.completes == Completes::kDirectory) {
    out += " -x -a '(__fish_complete_directories)'";
  } else if (*option.value != '\0') {
    out += " -x";
  }
  return out + fmt::format(" -d '{}'\n", quoted(option.help));
}

std::string fish_script() {
  std::string out =
      "# fish completion of dagz: dagz completion fish | source\n"
      "complete -c dagz -f\n"
      "complete -c dagz -n __fish_use_subcommand -l version -d 'print the version'\n"
      "complete -c dagz -l help -d 'explain'\n";
  for (const CommandSpec& command : command_table()) {
    out += fmt::format("complete -c dagz -n __fish_use_subcommand -a {} -d '{}'\n", command.name,
                       quoted(command.help));
  }
  for (const CommandSpec& command : command_table()) {
    if (!positional_words(command).empty()) {
      out += fmt::format("complete -c dagz -n '__fish_seen_subcommand_from {}' -a '{}'\n",
                         command.name, spaced(positional_words(command)));
    }
    if (*command.rest != '\0') {
      out += fmt::format("complete -c dagz -n '__fish_seen_subcommand_from {}' -F\n", command.name);
    }
    for (const OptionSpec& option : option_table()) {
      if ((option.commands & command.bit) != 0) out += fish_option(command, option);
    }
  }
  return out;
}

}  // namespace

std::string completion_script(std::string_view shell) {
  if (shell == "bash") return bash_script();
  if (shell == "zsh") return zsh_script();
  if (shell == "fish") return fish_script();
  return "";
}

}  // namespace dagz
