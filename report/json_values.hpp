#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "mesh/time.hpp"
#include "report/summary.hpp"
#include "report/text.hpp"

// How the JSON of this folder writes values. For its sources only: the library is large.

namespace dagz::report {

using Json = nlohmann::ordered_json;

inline Json json_text(std::string_view text) { return valid_utf8(text); }

// Seconds, to the microsecond.
inline double json_seconds(Duration duration) { return static_cast<double>(duration.us()) / 1e6; }

// All strings have passed valid_utf8; `replace` makes sure that nothing throws in any case.
inline std::string json_line(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

inline Json json_counts(const Counts& counts) {
  return {{"passed", counts.passed},
          {"failed", counts.failed},
          {"flaky", counts.flaky},
          {"errors", counts.errors},
          {"skipped", counts.skipped},
          {"redundant", counts.redundant},
          {"unfinished", counts.unfinished},
          {"retrying", counts.retrying},
          {"total", counts.total}};
}

}  // namespace dagz::report
