#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/entry.hpp"
#include "tests/support/members.hpp"

// Log entries of small jobs.

namespace dagz::test {

// The file of jobs that have one.
inline constexpr report::FileKey kFile = 7;

// The claim of a node of `numbered_id`, born at its number.
inline mesh::Claim claim_by(const NodeId& node, uint64_t term = 1) {
  const Birth birth{node.bytes[0], node};
  return {birth, term, birth};
}

// "<path>::t0", "<path>::t1" …
inline std::vector<std::string> names_of(const std::string& path, uint32_t count) {
  std::vector<std::string> ids;
  for (uint32_t i = 0; i < count; ++i) ids.push_back(path + "::t" + std::to_string(i));
  return ids;
}

inline report::Listed listed(report::FileKey key, const std::string& path,
                             std::vector<std::string> ids) {
  const auto count = static_cast<uint32_t>(ids.size());
  return {key, path, count, 0, std::move(ids)};
}

inline report::Listed listed(report::FileKey key, const std::string& path, uint32_t count) {
  return listed(key, path, names_of(path, count));
}

inline report::Named named(uint32_t retries, int64_t started_wall_ms = 1000,
                           const std::string& id = "job") {
  return {id, id, started_wall_ms, retries};
}

inline report::Granted granted(const NodeId& by, const NodeId& to, std::vector<report::Run> runs,
                               bool stolen = false) {
  return {claim_by(by), to, stolen, std::move(runs)};
}

inline report::Finished finished(report::FileKey key, uint32_t index,
                                 report::Outcome outcome = report::Outcome::kPassed,
                                 int64_t started_wall_ms = 2000) {
  report::Finished entry;
  entry.file = key;
  entry.index = index;
  entry.outcome = outcome;
  entry.started_wall_ms = started_wall_ms;
  entry.duration = Duration::milliseconds(10);
  return entry;
}

inline report::Closed closed(const NodeId& by,
                             report::CloseReason reason = report::CloseReason::kComplete) {
  report::Closed entry;
  entry.claim = claim_by(by);
  entry.reason = reason;
  entry.duration = Duration::seconds(1);
  return entry;
}

}  // namespace dagz::test
