#pragma once

#include <string>
#include <vector>

#include "report/flakiness.hpp"
#include "report/io/database.hpp"

// How flaky tests are, from the results that the history keeps of each job. Everything here runs on
// an open database; failures are in its sticky error.

namespace dagz::report {

// All tests that were flaky in a job that counts, the flakiest first.
FlakyTests read_flaky_tests(Database& database);
// Of these ids, those that were.
KnownFlaky read_flakiness(Database& database, const std::vector<std::string>& ids);

}  // namespace dagz::report
