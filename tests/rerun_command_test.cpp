#include "report/rerun_command.hpp"

#include <catch2/catch.hpp>

// The command of a job, for one test of it.

using namespace dagz::report;

namespace {

using Words = std::vector<std::string>;

// The line for a test of a job that ran `command`, of which pytest was given `all`.
std::string line(const Words& command, const Words& all, const Words& options,
                 const std::string& to_root = "") {
  return rerun_line(rerun_of(command, {all, options, to_root}), "t/a.py::test");
}

const std::string kStart = "dagz run -n 1 --retries 0 -- ";
const std::string kUnknown = kStart + "pytest 't/a.py::test'";

}  // namespace

TEST_CASE("rerun command: the job's own, with the id for the tests that it names", "[logs]") {
  CHECK(line({"pytest"}, {}, {}) == kStart + "pytest 't/a.py::test'");
  CHECK(line({"/venv/bin/pytest"}, {}, {}) == kStart + "/venv/bin/pytest 't/a.py::test'");
  CHECK(line({"python3", "-m", "pytest", "-c", "conf.ini", "--rootdir=x"},
             {"-c", "conf.ini", "--rootdir=x"}, {"-c", "conf.ini", "--rootdir=x"},
             "x/") == kStart + "python3 -m pytest -c conf.ini --rootdir=x 'x/t/a.py::test'");
  CHECK(line({"tox", "-e", "py", "--", "t", "-x", "u"}, {"t", "-x", "u"}, {"-x"}) ==
        kStart + "tox -e py -- -x 't/a.py::test'");
  CHECK(line({"uv", "run", "pytest"}, {}, {}) == kStart + "uv run pytest 't/a.py::test'");
  CHECK(line({"pytest", "-k", "a and b", "t"}, {"-k", "a and b", "t"}, {"-k", "a and b"}) ==
        kStart + "pytest -k 'a and b' 't/a.py::test'");
  CHECK(line({"pytest", "--", "t"}, {"--", "t"}, {"--"}) == kStart + "pytest -- 't/a.py::test'");
}

TEST_CASE("rerun command: the id is no option's value", "[logs]") {
  CHECK(line({"pytest", "t", "--cov"}, {"t", "--cov"}, {"--cov"}) ==
        kStart + "pytest --cov -- 't/a.py::test'");
  CHECK(line({"pytest", "-qx"}, {"-qx"}, {"-qx"}) == kStart + "pytest -qx 't/a.py::test'");
  CHECK(line({"pytest", "-n4"}, {"-n4"}, {"-n4"}) == kStart + "pytest -n4 -- 't/a.py::test'");
}

TEST_CASE("rerun command: pytest alone where the command may not hand on its end", "[logs]") {
  CHECK(line({"tox", "-e", "py"}, {}, {}) == kUnknown);
  CHECK(line({"make", "pytest"}, {}, {}) == kUnknown);
  CHECK(line({"tox", "-e", "py", "--", "-x"}, {"--color=no", "-x"}, {"--color=no", "-x"}) ==
        kUnknown);
  CHECK(line({"sh", "-c", "pytest t -x"}, {"t", "-x"}, {"-x"}) == kUnknown);
  CHECK(line({"-x"}, {"-x"}, {"-x"}) == kUnknown);
  CHECK(line({}, {}, {}) == kUnknown);
  // Nothing comes into the line that the user has not written.
  CHECK(line({"pytest", "-x", "t"}, {"-x", "t"}, {"-x", "; true"}) == kUnknown);
  CHECK(rerun_line({}, "it's") == kStart + R"(pytest 'it'\''s')");
}
