#include "tests/sim/seeds.hpp"

#include <fstream>
#include <sstream>

#include "mesh/check.hpp"

namespace dagz::sim {

std::vector<FoundSeed> found_seeds() {
  std::ifstream file(DAGZ_SIM_SEEDS);
  CHECK(file.is_open());
  std::vector<FoundSeed> seeds;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    FoundSeed& found = seeds.emplace_back();
    std::istringstream fields(line);
    fields >> found.seed >> found.nodes >> std::ws;
    std::getline(fields, found.cause);
    CHECK(found.seed > 0 && found.nodes > 0 && !found.cause.empty());
  }
  return seeds;
}

}  // namespace dagz::sim
