#include "sched/worker_speed.hpp"

#include <catch2/catch.hpp>

#include "sched/io/core_speed.hpp"

using namespace dagz::sched;

TEST_CASE("worker speed: that of a core, if there is one for each", "[sched]") {
  CHECK(worker_speed(1000, {8, {}, {}}, 1) == 1000);
  CHECK(worker_speed(1000, {8, {}, {}}, 8) == 1000);
  CHECK(worker_speed(1000, {0, {}, {}}, 8) == 1000);
  CHECK(worker_speed(1000, {8, CpuQuota{900'000, 100'000}, {}}, 8) == 1000);
}

TEST_CASE("worker speed: workers share what CPUs there are", "[sched]") {
  CHECK(worker_speed(1000, {2, {}, {}}, 8) == 250);
  CHECK(worker_speed(1000, {8, CpuQuota{20'000, 100'000}, {}}, 1) == 200);
  CHECK(worker_speed(1000, {8, CpuQuota{150'000, 100'000}, {}}, 3) == 500);
  CHECK(worker_speed(1000, {2, CpuQuota{300'000, 100'000}, {}}, 4) == 500);
}

TEST_CASE("worker speed: what is not known stays so, and nobody is infinitely slow", "[sched]") {
  CHECK(worker_speed(0, {2, {}, {}}, 8) == 0);
  CHECK(worker_speed(1000, {2, {}, {}}, 0) == 1000);
  CHECK(worker_speed(3, {1, {}, {}}, 1000) == 1);
  CHECK(worker_speed(1000, {8, CpuQuota{0, 0}, {}}, 2) == 1000);
  CHECK(worker_speed(4'000'000'000, {8, CpuQuota{INT64_MAX, INT64_MAX}, {}}, 2) == 2'000'000'000);
}

TEST_CASE("worker speed: this machine has one", "[sched]") { CHECK(measure_core_speed() > 0); }
