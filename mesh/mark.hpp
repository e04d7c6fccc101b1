#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

// A rare path that simulated runs must reach, or they prove nothing about it: SQLite's testcase(),
// FoundationDB's code probe. Counted in every build, by the one thread that runs the cores; an
// increment costs next to nothing.

namespace dagz {

class Mark {
 public:
  // At namespace scope only, so that the list is complete before main(). `name` says what happens
  // there: "election: a claim lapses".
  explicit Mark(const char* name) noexcept;
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;
  ~Mark() = default;

  void reach() { ++count_; }
  std::string_view name() const { return name_; }
  uint64_t count() const { return count_; }

  // All of this program, in the order of their names.
  static std::vector<const Mark*> all();

 private:
  const char* name_;
  uint64_t count_ = 0;
  Mark* next_;
};

}  // namespace dagz
