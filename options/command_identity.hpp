#pragma once

#include <string>
#include <vector>

// Which command this is, for telling whether an earlier job ran the same. Pure.

namespace dagz {

// Equal for what selects and runs the same tests on all nodes of a step: a text of the command and
// of the folder that it runs in. Left out is what differs from node to node: where the command
// itself and the project lie, and options that name files to write. Injective in all else.
std::string command_identity(const std::vector<std::string>& argv, const std::string& folder,
                             const std::string& project_root);

}  // namespace dagz
