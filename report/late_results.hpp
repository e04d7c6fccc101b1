#pragma once

#include <cstddef>

#include "report/summary.hpp"

// What a node knows of a job beyond the report by which the others have closed it.

namespace dagz::report {

// So many runs of tests are in `here` and not in `closed`, of the same job. What a report was
// shortened by counts as being in it.
std::size_t late_results(const JobSummary& closed, const JobSummary& here);

}  // namespace dagz::report
