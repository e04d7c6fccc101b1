#include "tests/sim/planting.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "mesh/check.hpp"
#include "mesh/planted.hpp"
#include "tests/sim/simulator.hpp"
#include "tests/sim/sweep.hpp"

#ifdef DAGZ_PLANTED_BUGS

namespace dagz {

Planted planted_bug = Planted::kNothing;

}  // namespace dagz

namespace dagz::sim {
namespace {

struct Bug {
  Planted bug;
  const char* name;
};

constexpr Bug kBugs[] = {
    {Planted::kObeysStaleClaims, "obeys-stale-claims"},
    {Planted::kIgnoresBetterClaims, "ignores-better-claims"},
    {Planted::kSpeaksForOthers, "speaks-for-others"},
    {Planted::kLastOutcomeWins, "last-outcome-wins"},
    {Planted::kCountsTwice, "counts-twice"},
    {Planted::kForgetsTheDead, "forgets-the-dead"},
    {Planted::kLeavesUnheard, "leaves-unheard"},
    {Planted::kSkipsGaps, "skips-gaps"},
    {Planted::kBelievesTheUnsigned, "believes-the-unsigned"},
    {Planted::kClosesEarly, "closes-early"},
    {Planted::kRunsThePassed, "runs-the-passed"},
    {Planted::kKeepsItsNumbers, "keeps-its-numbers"},
    {Planted::kReportsNamesakes, "reports-namesakes"},
    {Planted::kRunsThePoison, "runs-the-poison"},
    {Planted::kLeavesCrumbs, "leaves-crumbs"},
};

constexpr uint64_t kSeedsMax = 4000;

// 0: found by a checker.
int look_for(const Bug& bug) {
  planted_bug = bug.bug;
  for (uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
    const Outcome outcome = simulate(draw_scenario(seed, seed % 2 == 0 ? 3 : 5));
    if (outcome.violations.empty()) continue;
    const std::string& violation = outcome.violations.front();
    std::printf("%-24s found by seed %llu: %s\n", bug.name, static_cast<unsigned long long>(seed),
                violation.substr(0, violation.find('\n')).c_str());
    return 0;
  }
  std::printf("%-24s NOT FOUND by %llu seeds\n", bug.name,
              static_cast<unsigned long long>(kSeedsMax));
  return kViolated;
}

}  // namespace

int plant(const std::string& name) {
  int worst = 0;
  bool known = false;
  for (const Bug& bug : kBugs) {
    if (name != "all" && name != bug.name) continue;
    known = true;
    std::fflush(stdout);
    // A bug may well trip a CHECK; that finds it, too.
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
      const int code = look_for(bug);
      std::fflush(stdout);
      _exit(code);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status)) {
      std::printf("%-24s found by a CHECK\n", bug.name);
    } else if (WEXITSTATUS(status) != 0) {
      worst = WEXITSTATUS(status);
    }
  }
  if (known) return worst;
  std::printf("there is no bug '%s' to plant; there are:", name.c_str());
  for (const Bug& bug : kBugs) std::printf(" %s", bug.name);
  std::printf("\n");
  return 2;
}

}  // namespace dagz::sim

#else

namespace dagz::sim {

int plant(const std::string&) {
  std::printf("bugs are planted by dagz_sim_planted only: its cores are compiled with them\n");
  return 2;
}

}  // namespace dagz::sim

#endif
