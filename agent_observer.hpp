#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent_setup.hpp"
#include "mesh/time.hpp"
#include "wire.hpp"

// Asks the live mesh of a job as somebody who takes no part in it: dials its members, but listens
// nowhere and leaves no entry.

namespace dagz {

inline constexpr Duration kAskWithin = Duration::milliseconds(1500);

struct MeshReply {
  std::optional<std::string> json;  // of the first member that answered; else nobody did

  // Set when the mesh could not even be asked, or a peer that the user named refuses our key: one
  // sentence, and the exit code.
  std::string error;
  int exit_code = 0;

  std::vector<std::string> notes;  // sources of addresses that do not work here
  uint64_t foreign = 0;            // entries of this run under another secret
};

// `access` without an error. Returns as soon as there is an answer, after `within` at the latest.
MeshReply ask_mesh(const MeshAccess& access, Query::Kind kind, Duration within = kAskWithin);

}  // namespace dagz
