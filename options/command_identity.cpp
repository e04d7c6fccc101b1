#include "options/command_identity.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace dagz {
namespace {

constexpr std::array<std::string_view, 12> kOutputOptions = {
    "--junitxml",   "--junit-xml",  "--junit-prefix",     "--html",
    "--csv",        "--report-log", "--json-report-file", "--alluredir",
    "--cov-report", "--log-file",   "--resultlog",        "--basetemp"};

bool names_output(std::string_view option) {
  return std::find(kOutputOptions.begin(), kOutputOptions.end(), option) != kOutputOptions.end();
}

// Checkouts of one project lie in different places.
std::string without_root(std::string text, const std::string& root) {
  if (root.size() < 2) return text;
  std::size_t at = 0;
  while ((at = text.find(root, at)) != std::string::npos) {
    const std::size_t end = at + root.size();
    const bool whole = end == text.size() || text[end] == '/' || text[end] == ':';
    if (whole) text.replace(at, root.size(), ".");
    at += whole ? 1 : root.size();
  }
  return text;
}

}  // namespace

std::string command_identity(const std::vector<std::string>& argv, const std::string& folder,
                             const std::string& project_root) {
  std::string text = without_root(folder, project_root);
  for (std::size_t i = 0; i < argv.size(); ++i) {
    const std::string& argument = argv[i];
    const std::size_t equals = argument.find('=');
    if (names_output(argument.substr(0, equals))) {
      if (equals == std::string::npos) ++i;
      continue;
    }
    text += '\0';
    text +=
        i == 0 ? argument.substr(argument.rfind('/') + 1) : without_root(argument, project_root);
  }
  return text;
}

}  // namespace dagz
