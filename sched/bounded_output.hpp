#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// Keeps the beginning and the end of a stream of bytes, whatever its length: the beginning says
// what was started, the end why it stopped. Memory stays below head_max + 2 * tail_max.

namespace dagz::sched {

class BoundedOutput {
 public:
  BoundedOutput(std::size_t head_max, std::size_t tail_max)
      : head_max_(head_max), tail_max_(tail_max) {}

  void append(std::string_view bytes);
  void clear();

  uint64_t total() const { return total_; }  // bytes appended since the start or `clear`
  bool truncated() const { return total_ > head_max_ + tail_max_; }

  // Byte for byte what was appended or, once truncated, head and tail with a line between them that
  // says how many bytes are missing; the cuts do not split a UTF-8 character.
  std::string text() const;

 private:
  std::size_t head_max_;
  std::size_t tail_max_;
  uint64_t total_ = 0;
  std::string head_;
  std::string tail_;  // trimmed lazily
};

}  // namespace dagz::sched
