#include "options/command_identity.hpp"

#include <catch2/catch.hpp>

using dagz::command_identity;

namespace {

std::string identity(const std::vector<std::string>& argv, const std::string& folder = "/p") {
  return command_identity(argv, folder, "/p");
}

}  // namespace

TEST_CASE("command identity: what selects other tests is another command", "[options]") {
  CHECK(identity({"pytest", "unit"}) == identity({"pytest", "unit"}));
  CHECK(identity({"pytest", "unit"}) != identity({"pytest", "integ"}));
  CHECK(identity({"pytest", "-k", "a"}) != identity({"pytest", "-k", "b"}));
  CHECK(identity({"pytest", "-ka"}) != identity({"pytest", "-k", "a"}));
  CHECK(identity({"pytest", "a b"}) != identity({"pytest", "a", "b"}));
  CHECK(identity({"pytest"}, "/p/unit") != identity({"pytest"}, "/p/integ"));
  CHECK(identity({"sh", "-c", "DB=a pytest"}) != identity({"sh", "-c", "DB=b pytest"}));
}

TEST_CASE("command identity: neither places nor files to write matter", "[options]") {
  CHECK(identity({"/opt/1/bin/python", "-m", "pytest"}) == identity({"python", "-m", "pytest"}));
  CHECK(command_identity({"pytest", "/builds/1/x/tests"}, "/builds/1/x", "/builds/1/x") ==
        command_identity({"pytest", "/builds/2/x/tests"}, "/builds/2/x", "/builds/2/x"));
  CHECK(command_identity({"pytest"}, "/builds/1/x/a", "/builds/1/x") ==
        command_identity({"pytest"}, "/builds/2/x/a", "/builds/2/x"));
  CHECK(identity({"pytest", "--junitxml=r-1.xml", "a"}) ==
        identity({"pytest", "--junitxml", "r-2.xml", "a"}));
  CHECK(identity({"pytest", "--cov-report", "xml:1.xml"}) == identity({"pytest"}));
  // Another folder whose name begins with the project's is none of its own.
  CHECK(identity({"pytest", "/p2/a"}) != identity({"pytest", "./2/a"}));
  CHECK(identity({"pytest", "/p2/a"}) != identity({"pytest", "/p/a"}));
}
