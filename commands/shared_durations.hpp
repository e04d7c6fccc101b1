#pragma once

#include <optional>
#include <string>
#include <vector>

#include "commands/mesh_access.hpp"
#include "report/io/history.hpp"
#include "report/test_duration.hpp"
#include "sched/estimate.hpp"

// How long the tests of a suite take, left in the rendezvous directory for nodes that have no
// history of their own, such as those that start on a fresh machine each time: one file a suite,
// "<suite tag>.durations", under a MAC of keys that all its runs have. Whoever closes a job writes
// it anew.

namespace dagz {

inline constexpr std::size_t kDurationsBytesMax = std::size_t{32} << 20;

// Empty where there is none that proves itself.
std::vector<report::TestDuration> read_shared_durations(const MeshAccess& access,
                                                        const std::string& rendezvous);
// What a plan is made of: the own history, and what it does not know from what other jobs have
// left.
std::vector<sched::KnownDuration> known_durations(const std::vector<report::TestDuration>& own,
                                                  const MeshAccess& access,
                                                  const std::string& rendezvous);
// Whether any job has left durations, of whatever suite.
bool has_shared_durations(const std::string& rendezvous);
// Nothing on success, or without a directory or keys for it; else a sentence.
std::optional<std::string> keep_shared_durations(const MeshAccess& access,
                                                 const std::string& rendezvous,
                                                 report::History& history);

}  // namespace dagz
