#include "mesh/hostlist.hpp"

#include <catch2/catch.hpp>

// The notation in which Slurm names the nodes of a job.

namespace {

using dagz::mesh::expand_hostlist;
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("hostlist: plain names and ranges expand in order", "[mesh]") {
  CHECK(expand_hostlist("") == Names{});
  CHECK(expand_hostlist("m5") == Names{"m5"});
  CHECK(expand_hostlist("n[1-3,07-09],m5") == Names{"n1", "n2", "n3", "n07", "n08", "n09", "m5"});
  CHECK(expand_hostlist("gpu-a.example[8]") == Names{"gpu-a.example8"});
}

TEST_CASE("hostlist: a range keeps the width of its first number", "[mesh]") {
  CHECK(expand_hostlist("n[098-101]") == Names{"n098", "n099", "n100", "n101"});
  CHECK(expand_hostlist("n[9-11]") == Names{"n9", "n10", "n11"});
}

TEST_CASE("hostlist: several brackets multiply and may be followed by text", "[mesh]") {
  CHECK(expand_hostlist("r[1-2]n[1,3]-ib") == Names{"r1n1-ib", "r1n3-ib", "r2n1-ib", "r2n3-ib"});
}

TEST_CASE("hostlist: malformed text is refused as a whole", "[mesh]") {
  const auto text = GENERATE(as<std::string>{}, ",", "a,", ",a", "n[", "n[]", "n[1-]", "n[-1]",
                             "n[3-1]", "n[1,]", "n[a-b]", "n]1", "n[1-2", "n 1", "n[[1]]", "a,,b",
                             "n[1-1234567890]", "n/1", "n[1-2-3]");
  CAPTURE(text);
  CHECK_FALSE(expand_hostlist(text).has_value());
}

TEST_CASE("hostlist: more hosts than the limit are refused before they are built", "[mesh]") {
  CHECK(expand_hostlist("n[1-4096]").value().size() == dagz::mesh::kHostlistMax);
  CHECK_FALSE(expand_hostlist("n[1-4097]").has_value());
  CHECK_FALSE(expand_hostlist("n[1-4000],m[1-97]").has_value());
  CHECK_FALSE(expand_hostlist("a[1-999]b[1-999]c[1-999]").has_value());
}
