#include "mesh/archive.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <map>

#include "mesh/rng.hpp"
#include "tests/support/samples.hpp"

// The codec against honest, short, long and hostile bytes.

namespace {

using namespace dagz;

template <class T>
T round_trip(const T& value) {
  T back{};
  REQUIRE(decode(encode(value), back));
  return back;
}

Buffer bytes(std::initializer_list<int> values) {
  Buffer out;
  for (const int value : values) out.push_back(static_cast<uint8_t>(value));
  return out;
}

template <class T>
bool decodes(const Buffer& in) {
  T value{};
  return decode(in, value);
}

struct Names {
  std::vector<std::string> items;
  std::string title;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(items, 3), bounded(title, 5));
  }
};

// Every strict beginning is refused, and so is anything behind the end.
template <class T>
void require_exact_length(const T& value) {
  const Buffer whole = encode(value);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size << " of " << whole.size() << " bytes");
    REQUIRE_FALSE(decodes<T>(Buffer(whole.begin(), whole.begin() + static_cast<long>(size))));
  }
  Buffer longer = whole;
  longer.push_back(0);
  CHECK_FALSE(decodes<T>(longer));
}

}  // namespace

TEST_CASE("archive: integers of every size survive, at their limits too", "[archive]") {
  for (const uint64_t value : {uint64_t{0}, uint64_t{127}, uint64_t{128}, uint64_t{300},
                               uint64_t{1} << 32, uint64_t{1} << 63, UINT64_MAX}) {
    CHECK(round_trip(value) == value);
  }
  for (const int64_t value :
       {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{-64}, int64_t{64}, INT64_MIN, INT64_MAX}) {
    CHECK(round_trip(value) == value);
  }
  CHECK(round_trip(int16_t{-32768}) == -32768);
  CHECK(round_trip(uint8_t{255}) == 255);
  CHECK(round_trip(true));
  CHECK_FALSE(round_trip(false));
}

TEST_CASE("archive: small values of either sign cost one byte", "[archive]") {
  CHECK(encode(uint64_t{127}) == bytes({0x7f}));
  CHECK(encode(uint64_t{128}) == bytes({0x80, 0x01}));
  CHECK(encode(int64_t{-1}) == bytes({0x01}));
  CHECK(encode(int64_t{1}) == bytes({0x02}));
  CHECK(encode(int64_t{-64}) == bytes({0x7f}));
  CHECK(encode(UINT64_MAX).size() == 10);
}

TEST_CASE("archive: an integer beyond 64 bits is refused", "[archive]") {
  const Buffer most = bytes({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01});
  CHECK(decodes<uint64_t>(most));
  Buffer over = most;
  over.back() = 0x02;
  CHECK_FALSE(decodes<uint64_t>(over));
  Buffer longer = most;
  longer.back() = 0x81;
  longer.push_back(0);
  CHECK_FALSE(decodes<uint64_t>(longer));
  CHECK_FALSE(decodes<uint64_t>(Buffer(30, 0x80)));
}

TEST_CASE("archive: a value too large for its type is refused", "[archive]") {
  CHECK_FALSE(decodes<uint8_t>(encode(uint64_t{256})));
  CHECK_FALSE(decodes<uint32_t>(encode(uint64_t{1} << 32)));
  CHECK_FALSE(decodes<int8_t>(encode(int64_t{128})));
  CHECK_FALSE(decodes<int32_t>(encode(int64_t{INT32_MIN} - 1)));
  CHECK_FALSE(decodes<bool>(encode(uint64_t{2})));
}

TEST_CASE("archive: a list or string beyond its limit is refused", "[archive]") {
  CHECK(decodes<Names>(encode(Names{{"a", "b", "c"}, "title"})));
  CHECK_FALSE(decodes<Names>(encode(Names{{"a", "b", "c", "d"}, "title"})));
  CHECK_FALSE(decodes<Names>(encode(Names{{"a"}, "titles"})));
}

TEST_CASE("archive: a length beyond the message is refused before memory is taken", "[archive]") {
  // Each says that about 2^60 elements follow, and ends.
  const Buffer huge = encode(uint64_t{1} << 60);
  CHECK_FALSE(decodes<std::string>(huge));
  CHECK_FALSE(decodes<Buffer>(huge));
  CHECK_FALSE(decodes<std::vector<std::string>>(huge));
  // Within the limit of the list, and still longer than what is left.
  CHECK_FALSE(decodes<Names>(bytes({0x03, 0x00})));
}

TEST_CASE("archive: a variant's number outside the alternatives is refused", "[archive]") {
  using Choice = std::variant<uint8_t, std::string>;
  CHECK(std::get<std::string>(round_trip(Choice{"x"})) == "x");
  for (const int32_t number : {-1, 2, 1000, INT32_MIN, INT32_MAX}) {
    Buffer in = encode(number);
    in.push_back(0);
    CHECK_FALSE(decodes<Choice>(in));
  }
  // Nor does any alternative exist beyond the last message and entry.
  CHECK_FALSE(decodes<Message>(encode(static_cast<int32_t>(std::variant_size_v<Message>))));
  CHECK_FALSE(
      decodes<report::Entry>(encode(static_cast<int32_t>(std::variant_size_v<report::AnyEntry>))));
}

TEST_CASE("archive: all that travels needs exactly its bytes", "[archive]") {
  for (const Message& message : test::sample_messages()) require_exact_length(message);
  for (const report::Entry& entry : test::sample_entries()) require_exact_length(entry);
  require_exact_length(test::sample_batch());
  require_exact_length(test::Actor(1).profile);
  mesh::Envelope envelope;
  REQUIRE(decode(test::sample_hello(), envelope));
  require_exact_length(envelope);
}

TEST_CASE("archive: random and damaged bytes are decoded or refused, never more", "[archive]") {
  Rng rng(20'260'517);
  std::vector<Buffer> seeds;
  for (const Message& message : test::sample_messages()) seeds.push_back(encode(message));
  for (const report::Entry& entry : test::sample_entries()) seeds.push_back(encode(entry));
  seeds.push_back(test::sample_hello());
  std::map<bool, int> seen;
  for (int round = 0; round < 20'000; ++round) {
    Buffer in;
    if (rng.chance(1, 3)) {
      in.resize(rng.below(200));
      for (uint8_t& byte : in) byte = static_cast<uint8_t>(rng.next());
    } else {
      in = seeds[rng.below(seeds.size())];
      const uint64_t changes = 1 + rng.below(4);
      for (uint64_t i = 0; i < changes; ++i) {
        in[rng.below(in.size())] = static_cast<uint8_t>(rng.next());
      }
    }
    ++seen[decodes<Message>(in)];
    ++seen[decodes<report::Entry>(in)];
    decodes<mesh::Envelope>(in);
    decodes<mesh::Profile>(in);
    decodes<mesh::LogBatch>(in);
  }
  // The test means something only if both happened often.
  CHECK(seen[true] > 1000);
  CHECK(seen[false] > 1000);
}
