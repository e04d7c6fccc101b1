#include "sched/bounded_output.hpp"

#include <catch2/catch.hpp>
#include <string>

// Head and tail of a stream, whatever its length and however it comes in pieces.

using dagz::sched::BoundedOutput;

TEST_CASE("bounded output: short streams are kept byte for byte", "[sched]") {
  BoundedOutput output(4, 4);
  CHECK(output.text().empty());
  output.append("abc");
  output.append("def");
  output.append("gh");
  CHECK(output.text() == "abcdefgh");
  CHECK_FALSE(output.truncated());
  CHECK(output.total() == 8);
}

TEST_CASE("bounded output: of long streams head and tail remain", "[sched]") {
  BoundedOutput output(4, 4);
  output.append("abcdefghijkl");
  CHECK(output.truncated());
  CHECK(output.text() == "abcd\n[... 4 bytes left out ...]\nijkl");
  output.append("\n");
  CHECK(output.text() == "abcd\n[... 5 bytes left out ...]\njkl\n");
  output.clear();
  CHECK(output.text().empty());
  output.append("xy\nz0123456789");
  CHECK(output.text() == "xy\nz\n[... 6 bytes left out ...]\n6789");
}

TEST_CASE("bounded output: the sizes of the pieces do not matter", "[sched]") {
  std::string stream;
  for (int i = 0; i < 1'000; ++i) stream += std::to_string(i) + ' ';
  BoundedOutput whole(100, 64);
  whole.append(stream);
  for (std::size_t piece : {1U, 7U, 63U, 64U, 65U, 200U}) {
    BoundedOutput output(100, 64);
    for (std::size_t i = 0; i < stream.size(); i += piece) output.append(stream.substr(i, piece));
    CHECK(output.text() == whole.text());
    CHECK(output.total() == stream.size());
  }
}

TEST_CASE("bounded output: cuts do not split a character", "[sched]") {
  BoundedOutput output(4, 4);
  output.append("ab\xE2\x82\xAC--------\xE2\x82\xAC\xE2\x82\xAC");
  CHECK(output.text() == "ab\n[... 14 bytes left out ...]\n\xE2\x82\xAC");
  BoundedOutput bytes(4, 4);  // no UTF-8 at all
  bytes.append(std::string(20, '\x80'));
  CHECK(bytes.text() == std::string(4, '\x80') + "\n[... 15 bytes left out ...]\n\x80");
}

TEST_CASE("bounded output: nothing may be kept at all", "[sched]") {
  BoundedOutput output(0, 0);
  output.append("abc");
  CHECK(output.text() == "[... 3 bytes left out ...]\n");
}
