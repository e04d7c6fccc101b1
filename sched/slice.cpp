#include "sched/slice.hpp"

#include "sched/test_hash.hpp"

namespace dagz::sched {

bool Slice::has(std::string_view test_id) const {
  return (test_hash(test_id) >> 32) % total == index;
}

}  // namespace dagz::sched
