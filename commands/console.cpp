#include "commands/console.hpp"

#include <unistd.h>

#include <cstdio>

#include "report/exit_code.hpp"
#include "report/io/terminal.hpp"

namespace dagz {

void say(const std::string& sentence) { std::fprintf(stderr, "dagz: %s\n", sentence.c_str()); }

int fail(int code, const std::string& sentence) {
  say(sentence);
  return code;
}

int print(std::string_view text) {
  report::Terminal terminal(STDOUT_FILENO, false, 80, 24);
  terminal.print(text);
  if (terminal.flush()) return report::kExitPassed;
  return fail(report::kExitInternalError, "standard output could not be written");
}

}  // namespace dagz
