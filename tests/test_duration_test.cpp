#include "report/test_duration.hpp"

#include <catch2/catch.hpp>

#include "report/entry.hpp"

using namespace dagz;
using namespace dagz::report;

namespace {

TestDuration took(std::string id, int64_t ms) {
  return {std::move(id), "", Duration::milliseconds(ms)};
}

std::vector<std::pair<std::string, int64_t>> plain(const std::vector<TestDuration>& durations) {
  std::vector<std::pair<std::string, int64_t>> list;
  for (const TestDuration& one : durations) list.emplace_back(one.id, one.duration.ms());
  return list;
}

}  // namespace

TEST_CASE("test_duration: what was kept moves by a quarter, what is new is taken as it is",
          "[report]") {
  const auto merged = merge_durations({took("b", 100), took("a", 100), took("gone", 7)},
                                      {took("new", 5), took("a", 500), took("b", 20)});
  CHECK(plain(merged) == std::vector<std::pair<std::string, int64_t>>{
                             {"a", 200}, {"b", 80}, {"gone", 7}, {"new", 5}});
}

TEST_CASE("test_duration: only what is not known here is taken from what was kept", "[report]") {
  const auto missing = missing_durations({took("a", 1), took("b", 2)}, {took("a", 9)});
  CHECK(plain(missing) == std::vector<std::pair<std::string, int64_t>>{{"b", 2}});
}

TEST_CASE("test_duration: durations come back as they went in, in little space", "[report]") {
  std::vector<TestDuration> durations;
  for (int i = 0; i < 1000; ++i) {
    durations.push_back(
        took("tests/unit/test_a.py::TestC::test_it[" + std::to_string(1000 + i) + "]", i));
  }
  durations.push_back(took("tests/unit/test_b.py::test_\xff", 1));
  const Buffer bytes = encode_durations(durations);
  const auto decoded = decode_durations(bytes);
  REQUIRE(decoded);
  CHECK(plain(*decoded) == plain(durations));
  CHECK(bytes.size() < durations.size() * 12);
  CHECK(decode_durations(encode_durations({}))->empty());
}

TEST_CASE("test_duration: what is cut, damaged or beyond its limits is refused", "[report]") {
  const Buffer bytes = encode_durations({took("a::b", 300), took("a::c", 300)});
  CHECK_FALSE(decode_durations({}));
  CHECK_FALSE(decode_durations(Bytes(bytes).first(bytes.size() - 1)));
  Buffer newer = bytes;
  newer[0] = 2;
  CHECK_FALSE(decode_durations(newer));
  Buffer longer = encode_durations({took(std::string(kTestIdMax, 'x'), 1)});
  CHECK(decode_durations(longer));
  longer = encode_durations({took(std::string(kTestIdMax + 1, 'x'), 1)});
  CHECK_FALSE(decode_durations(longer));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Buffer damaged = bytes;
    damaged[i] = static_cast<uint8_t>(damaged[i] ^ 0x81);
    decode_durations(damaged);  // whatever comes of it
  }
}
