#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "report/io/database.hpp"
#include "report/test_logs.hpp"

// Single tests in the history. Everything here runs on an open database; failures are in its sticky
// error.

namespace dagz::report {

// Every test that is remembered, with its number in the tables.
void for_each_test_id(Database& database,
                      const std::function<void(int64_t number, std::string id)>& visit);
// The ids of the newest job's tests, or of all that are remembered. Sorted, each once.
std::vector<std::string> read_test_ids(Database& database, bool of_all_jobs);
// The test of this id in every job that has it, newest first.
std::vector<TestRecord> read_test_records(Database& database, const std::string& id);

}  // namespace dagz::report
