#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "report/property.hpp"

// How much output of failures, and of what tests record, a node writes into its log, which every
// node of the job keeps: in full while few tests fail, of all further ones head and tail. A fixture
// that breaks ten thousand tests has its say in the first hundreds.

namespace dagz::sched {

class OutputBudget {
 public:
  static constexpr uint64_t kBytes = 16 << 20;
  static constexpr std::size_t kHead = 1 << 10;  // beyond that
  static constexpr std::size_t kTail = 3 << 10;

  static constexpr uint64_t kPropertyBytes = 16 << 20;
  static constexpr std::size_t kPropertyHead = 1 << 10;

  // The output as it is to be written, report::kOutputMax bytes at the most.
  std::string take(const std::string& output);
  // What tests record has a budget of its own: beyond it, of each test what comes first.
  report::Properties take(report::Properties properties);

 private:
  uint64_t taken_ = 0;
  uint64_t properties_taken_ = 0;
};

}  // namespace dagz::sched
