#pragma once

#include <string>

namespace dagz::sim {

// Plants the named bug (mesh/planted.hpp), or each in turn when it is "all", and runs seeds until a
// checker complains. Exit code 0 when every bug was found; prints by what, after how many seeds.
int plant(const std::string& name);

}  // namespace dagz::sim
