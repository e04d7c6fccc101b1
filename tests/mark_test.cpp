#include "mesh/mark.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

namespace {

dagz::Mark reached{"test: this mark is reached"};
dagz::Mark unreached{"test: this mark is not reached"};

}  // namespace

TEST_CASE("mark: all are listed by name, those never reached included", "[mesh]") {
  reached.reach();
  reached.reach();
  CHECK(reached.count() == 2);
  CHECK(unreached.count() == 0);
  const auto all = dagz::Mark::all();
  CHECK(std::is_sorted(all.begin(), all.end(),
                       [](const auto* a, const auto* b) { return a->name() < b->name(); }));
  CHECK(std::count(all.begin(), all.end(), &reached) == 1);
  CHECK(std::count(all.begin(), all.end(), &unreached) == 1);
}
