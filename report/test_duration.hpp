#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "mesh/archive.hpp"
#include "mesh/crypto.hpp"
#include "mesh/time.hpp"

// How long tests take, as it is kept from job to job.

namespace dagz::report {

struct TestDuration {
  std::string id;  // a file's path: of the set-up that its tests share
  std::string file;
  Duration duration;
};

// What a job's node knows now, put to what was kept: that moves by a quarter of the way, so that
// one odd run does not spoil the next plan. Sorted by id.
std::vector<TestDuration> merge_durations(std::vector<TestDuration> kept,
                                          const std::vector<TestDuration>& own);
// Those of `kept` that `own` has not.
std::vector<TestDuration> missing_durations(std::vector<TestDuration> kept,
                                            const std::vector<TestDuration>& own);

// Each id as what differs from the one before, so best sorted; without the files.
Buffer encode_durations(const std::vector<TestDuration>& durations);
// Nothing if it is malformed or beyond the limits of ids and jobs.
std::optional<std::vector<TestDuration>> decode_durations(Bytes bytes);

}  // namespace dagz::report
