#include "sched/runners/pytest_exit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "sched/exit_status.hpp"

namespace dagz::sched {
namespace {

constexpr int kInternalError = 3;
constexpr int kUnusable = 16;
constexpr int kShellNotFound = 127;
constexpr int kTestsFailed = 1;  // without tests: fixtures, with --setup-only
constexpr int kInterrupted = 2;
constexpr int kPytestCodeFirst = 2;
constexpr int kPytestCodeLast = 6;

constexpr std::string_view kNoPytest =
    "no pytest: `{}` was not found; install it in this environment or name the command after --";

std::string command_name(const std::vector<std::string>& argv) {
  if (argv.empty()) return "";
  const std::string_view path = argv.front();
  return std::string(path.substr(path.find_last_of('/') + 1));
}

// With these pytest runs no test, and the driver does not even say hello.
bool asks_for_text_only(const std::vector<std::string>& argv) {
  static constexpr std::array<std::string_view, 16> kFlags = {
      "--version",    "-V",           "--help",        "-h",
      "--co",         "--markers",    "--fixtures",    "--funcargs",
      "--cache-show", "--setupplan",  "--setup-plan",  "--fixtures-per-test",
      "--setuponly",  "--setup-only", "--collectonly", "--collect-only"};
  return std::any_of(argv.begin(), argv.end(), [](const std::string& argument) {
    const std::string_view flag = std::string_view(argument).substr(0, argument.find('='));
    return flag == "-VV" || std::find(kFlags.begin(), kFlags.end(), flag) != kFlags.end();
  });
}

// Said by `python -m pytest`, with or without "python:" before it.
bool says_no_module(std::string_view output) {
  for (std::string_view name : {"No module named pytest", "No module named 'pytest'"}) {
    if (output.find(name) != std::string_view::npos) return true;
  }
  return false;
}

// What names the driver came through, and the folder that it lies in did not.
bool lacks_the_driver(std::string_view output) {
  return output.find("No module named 'dagz_pytest_driver'") != std::string_view::npos;
}

std::string with_output(std::string sentence, const std::string& output) {
  if (output.empty()) return sentence;
  sentence += '\n';
  return sentence + output;
}

bool is_text_only(const CommandEnd& end) { return end.text_only || asks_for_text_only(end.argv); }

RunnerFailed ended_well(const CommandEnd& end) {
  if (end.session_ended || end.exit_reason || is_text_only(end)) return {0, end.output};
  if (end.connected) {
    std::string text = "pytest's process ended before it had collected (exit status 0)";
    if (!end.collecting.empty()) text += ": it had last begun to collect " + end.collecting;
    return {kInternalError, with_output(std::move(text), end.output)};
  }
  return {kInternalError,
          with_output("the command ended without starting pytest (or with a pytest that does not "
                      "see PYTEST_PLUGINS: tox needs pass_env = DAGZ_*, PYTHONPATH and "
                      "PYTEST_PLUGINS)",
                      end.output)};
}

}  // namespace

RunnerFailed explain_command_end(const CommandEnd& end) {
  const std::string name = command_name(end.argv);
  const std::optional<int> code = exit_code_of(end.wait_status);
  if (!end.connected && says_no_module(end.output)) {
    return {kUnusable, with_output(fmt::format(kNoPytest, "pytest"), end.output)};
  }
  if (!end.connected && code == kShellNotFound) {
    return {kUnusable, with_output(fmt::format("`{}` did not find a command that it needs; "
                                               "install it in this environment",
                                               name),
                                   end.output)};
  }
  if (code == 0 && !end.collected && !end.failure) return ended_well(end);
  if (end.exit_reason && !end.collected) {
    return {
        kInterrupted,
        with_output("pytest was ended before it had collected: " + *end.exit_reason, end.output)};
  }

  const int first = is_text_only(end) ? kTestsFailed : kPytestCodeFirst;
  const bool pytest_code = code && *code >= first && *code <= kPytestCodeLast;
  std::string text = fmt::format("`{}` ended {} ({})", name,
                                 end.collected ? "before its tests were done" : "too early",
                                 describe_exit(end.wait_status));
  if (end.failure) text += ": " + *end.failure;
  const bool died = !pytest_code && !end.collected && !end.collecting.empty();
  if (died) text += "; it had last begun to collect " + end.collecting;
  if (!end.connected && lacks_the_driver(end.output)) {
    text +=
        ": its Python ignores PYTHONPATH, by which it finds dagz's plug-in; leave out -I and -E";
  }
  return {pytest_code ? *code : kInternalError, with_output(std::move(text), end.output)};
}

RunnerFailed explain_start_failure(const std::vector<std::string>& argv, bool not_found,
                                   const std::string& reason) {
  const std::string name = command_name(argv);
  if (not_found && (name == "pytest" || name == "py.test")) {
    return {kUnusable, fmt::format(kNoPytest, argv.front())};
  }
  if (not_found) {
    return {kUnusable, fmt::format("the command `{}` was not found; install it in this environment",
                                   argv.empty() ? "" : argv.front())};
  }
  return {kUnusable,
          fmt::format("cannot start `{}`: {}", argv.empty() ? "" : argv.front(), reason)};
}

}  // namespace dagz::sched
