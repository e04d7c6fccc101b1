#pragma once

#include <cstdint>

// Bugs that the simulator plants on purpose, one at a time, to prove that its checkers catch them.
// Only the target dagz_sim_planted is compiled with them (DAGZ_PLANTED_BUGS); anywhere else
// is_planted() is the constant false. Include this from .cpp files that this target compiles anew.

namespace dagz {

enum class Planted : uint8_t {
  kNothing,
  kObeysStaleClaims,     // takes work that an outdated scheduler has granted
  kIgnoresBetterClaims,  // a scheduler that never steps down
  kSpeaksForOthers,      // raises the incarnation of somebody else
  kLastOutcomeWins,      // a verdict that depends on the order of the logs
  kCountsTwice,          // a test that is retried stays in its old count
  kForgetsTheDead,       // what a dead node held is not given away
  kLeavesUnheard,        // exits before the others have its log
  kSkipsGaps,            // appends to a log across what it has missed
  kBelievesTheUnsigned,  // checks no signature
  kClosesEarly,          // closes the job with tests unfinished
  kRunsThePassed,        // of a file that it collects it runs what passed in the attempt before
  kKeepsItsNumbers,      // its workers bear the numbers that it was given first
  kReportsNamesakes,     // two nodes that were given one number keep it
  kRunsThePoison,        // a test that takes its nodes down is run again and again
  kLeavesCrumbs,         // short tests that wait behind a long one are not worth a steal
};

#ifdef DAGZ_PLANTED_BUGS
extern Planted planted_bug;
inline bool is_planted(Planted bug) { return planted_bug == bug; }
#else
constexpr bool is_planted(Planted) { return false; }
#endif

}  // namespace dagz
