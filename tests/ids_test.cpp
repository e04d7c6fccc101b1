#include "mesh/ids.hpp"

#include <catch2/catch.hpp>

#include "mesh/archive.hpp"
#include "tests/support/members.hpp"

using namespace dagz;

TEST_CASE("ids: they compare as their bytes do", "[ids]") {
  NodeId low;
  NodeId high;
  low.bytes[15] = 0xff;
  high.bytes[0] = 0x01;
  CHECK(low < high);
  CHECK(NodeId{} < low);
  NodeId top;
  top.bytes[0] = 0x80;  // a byte is never negative
  CHECK(high < top);
}

TEST_CASE("ids: only all zeros is zero", "[ids]") {
  NodeId id;
  CHECK(id.is_zero());
  id.bytes[7] = 1;
  CHECK_FALSE(id.is_zero());
}

TEST_CASE("ids: hex has two digits a byte, the short name eight", "[ids]") {
  NodeId id;
  id.bytes = {0x00, 0x0f, 0xa0, 0xff, 0x12};
  CHECK(to_hex(id) == "000fa0ff120000000000000000000000");
  CHECK(short_name(id) == "000fa0ff");
}

TEST_CASE("ids: they travel as their bytes", "[ids]") {
  const NodeId id = test::numbered_id(200);
  const Buffer bytes = encode(id);
  CHECK(bytes == Buffer(id.bytes.begin(), id.bytes.end()));
  NodeId back;
  REQUIRE(decode(bytes, back));
  CHECK(back == id);
}

TEST_CASE("ids: the earlier birth is first, the id breaks ties", "[ids]") {
  const Birth early{5, test::numbered_id(9)};
  const Birth late{6, test::numbered_id(1)};
  const Birth same{5, test::numbered_id(8)};
  CHECK(early < late);
  CHECK(same < early);
  CHECK(Birth{-1, test::numbered_id(9)} < early);
}
