#include "mesh/mark.hpp"

#include <algorithm>

namespace dagz {
namespace {

constinit Mark* newest = nullptr;

}  // namespace

Mark::Mark(const char* name) noexcept : name_(name), next_(newest) { newest = this; }

std::vector<const Mark*> Mark::all() {
  std::vector<const Mark*> marks;
  for (const Mark* mark = newest; mark != nullptr; mark = mark->next_) marks.push_back(mark);
  std::sort(marks.begin(), marks.end(),
            [](const Mark* a, const Mark* b) { return a->name() < b->name(); });
  return marks;
}

}  // namespace dagz
