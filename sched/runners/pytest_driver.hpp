#pragma once

#include <span>
#include <string_view>

namespace dagz::sched {

// One Python module of the driver: pytest_driver.py is `dagz_pytest_driver`, its helpers alike.
struct DriverModule {
  std::string_view name;
  std::string_view text;
};

// The driver as embed.cmake put it into the binary.
extern const std::span<const DriverModule> kPytestDriver;

}  // namespace dagz::sched
