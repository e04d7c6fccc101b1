#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "mesh/io/descriptor.hpp"

namespace dagz::sched {

// Which of the tests that a worker was told it may begin: a named pipe that holds a ticket, the
// test's number, for each of them. The worker draws the next one right before it begins; whatever
// is still in the pipe can be taken back, so that each test is either begun or back, and neither
// side asks the other. Reads and writes of a pipe exclude each other, and tickets are all of one
// size (pipe(7)).
class Tickets {
 public:
  static constexpr std::size_t kBytesEach = sizeof(uint32_t);  // little-endian

  Tickets() = default;
  // Makes the pipe anew. If that fails, errno says why.
  explicit Tickets(const std::string& path);
  bool open() const { return pipe_.valid(); }

  // The next `count` numbers, the first being 0. False if the pipe did not take them all: somebody
  // meddles.
  bool put(std::size_t count);
  // Of the last that were put, how many were not drawn, and will not be any more.
  std::size_t take_back();

 private:
  Descriptor pipe_;
  uint32_t next_ = 0;
};

}  // namespace dagz::sched
