"""What the command does besides running tests: other programs, a second pytest, the end of its session."""

import json
import re
import signal
import sys
import time

import pytest

from job import PATIENCE, same_report

PYTEST = f"{sys.executable} -m pytest -p no:cacheprovider"


def shell(job, script, **more):
    return job.start("-n", "1", "--retries", "0", command=["bash", "-c", script], **more)


@pytest.fixture
def passing(job):
    job.write("test_fine.py", "def test_fine(): pass\n")
    return job


@pytest.mark.parametrize("script, code, words", [
    (f"set -e; {PYTEST} test_fine.py; echo the lint; exit 42", 42, "`bash` ended with status 42"),
    (f"{PYTEST} test_fine.py && false", 1, "`bash` ended with status 1"),
    (f"{PYTEST} test_fine.py; kill -9 $$", 3, "`bash` ended with status 3"),
    (f"{PYTEST} test_fine.py; echo the lint", 0, ""),
])
def test_the_rest_of_the_command_has_its_say(passing, script, code, words):
    node = shell(passing, script)
    assert node.wait() == code, node.errors
    assert "PASSED: 0 failed, 1 passed" in node.summary() and words in node.errors
    assert "echo" not in script or "the lint" in node.everything()


@pytest.mark.parametrize("collect", ["whole", "shared"])
def test_a_second_pytest_of_the_command_runs_by_itself(passing, collect):
    """It is not in the report, but its failure is not lost."""
    passing.write("test_fine.py", "import pytest, time\n@pytest.mark.parametrize('i', range(9))\n"
                  "def test_fine(i): time.sleep(0.4)\n")
    passing.write("test_bad.py", "def test_bad(): assert 0\n")
    script = f"{PYTEST} test_fine.py && {PYTEST} test_bad.py"
    nodes = [shell(passing, script, DAGZ_COLLECT=collect) for _ in range(2)]
    assert [node.wait() for node in nodes] == [1, 1]
    same_report(nodes)
    for node in nodes:
        assert " 9 passed" in node.summary() and "FAILED test_bad.py::test_bad" in node.everything()
        assert "INTERNALERROR" not in node.everything()


def test_what_comes_after_pytest_is_waited_for(passing):
    node = shell(passing, f"{PYTEST} test_fine.py; sleep 3; touch done", DAGZ_GRACE="1s")
    assert node.wait() == 0
    assert "pytest has ended; `bash` goes on" in node.errors
    assert (passing.suite / "done").exists()


def test_a_session_without_tests_is_no_failure_where_others_have_some(job):
    job.write("test_it.py", "import time\ndef test_it(): time.sleep(3)\n")
    busy = job.start("-n", "1", pytest=["-q"])
    idle = job.start("-n", "1", pytest=["-q", "-k", "nothing"])
    assert [busy.wait(), idle.wait()] == [0, 0], idle.errors
    assert "status 5" not in idle.errors
    same_report([busy, idle])


@pytest.mark.parametrize("script, code", [
    ("exit 1", 3),
    ("true", 3),
    ("echo 'no module named foo' >&2; exit 127", 16),
    (f"{PYTEST} -k nothing; exit 9", 9),
    (f"{PYTEST} -k nothing", 0),
])
def test_a_node_whose_command_fails_says_so_though_others_finish(job, script, code):
    job.write("test_it.py", "import pytest, time\n@pytest.mark.parametrize('i', range(5))\n"
              "def test_it(i): time.sleep(0.5)\n")
    busy = job.start("-n", "1")
    broken = shell(job, f"until test -e met; do sleep 0.05; done; {script}")
    broken.wait_for_error(r"^dagz: 2 nodes")
    job.write("met", "")
    assert [busy.wait(), broken.wait()] == [0, code], broken.errors
    same_report([busy, broken])


def test_a_file_that_ends_the_process_is_no_good_end(job):
    job.write("test_it.py", "def test_it(): assert 0\n")
    job.write("test_quits.py", "import os\nos._exit(0)\n")
    node = job.start("-n", "1", "--collect", "whole")
    assert node.wait() == 3
    assert "it had last begun to collect test_quits.py" in node.errors


def test_an_interrupt_of_one_node_as_the_job_ends_is_no_failure(job, tmp_path):
    """All tests have passed, and this node tears down; nothing of the job is cut."""
    job.write("conftest.py", "import os, pathlib, pytest, time\n@pytest.fixture(scope='session', autouse=True)\n"
              "def slow():\n    yield\n    pathlib.Path(os.environ['MARK']).touch()\n    time.sleep(2)\n")
    job.write("test_it.py", "import pytest, time\n@pytest.mark.parametrize('i', range(6))\n"
              "def test_it(i): time.sleep(0.2)\n")
    marks = [tmp_path / str(number) for number in range(2)]
    nodes = [job.start("-n", "1", MARK=str(mark)) for mark in marks]
    first = nodes[0]
    until = time.monotonic() + PATIENCE
    while not marks[0].exists() and time.monotonic() < until:
        time.sleep(0.01)
    first.send(signal.SIGINT)
    assert [node.wait() for node in nodes] == [0, 0], first.errors
    assert "interrupted" in first.errors and "a plug-in decided so" not in first.errors
    same_report(nodes)


def test_with_exit_own_the_failures_of_others_do_not_count(job):
    job.write("test_it.py", "import pytest, time\n@pytest.mark.parametrize('i', range(12))\n"
              "def test_it(i):\n    time.sleep(0.3)\n    assert i != 5\n")
    nodes = [job.start("-n", "1", "--exit", "own", "--retries", "0") for _ in range(2)]
    codes = [node.wait() for node in nodes]
    same_report(nodes)
    failed = [any(" FAILED " in line for line in node.lines if "█" in line and f"worker #{number}" in line)
              for number, node in enumerate(nodes)]
    assert sorted(codes) == [0, 1], failed
    assert not any("a plug-in decided so" in node.errors for node in nodes)


@pytest.mark.parametrize("collect", ["whole", "shared"])
def test_what_did_not_run_stays_among_the_last_failed(job, collect):
    job.write("test_it.py", "import pytest\n@pytest.mark.parametrize('i', range(40))\ndef test_it(i): assert i % 39\n")

    def known(*options):
        node = job.start("-n", "1", "--retries", "0", "--collect", collect, *options,
                         command=[sys.executable, "-m", "pytest"])
        assert node.wait() == 1
        return set(json.loads((job.suite / ".pytest_cache/v/cache/lastfailed").read_text()))

    both = {"test_it.py::test_it[0]", "test_it.py::test_it[39]"}
    assert known() == both
    assert known("--max-fail", "1:now") == both


@pytest.mark.parametrize("body, reason, code", [
    ("pytest.exit('enough')", "Exit: enough", 2),
    ("raise KeyboardInterrupt", "KeyboardInterrupt", 2),
    ("request.session.shouldstop = 'a plug-in says so'", "a plug-in says so", 2),
    ("request.session.shouldfail = 'a plug-in says so'", "a plug-in says so", 1),
])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_test_that_ends_the_run_takes_no_other_down(job, body, reason, code, workers):
    # Long enough for the stop to be heard before all is done.
    job.write("test_it.py", "import pytest, time\ndef test_1(): pass\n@pytest.mark.parametrize('i', range(80))\n"
              f"def test_2(i, request):\n    if i == 3: {body}\n    time.sleep(0.1)\n" "def test_3(): pass\n")
    nodes = [job.start("-n", workers) for _ in range(2)]
    codes = [node.wait() for node in nodes]
    same_report(nodes)
    everything = nodes[0].everything() + nodes[1].everything()
    assert codes == [code, code] and reason in everything
    assert "ERROR" not in everything and "RETRY" not in everything
    if "session.should" not in body:
        assert any(re.match(rf"STOPPED  test_it.py::test_2\[3\] .* {reason}$", line) for line in nodes[0].report())
    assert "CRASHED" not in everything and "not run" in nodes[0].summary()
    assert not any(line.startswith("FAILED") for line in nodes[0].report())


@pytest.mark.parametrize("collect", ["whole", "shared"])
def test_a_hook_that_ends_the_run_interrupts_it(job, collect):
    job.write("conftest.py", "import pytest\ndef pytest_collection_modifyitems():\n"
              "    pytest.exit('no database', returncode=7)\n")
    job.write("test_it.py", "def test_it(): pass\n")
    node = job.start("-n", "1", "--collect", collect)
    assert node.wait() == 2, node.everything()
    assert "Exit: no database" in (node.errors if collect == "whole" else "\n".join(node.report()))


SESSION = """
import os, pathlib, pytest, time
@pytest.fixture(scope="session")
def machine():
    yield
    {}
def test_it(machine): pass
"""


def test_a_tear_down_at_the_end_has_time(job):
    """Longer than `--grace`, which is for what is told to end: it may stop a database."""
    job.write("test_it.py", SESSION.format("time.sleep(2.5); pathlib.Path('down').touch(); raise ValueError('leaked')"))
    node = job.start("-n", "1", "--retries", "0", "--grace", "1s")
    assert node.wait() == 1
    assert (job.suite / "down").exists()
    assert any(line.startswith("ERROR    test_it.py::test_it") and "leaked" in line for line in node.report())


@pytest.mark.parametrize("body, options, outcome, words", [
    ("time.sleep(600)", ["--test-timeout", "1s", "--grace", "1s"], "TIMEOUT", "took longer than 1.0s"),
    ("os._exit(0)", [], "ERROR", "the worker process died as it tore the session down"),
])
def test_a_tear_down_that_does_not_end_well_is_no_pass(job, body, options, outcome, words):
    job.write("test_it.py", SESSION.format(body))
    nodes = [job.start("-n", "1", "--retries", "0", *options) for _ in range(2)]
    assert [node.wait() for node in nodes] == [1, 1]
    same_report(nodes)
    assert any(line.startswith(outcome) and words in line for line in nodes[0].report()), nodes[0].report()


@pytest.mark.parametrize("where", ["addopts", "PYTEST_ADDOPTS"])
def test_to_show_tests_may_be_asked_for_anywhere(passing, where):
    variables = {}
    if where == "addopts":
        passing.write("pytest.ini", "[pytest]\naddopts = --collect-only\n")
    else:
        variables = {where: "--collect-only"}
    node = passing.start("-n", "1", **variables)
    assert node.wait() == 0, node.errors
    assert "test_fine" in node.everything() and "DAGZ job report" not in node.everything()
