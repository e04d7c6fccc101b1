#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "mesh/ids.hpp"
#include "report/entry.hpp"

// What a later attempt of a job need not run: what passed in the attempt before. Nodes may remember
// different attempts, or none. The newest one that any of them remembers decides, and of those that
// remember it one tells the others which tests passed in it. Which attempt comes before this one is
// for each node's shell to know; here the later start is the newer.

namespace dagz::sched {

// An attempt of this job that is over, as a node remembers it.
struct EarlierAttempt {
  std::string full_id;
  std::string short_id;
  int64_t started_wall_ms = 0;
  // Hashes (test_hash) of the tests that need not run again. None if it passed: then all run.
  std::unordered_set<uint64_t> passed;
};

// "the 2 tests that passed there are not run again, unless …"
std::string left_out(std::size_t passed);

class Rerun {
 public:
  explicit Rerun(std::optional<EarlierAttempt> own = std::nullopt);

  // What this node says when it opens.
  std::optional<report::Remembered> opening() const;

  // Every entry, in the order of the fold. True if `has_passed` may answer otherwise from here on.
  bool seen(const NodeId& origin, const report::Entry& entry);

  bool has_passed(std::string_view id) const;
  // Nothing passed, or nobody remembers anything.
  bool is_empty() const;
  // When the newest attempt began that is remembered; 0: there is none.
  int64_t attempt_wall_ms() const { return newest_ ? newest_->started_wall_ms : 0; }
  // The newest attempt that is remembered, if it is not this node's own memory.
  const report::Remembered* from_others() const;

  // True while others lack what this node remembers and nobody has told them all of it.
  bool may_have_to_tell() const;
  // The list, in parts, if this node is the one to tell it: the first of those in `live` that
  // remember the attempt, when some of them do not. Each list is told once.
  std::vector<report::PassedBefore> tell(const NodeId& self, const std::set<NodeId>& live);

 private:
  struct Name {
    int64_t started_wall_ms = 0;
    std::string full_id;
    auto operator<=>(const Name&) const = default;
  };

  void become(const Name& name, const report::Remembered& entry);
  bool is_own() const { return own_ && newest_ && own_name_ == *newest_; }

  const std::optional<EarlierAttempt> own_;
  Name own_name_;
  std::optional<Name> newest_;
  report::Remembered newest_entry_;
  std::unordered_set<uint64_t> told_;            // of the newest, by others
  std::map<NodeId, std::optional<Name>> nodes_;  // what each that has opened remembers
  bool has_told_ = false;
};

}  // namespace dagz::sched
