#include "commands/console.hpp"

#include <unistd.h>

#include <cstdio>

#include "report/exit_code.hpp"
#include "report/io/write_all.hpp"

namespace dagz {

void say(const std::string& sentence) { std::fprintf(stderr, "dagz: %s\n", sentence.c_str()); }

int fail(int code, const std::string& sentence) {
  say(sentence);
  return code;
}

bool put(std::string_view text) {
  std::size_t lost = 0;
  return report::write_all(STDOUT_FILENO, text, lost) == 0;
}

int print(std::string_view text) {
  if (put(text) && (text.empty() || text.back() == '\n' || put("\n"))) return report::kExitPassed;
  return fail(report::kExitInternalError, "standard output could not be written");
}

}  // namespace dagz
