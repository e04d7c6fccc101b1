#include "report/junit.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "mesh/rng.hpp"
#include "report/text.hpp"
#include "tests/support/summaries.hpp"

// JUnit XML that CI systems accept, whatever the tests print.

namespace {

using namespace dagz::report;
using dagz::test::attempt;
using dagz::test::job;
using dagz::test::mixed_job;
using dagz::test::test;

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// True too when the machine has no xmllint: the shape is then checked by the other tests alone.
bool is_valid(const std::string& xml) {
  if (std::system("command -v xmllint >/dev/null 2>&1") != 0) {
    WARN("no xmllint: not validated");
    return true;
  }
  const std::string path =
      (std::filesystem::temp_directory_path() / ("dagz-junit-" + std::to_string(getpid()) + ".xml"))
          .string();
  std::ofstream(path, std::ios::binary) << xml;
  const std::string command = "xmllint --noout --huge --schema '" DAGZ_SOURCE_DIR
                              "/tests/support/junit.xsd' '" +
                              path + "' >'" + path + ".log' 2>&1";
  const bool valid = std::system(command.c_str()) == 0;
  if (!valid) {
    std::ifstream log(path + ".log");
    UNSCOPED_INFO(std::string(std::istreambuf_iterator<char>(log), {}));
  }
  std::filesystem::remove(path);
  std::filesystem::remove(path + ".log");
  return valid;
}

}  // namespace

TEST_CASE("junit: a job of every verdict is valid against the schema", "[report]") {
  JobSummary summary = mixed_job();
  summary.ci_url = "https://ci/?a=1&b=<2>";
  CHECK(is_valid(format_junit(summary)));
  CHECK(is_valid(format_junit(job({}))));
}

TEST_CASE("junit: any bytes in any place stay valid XML", "[report]") {
  dagz::Rng rng(3);
  const auto noise = [&rng] {
    std::string bytes;
    for (int i = 0; i < 200; ++i) bytes.push_back(static_cast<char>(rng.below(256)));
    return bytes;
  };
  std::vector<TestSummary> tests;
  for (int i = 0; i < 50; ++i) {
    tests.push_back(test("a.py::" + noise(), {attempt(Outcome::kFailed, 1, noise(), noise()),
                                              attempt(Outcome::kError, 1, noise(), noise())}));
  }
  JobSummary summary = job(std::move(tests));
  summary.nodes[0].host = noise();
  summary.collection_errors = {{noise(), noise()}};
  CHECK(is_valid(format_junit(summary)));
}

TEST_CASE("junit: what a test recorded stands first, of the last attempt that did", "[report]") {
  AttemptSummary first = attempt(Outcome::kFailed);
  first.properties = {{"tries", "1"}};
  AttemptSummary second = attempt(Outcome::kPassed);
  second.properties = {{"tries", "2"}, {"a<b", "\"\x01"}};
  const std::string text =
      "<properties><property name=\"tries\" value=\"2\"/><property "
      "name=\"a&lt;b\" value=\"&quot;#x01\"/></properties>";
  const std::string flaky = format_junit(job({test("a.py::t", {first, second})}));
  CHECK(contains(flaky, "file=\"a.py\">" + text + "<flakyFailure"));
  CHECK(is_valid(flaky));
  CHECK(contains(format_junit(job({test("a.py::t", {second})})), ">" + text + "</testcase>"));
}

TEST_CASE("junit: what was recorded of the suite stands before all tests, once", "[report]") {
  AttemptSummary first = attempt(Outcome::kFailed);
  first.properties = {{"tries", "1"}, {"database", "8<9", true}, {"dagz.job", "other", true}};
  AttemptSummary second = attempt(Outcome::kPassed);
  second.properties = {{"database", "8<9", true}};
  AttemptSummary third = attempt(Outcome::kPassed);
  third.properties = {{"database", "9", true}};
  const std::string xml =
      format_junit(job({test("a.py::t", {first, second}), test("a.py::u", {third})}));
  CHECK(contains(xml,
                 "<properties>\n<property name=\"database\" value=\"8&lt;9\"/>\n"
                 "<property name=\"dagz.job\" value=\"other\"/>\n"
                 "<property name=\"database\" value=\"9\"/>\n<property name=\"dagz.job\""));
  CHECK(contains(xml, "<properties><property name=\"tries\" value=\"1\"/></properties>"));
  CHECK(is_valid(xml));
}

TEST_CASE("junit: one suite with the totals of the job", "[report]") {
  const std::string xml = format_junit(mixed_job());
  CHECK(contains(xml,
                 "<testsuite name=\"pytest\" tests=\"11\" failures=\"3\" errors=\"2\" "
                 "time=\"252.300\" skipped=\"3\" timestamp=\"2026-05-17T10:11:12\" "
                 "hostname=\"host-a\">"));
  CHECK(contains(xml, "<property name=\"dagz.job\" value=\"job-1\"/>"));
}

TEST_CASE("junit: a passed test is one short element", "[report]") {
  CHECK(
      contains(format_junit(mixed_job()),
               "<testcase classname=\"t.a\" name=\"test_ok\" time=\"0.042\" file=\"t/a.py\"/>\n"));
}

TEST_CASE("junit: a failure after retries names the other tries", "[report]") {
  CHECK(contains(
      format_junit(mixed_job()),
      "<testcase classname=\"t.a\" name=\"test_fail\" time=\"0.520\" file=\"t/a.py\">"
      "<failure message=\"AssertionError: 1 != 2\" type=\"failed\">E  assert 1 == 2\n</failure>"
      "<rerunFailure message=\"AssertionError: 0 != 2\" type=\"failed\"><stackTrace>first trace\n"
      "</stackTrace></rerunFailure><system-out>attempt 1 of 2: failed after 0.510s on worker #3 of "
      "node-2\nfirst trace\n\nattempt 2 of 2: failed after 0.520s on worker #3 of node-2\n"
      "</system-out></testcase>\n"));
}

TEST_CASE("junit: a flaky test counts as passed and keeps its failure", "[report]") {
  const std::string xml = format_junit(job({mixed_job().tests[3]}));
  CHECK(contains(xml, "<flakyFailure message=\"once\" type=\"failed\"><stackTrace>flaky trace"));
  CHECK(contains(xml, "failures=\"0\""));
  CHECK_FALSE(contains(xml, "<failure"));
}

TEST_CASE("junit: skipped, xfailed and unfinished tests say why", "[report]") {
  const std::string xml = format_junit(mixed_job());
  CHECK(contains(xml, "<skipped type=\"pytest.skip\" message=\"not on Linux\"/>"));
  CHECK(contains(xml, "<skipped type=\"pytest.xfail\" message=\"known\"/>"));
  CHECK(contains(xml, "<skipped type=\"dagz.not_run\""));
}

TEST_CASE("junit: a collection error is a case of its own", "[report]") {
  CHECK(contains(format_junit(mixed_job()),
                 "<testcase classname=\"\" name=\"t.broken\" time=\"0.000\" file=\"t/broken.py\">"
                 "<error message=\"collection failure\" type=\"collection\">\nImportError"));
}

TEST_CASE("junit: ids are split as pytest splits them", "[report]") {
  struct Row {
    const char* id;
    const char* class_name;
    const char* name;
  };
  const Row rows[] = {
      {"a/b.py::TestX::test_y[p]", "a.b.TestX", "test_y[p]"},
      {"a/b.py::test_y[a::b/c.py]", "a.b", "test_y[a::b/c.py]"},
      {"test_a.py::test", "test_a", "test"},
      {"t/a.py", "", "t.a"},
      {"a/b.py::A::B::test", "a.b.A.B", "test"},
      {"docs/x.rst::x.rst", "docs.x.rst", "x.rst"},
      {"", "", ""},
      {"a.py::", "a", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.id);
    CHECK(junit_address(row.id).class_name == row.class_name);
    CHECK(junit_address(row.id).name == row.name);
  }
}

TEST_CASE("junit: escapes as pytest's files have them", "[report]") {
  CHECK(escape_xml("a<b>&\"'\n\t", false) == "a&lt;b&gt;&amp;\"'\n\t");
  CHECK(escape_xml("\"\n\t\r", true) == "&quot;&#10;&#9;&#13;");
  CHECK(escape_xml(std::string_view("\0\x1b\x7f", 3), false) == "#x00#x1B#x7F");
  CHECK(escape_xml("\xff\xef\xbf\xbf", false) == "#xFF#xFFFF");
  CHECK(escape_xml("]]>", false) == "]]&gt;");
}
