#include "mesh/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace dagz {

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "dagz: internal error: CHECK(%s) failed at %s:%d\n", expression, file, line);
  std::abort();
}

}  // namespace dagz
