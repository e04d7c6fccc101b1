#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "commands/mesh_access.hpp"
#include "mesh/time.hpp"
#include "report/summary.hpp"
#include "wire.hpp"

// Asks the live mesh of a job as somebody who takes no part in it: dials its members, but listens
// nowhere and leaves no entry.

namespace dagz {

inline constexpr Duration kAskWithin = Duration::milliseconds(1500);
inline constexpr Duration kAllAnswerWithin = Duration::milliseconds(500);

struct MeshReply {
  std::optional<std::string> json;  // of the first member that answered; else nobody did
  // From question to answer, by the member's short id. For Query::Kind::kMesh all are asked.
  std::map<std::string, Duration> round_trips;

  // Set when the mesh could not even be asked, or a peer that the user named refuses our key: one
  // sentence, and the exit code.
  std::string error;
  int exit_code = 0;

  std::vector<std::string> notes;  // sources of addresses that do not work here
  uint64_t foreign = 0;            // entries of this run under another secret
};

// `access` without an error. Returns as soon as there is an answer (for the mesh: as soon as all
// its live members have answered, or kAllAnswerWithin after the first one), after `within` at the
// latest.
MeshReply ask_mesh(const MeshAccess& access, Query::Kind kind, Duration within = kAskWithin);

// The job that runs now, as far as one of its members knows it.
struct LiveJob {
  std::optional<report::JobSummary> summary;
  std::string problem;  // one sentence, when the mesh could not be asked or understood
  int exit_code = 0;
  bool has_not_begun = false;  // there is a live job, but nobody has named it yet
};
LiveJob ask_live_job(const NetworkOptions& network, const PlaceOptions& place);
// For who asks again and again: `access` without an error, opened with these options.
LiveJob ask_live_job(const MeshAccess& access, const NetworkOptions& network);

}  // namespace dagz
