#include "report/rerun_command.hpp"

#include <algorithm>

namespace dagz::report {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_-+=:,./@%").find(c) != std::string_view::npos;
}

std::string word(std::string_view text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), is_plain);
  return plain ? std::string(text) : quoted(text);
}

bool ends_with_pytest(const std::vector<std::string>& command) {
  const std::string& last = command.back();
  const std::string name = last.substr(last.rfind('/') + 1);
  if (name != "pytest" && name != "py.test") return false;
  // What else names it so may be the target of some other tool.
  if (command.size() == 1) return true;
  const std::string& before = command[command.size() - 2];
  return before == "-m" || before == "run";
}

bool hands_on_its_end(const std::vector<std::string>& command,
                      const std::vector<std::string>& arguments) {
  if (command.size() <= arguments.size()) return false;
  if (arguments.empty()) return ends_with_pytest(command);
  return std::equal(arguments.rbegin(), arguments.rend(), command.rbegin());
}

// After such a word an id might be taken for its value: it may be that of an option which need not
// have one (`--cov`). Of pytest's own letters these are none.
bool may_take_a_value(std::string_view option) {
  if (!option.starts_with('-') || option == "--") return false;
  if (option.starts_with("--")) return option.find('=') == std::string_view::npos;
  return option.find_first_not_of("lqsvx", 1) != std::string_view::npos;
}

bool is_part_of(const std::vector<std::string>& some, const std::vector<std::string>& all) {
  auto at = some.begin();
  for (const std::string& one : all) {
    if (at != some.end() && *at == one) ++at;
  }
  return at == some.end();
}

}  // namespace

RerunCommand rerun_of(const std::vector<std::string>& command, const RunnerArguments& arguments) {
  if (!hands_on_its_end(command, arguments.all)) return {};
  if (!is_part_of(arguments.options, arguments.all)) return {};
  RerunCommand again;
  again.words.assign(command.begin(), command.end() - std::ptrdiff_t(arguments.all.size()));
  again.words.insert(again.words.end(), arguments.options.begin(), arguments.options.end());
  const bool unclear = !arguments.options.empty() && may_take_a_value(arguments.options.back());
  if (unclear) again.words.emplace_back("--");
  again.to_root = arguments.to_root;
  return again;
}

std::string rerun_line(const RerunCommand& again, std::string_view id) {
  std::string line = "dagz run -n 1 --retries 0 --";
  if (again.words.empty()) line += " pytest";
  for (const std::string& one : again.words) line += " " + word(one);
  return line + " " + quoted(again.to_root + std::string(id));
}

}  // namespace dagz::report
