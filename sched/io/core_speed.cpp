#include "sched/io/core_speed.hpp"

#include <algorithm>
#include <ctime>
#include <string>
#include <unordered_map>

namespace dagz::sched {
namespace {

constexpr int kRounds = 8;
constexpr uint64_t kNames = 1500;
constexpr int64_t kSecond = 1'000'000'000;

// 0 if there is none.
int64_t cpu_ns() {
  timespec time{};
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) != 0) return 0;
  return int64_t{time.tv_sec} * kSecond + time.tv_nsec;
}

// Hashes short strings, allocates, follows pointers, and branches on what it finds.
uint64_t round_of_work(uint64_t salt) {
  std::unordered_map<std::string, uint64_t> names;
  uint64_t state = salt;
  uint64_t sum = 0;
  for (uint64_t i = 0; i < kNames; ++i) {
    state = state * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
    uint64_t& value = names["name_" + std::to_string((state >> 40) % kNames)];
    if (value % 3 == 1) {
      sum += value;
    } else {
      value += i;
    }
    ++value;
  }
  return sum;
}

}  // namespace

uint32_t measure_core_speed() {
  volatile uint64_t sink = 0;  // or the work would be left out
  int64_t best = 0;
  for (int i = 0; i < kRounds; ++i) {
    const int64_t began = cpu_ns();
    sink = sink + round_of_work(1);
    const int64_t took = cpu_ns() - began;
    // A clock that only ticks now and then does not see a round, or sees far too much of it.
    if (took <= 0) return 0;
    // What interrupts a round, or finds its memory cold, makes it slower only.
    if (best == 0 || took < best) best = took;
  }
  return static_cast<uint32_t>(std::max<int64_t>(1, kSecond / best));
}

}  // namespace dagz::sched
