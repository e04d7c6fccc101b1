#pragma once

#include <string>
#include <string_view>
#include <vector>

// How a test is run again, alone, by the command that ran it before. Pure.

namespace dagz::report {

struct RerunCommand {
  std::vector<std::string> words;  // what the test's id is put behind; none: not known
  std::string to_root;             // from the folder that it runs in to where ids begin: "", "../"
};

// What pytest says of its own command line.
struct RunnerArguments {
  std::vector<std::string> all;
  std::vector<std::string> options;  // of these, in their order, those that name no tests
  std::string to_root;
};

// `command`, as the user wrote it, with all options and without the tests that it names (an id
// beside a folder would run both). Nothing unless it is certain that pytest hears what stands at
// the command's end: as it does if it was given just what stands there; or, where it was given
// nothing, if the command ends with pytest, started by its name, by `-m` or by a `run`.
RerunCommand rerun_of(const std::vector<std::string>& command, const RunnerArguments& arguments);

// As a line for a shell, of one node without retries. Of pytest alone where nothing is known.
std::string rerun_line(const RerunCommand& again, std::string_view id);

}  // namespace dagz::report
