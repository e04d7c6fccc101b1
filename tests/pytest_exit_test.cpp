#include "sched/runners/pytest_exit.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "sched/exit_status.hpp"

// What the end of the user's command means for this node's exit code, and what people are told.

namespace {

using namespace dagz::sched;

CommandEnd ended(int wait_status, std::vector<std::string> argv = {"pytest"}) {
  CommandEnd end;
  end.argv = std::move(argv);
  end.wait_status = wait_status;
  return end;
}

int exited(int code) { return code << 8; }

}  // namespace

TEST_CASE("exit status: codes and signals are named", "[sched]") {
  CHECK(describe_exit(exited(0)) == "exit status 0");
  CHECK(describe_exit(exited(3)) == "exit status 3");
  CHECK(describe_exit(11) == "SIGSEGV");
  CHECK(describe_exit(9) == "SIGKILL");
  CHECK(describe_exit(11 | 0x80) == "SIGSEGV");  // with a core file
  CHECK(describe_exit(40) == "signal 40");
  CHECK(exit_code_of(exited(255)) == 255);
  CHECK_FALSE(exit_code_of(9));
}

TEST_CASE("pytest exit: pytest's own codes pass through, others are internal errors", "[sched]") {
  for (int code : {2, 3, 4, 5, 6})
    CHECK(explain_command_end(ended(exited(code))).exit_code == code);
  for (int status : {exited(1), exited(7), exited(255), 9, 11}) {
    CHECK(explain_command_end(ended(status)).exit_code == 3);
  }
  CommandEnd end = ended(exited(4));
  end.output = "ERROR: no such option\n";
  CHECK(explain_command_end(end).text ==
        "`pytest` ended too early (exit status 4)\nERROR: no such option\n");
  end.failure = "Traceback";
  CHECK(explain_command_end(end).text ==
        "`pytest` ended too early (exit status 4): Traceback\nERROR: no such option\n");
}

TEST_CASE("pytest exit: who dies while it collects names what it had begun with", "[sched]") {
  CommandEnd end = ended(9);
  end.connected = true;
  end.collecting = "tests/test_a.py";
  CHECK(explain_command_end(end).text ==
        "`pytest` ended too early (SIGKILL); it had last begun to collect tests/test_a.py");
  end.collected = true;
  CHECK(explain_command_end(end).text == "`pytest` ended before its tests were done (SIGKILL)");
}

TEST_CASE("pytest exit: a process that just vanishes does not end well", "[sched]") {
  CommandEnd end = ended(exited(0));
  end.connected = true;
  CHECK(explain_command_end(end).exit_code == 3);
  end.collecting = "tests/test_a.py";
  const RunnerFailed failed = explain_command_end(end);
  CHECK(failed.exit_code == 3);
  CHECK(failed.text ==
        "pytest's process ended before it had collected (exit status 0): it had last begun to "
        "collect tests/test_a.py");
}

TEST_CASE("pytest exit: who ignores PYTHONPATH is told so", "[sched]") {
  CommandEnd end = ended(exited(4), {"python", "-I", "-m", "pytest"});
  end.output =
      "ImportError: Error importing plugin \"dagz_pytest_driver\": No module named "
      "'dagz_pytest_driver'\n";
  const RunnerFailed failed = explain_command_end(end);
  CHECK(failed.exit_code == 4);
  CHECK(failed.text.find("leave out -I and -E\nImportError") != std::string::npos);
}

TEST_CASE("pytest exit: no pytest makes the environment unusable", "[sched]") {
  CommandEnd end = ended(exited(1), {"python3", "-m", "pytest"});
  end.output = "/usr/bin/python3: No module named pytest\n";
  const RunnerFailed failed = explain_command_end(end);
  CHECK(failed.exit_code == 16);
  CHECK(failed.text ==
        "no pytest: `pytest` was not found; install it in this environment or name the command "
        "after --\n/usr/bin/python3: No module named pytest\n");
  // A test file that says so is another matter.
  end.connected = true;
  CHECK(explain_command_end(end).exit_code == 3);

  end = ended(exited(127), {"sh", "-c", "pytst"});
  end.output = "sh: pytst: not found\n";
  CHECK(explain_command_end(end).exit_code == 16);

  const RunnerFailed missing = explain_start_failure({"pytest"}, true, "No such file");
  CHECK(missing.exit_code == 16);
  CHECK(missing.text ==
        "no pytest: `pytest` was not found; install it in this environment or name the command "
        "after --");
  CHECK(explain_start_failure({"tox", "-e", "py"}, true, "No such file").text ==
        "the command `tox` was not found; install it in this environment");
  CHECK(explain_start_failure({"./run"}, false, "Permission denied").text ==
        "cannot start `./run`: Permission denied");
}

TEST_CASE("pytest exit: a suite may end pytest before it has collected", "[sched]") {
  CommandEnd end = ended(exited(7), {"pytest"});
  end.connected = true;
  end.exit_reason = "Exit: no database";
  end.output = "!!! Exit: no database !!!\n";
  const RunnerFailed failed = explain_command_end(end);
  CHECK(failed.exit_code == 2);
  CHECK(failed.text ==
        "pytest was ended before it had collected: Exit: no database\n" + end.output);
  end.wait_status = exited(0);  // pytest.exit("enough", returncode=0)
  CHECK(explain_command_end(end).exit_code == 0);
}

TEST_CASE("pytest exit: a good end without a catalog is good if it was asked for", "[sched]") {
  CommandEnd end = ended(exited(0), {"tox", "-e", "py"});
  end.output = "py: OK\n";
  RunnerFailed failed = explain_command_end(end);
  CHECK(failed.exit_code == 3);
  CHECK(failed.text.find("without starting pytest") != std::string::npos);
  CHECK(failed.text.find("py: OK") != std::string::npos);

  for (const char* flag : {"--version", "-V", "-VV", "-h", "--collect-only", "--co", "--fixtures",
                           "--cache-show=x", "--setup-plan", "--setup-only"}) {
    end.argv = {"pytest", flag};
    failed = explain_command_end(end);
    CHECK(failed.exit_code == 0);
    CHECK(failed.text == "py: OK\n");
  }
  end.argv = {"pytest", "--setup-only"};
  end.wait_status = exited(1);
  CHECK(explain_command_end(end).exit_code == 1);
  end.argv = {"pytest"};
  CHECK(explain_command_end(end).exit_code == 3);
  end.text_only = true;  // addopts = --setup-only
  CHECK(explain_command_end(end).exit_code == 1);
  end.text_only = false;
  end.wait_status = exited(0);
  end.connected = end.session_ended = true;  // by a plug-in, with nothing to say
  CHECK(explain_command_end(end).exit_code == 0);
  end.collected = true;
  CHECK(explain_command_end(end).exit_code == 3);
}
