"""Whole jobs with the shipped binary: several nodes, one report."""

import collections
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree

import pytest

from job import PATIENCE, ROOT, same_report


def until(condition):
    patience = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < patience
        time.sleep(0.01)


MIXED = """
import os, signal, unittest, pytest

@pytest.mark.parametrize("word", ["plain", "é", "日本", "a b", "x/y", "[]", "\\U0001f600"])
def test_word(word): pass

def test_fails():
    print("said before")
    assert 1 == 2

@pytest.fixture
def broken(): raise ValueError("no set-up")

def test_error(broken): pass

@pytest.fixture
def leaky():
    yield
    raise ValueError("no tear-down")

def test_teardown(leaky): pass

@pytest.mark.skip(reason="not today")
def test_skipped(): pass

@pytest.mark.xfail
def test_xfails(): assert 0

@pytest.mark.xfail
def test_xpasses(): pass

@pytest.mark.xfail(strict=True)
def test_xpasses_strictly(): pass

class TestCase(unittest.TestCase):
    def test_parts(self):
        for i in range(3):
            with self.subTest(i=i):
                self.assertNotEqual(i, 1)
    @unittest.expectedFailure
    def test_expected(self): self.fail()
"""

CRASHING = """
import os, signal
def test_exits(): os._exit(7)
def test_segfaults(): os.kill(os.getpid(), signal.SIGSEGV)
def test_survives(): pass
"""

SLOW = """
import pytest, time
@pytest.mark.parametrize("i", range(24))
def test_slow(i): time.sleep(0.25)
"""


def test_one_node_tells_every_verdict(job):
    job.write("test_mixed.py", MIXED)
    node = job.start("-n", "2", "--retries", "0")
    assert node.wait() == 1
    verdicts = {match[7].split("::", 1)[1]: match[6] for match in node.progress()}
    assert len(verdicts) == 16
    assert verdicts["test_fails"] == verdicts["TestCase::test_parts"] == "FAILED"
    assert verdicts["test_xpasses_strictly"] == "FAILED"
    assert verdicts["test_error"] == verdicts["test_teardown"] == "ERROR"
    assert verdicts["test_skipped"] == "SKIPPED"
    assert verdicts["test_xfails"] == verdicts["TestCase::test_expected"] == "XFAIL"
    assert verdicts["test_xpasses"] == "XPASS"
    assert "said before" in node.lines
    assert (
        ": 3 failed, 8 passed, 0 flaky, 2 errors, 3 skipped, 0 redundant of 16 tests"
        in node.summary()
    )


def test_three_nodes_print_the_same_bytes(job):
    job.write("test_mixed.py", MIXED)
    job.write("test_crashing.py", CRASHING)
    job.write("test_slow.py", SLOW)
    assert job.run(3, "-n", "2", "--retries", "0") == [1, 1, 1]
    report = same_report(job.nodes)
    assert any(line.startswith("CRASHED  test_crashing.py::test_segfaults") and "SIGSEGV" in line
               for line in report)
    assert any(line.startswith("CRASHED  test_crashing.py::test_exits") for line in report)
    assert "5 failed, 33 passed, 0 flaky, 2 errors, 3 skipped" in job.nodes[0].summary()
    assert " 3 nodes · 6 workers " in report[-2]
    told = collections.Counter()
    for node in job.nodes:
        assert all(sum(map(int, match.group(1, 2, 3, 4))) == int(match[5]) for match in node.progress())
        told.update({match[7] for match in node.progress()})
    assert len(told) == 43


def test_flaky_tests_pass_on_a_retry(job):
    job.write("test_flaky.py", """
import pathlib
def test_flaky(tmp_path_factory):
    mark = pathlib.Path(__file__).parent / "seen"
    if not mark.exists():
        mark.touch()
        assert 0, "first time"
def test_hopeless(): assert 0
def test_fine(): pass
""")
    node = job.start("-n", "1")
    assert node.wait() == 1
    assert "1 failed, 1 passed, 1 flaky" in node.summary()
    assert any(line.startswith("OK_FLAKY test_flaky.py::test_flaky") for line in node.report())
    assert not any("fails the job" in line for line in node.report())


SLOWLY_FLAKY = """
import pathlib, time
here = pathlib.Path(__file__).parent
def test_flaky():
    if not (here / "seen").exists():
        (here / "seen").touch()
        assert 0, "first time"
def test_fine():
    while not (here / "go").exists(): time.sleep(0.01)
"""


def two_nodes_of_a_flaky_job(job, first_options, second_options):
    """The first names the job."""
    job.write("test_flaky.py", SLOWLY_FLAKY)
    first = job.start("-n", "1", *first_options)
    until((job.suite / "seen").exists)
    second = job.start("-n", "1", *second_options)
    second.wait_for_error("2 nodes after")
    job.write("go", "")
    return first, second


def test_a_flaky_test_fails_a_job_that_says_so(job):
    """On all nodes, though only the one that named the job was told so, and wherever the job is shown."""
    first, second = two_nodes_of_a_flaky_job(job, ["--flaky", "fail", "--color", "always"], [])
    assert [first.wait(), second.wait()] == [19, 19]
    report = second.report()
    assert " FAILED: 0 failed, 1 passed, 1 flaky" in second.summary()
    assert report.count("--flaky fail: 1 flaky test fails the job") == 1
    red = [line for line in first.lines if line.startswith("\x1b[31m")]
    assert [re.sub(r"\x1b\[\d*m", "", line) for line in red][-len(report):] == report
    for node in first, second:
        assert node.kept_report() == "\n".join(report) + "\n"
        kept = json.loads(node.kept_report("json"))
        assert (kept["status"], kept["flaky_fails"]) == ("FAILED", True)
        assert "FAILED" in node.kept_report("markdown").splitlines()[0]
        jobs = node.ask("jobs", "--state-dir", str(node.state)).stdout
        assert re.search(r"^j\d{4}\.\d+ +FAILED ", jobs, re.M)


def test_what_the_one_that_named_the_job_did_without_is_not_in_force(job):
    first, second = two_nodes_of_a_flaky_job(job, [], ["--flaky", "fail"])
    assert [first.wait(), second.wait()] == [0, 0]
    assert " PASSED: 0 failed, 1 passed, 1 flaky" in same_report([first, second])[-3]
    assert "--flaky fail is not in force: the node that named the job did without it" in second.errors


RETRIED = """
import os, pathlib, pytest, time
@pytest.mark.parametrize("i", range(24))
def test_busy(i): time.sleep(0.2)
def test_hopeless():
    with open(pathlib.Path(__file__).parent / "tries", "a") as file:
        file.write("%s %s %d\\n" % (os.environ["DAGZ_NODE"], os.environ["DAGZ_WORKER"], os.getpid()))
    assert 0
"""


@pytest.mark.parametrize("count", [1, 2])
def test_a_retry_comes_at_once_and_the_next_elsewhere_in_a_fresh_process(job, count):
    job.write("test_retried.py", RETRIED)
    nodes = [job.start("-n", "2") for _ in range(count)]
    assert [node.wait() for node in nodes] == [1] * count
    tries = [line.split() for line in (job.suite / "tries").read_text().splitlines()]
    assert len(tries) == 3
    assert tries[0] == tries[1], tries
    assert tries[2][2] != tries[0][2]
    if count == 2:
        assert tries[2][0] != tries[0][0], tries
    last = [match for node in nodes for match in node.progress() if "hopeless" in match[7]]
    assert {match[6] for match in last} == {"RETRY", "FAILED"}


def test_when_much_fails_it_is_not_tried_again(job):
    job.write("test_much.py", "import pytest\n@pytest.mark.parametrize('i', range(60))\n"
              "def test_much(i): assert i % 2\n")
    node = job.start("-n", "2")
    assert node.wait() == 1
    assert "30 failed, 30 passed" in node.summary()
    assert len([m for m in node.progress() if m[6] == "RETRY"]) <= 45
    failed = {match[7] for match in node.progress() if match[6] == "FAILED"}
    assert len(failed) == 30


def test_a_late_node_takes_part(job):
    job.write("test_slow.py", SLOW)
    first = job.start("-n", "1")
    first.wait_for_progress(2)
    late = job.start("-n", "1")
    assert first.wait() == late.wait() == 0
    same_report([first, late])
    assert late.progress()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_node_that_is_stopped_hands_its_work_back(job, which):
    job.write("test_slow.py", SLOW)
    nodes = [job.start("-n", "1")]
    nodes[0].wait_for_progress()
    nodes += [job.start("-n", "1"), job.start("-n", "1")]
    for node in nodes:
        node.wait_for_progress()
    nodes[which].send(signal.SIGTERM)
    codes = [node.wait() for node in nodes]
    assert codes[which] == 2
    rest = [node for i, node in enumerate(nodes) if i != which]
    same_report(rest)
    assert "24 passed" in rest[0].summary() and " 0 lost nodes" in rest[0].report()[-2]


def test_a_killed_scheduler_loses_no_test(job):
    job.write("test_slow.py", SLOW)
    nodes = [job.start("-n", "1")]
    nodes[0].wait_for_progress()
    nodes += [job.start("-n", "1"), job.start("-n", "1")]
    nodes[1].wait_for_progress()
    nodes[0].send(signal.SIGKILL)
    assert [node.wait() for node in nodes[1:]] == [0, 0]
    same_report(nodes[1:])
    assert "24 passed" in nodes[1].summary()


def test_interrupting_all_still_reports(job):
    job.write("test_slow.py", SLOW)
    nodes = [job.start("-n", "1") for _ in range(2)]
    nodes[0].wait_for_progress()
    for node in nodes:
        node.send(signal.SIGINT)
    assert [node.wait() for node in nodes] == [2, 2]
    same_report(nodes)
    assert "INTERRUPTED" in nodes[0].summary() and "not run" in nodes[0].summary()


HANGS = """
import pathlib, threading
def test_passes(): pass
def wait_for_ever(): threading.Event().wait()
def test_hangs():
    pathlib.Path("hangs").touch()
    wait_for_ever()
"""


@pytest.mark.parametrize("how", ["deadline", "interrupt"])
def test_what_hangs_when_a_job_is_stopped_is_in_every_report(job, how):
    job.write("test_h.py", HANGS)
    deadline = ["--deadline", "6"] if how == "deadline" else []
    nodes = [job.start("-n", "1", "--grace", "0.5", *deadline) for _ in range(2)]
    if how == "interrupt":
        patience = time.monotonic() + PATIENCE
        # The other test may be the other node's, and begin later.
        while not (job.suite / "hangs").exists() or not any(node.progress() for node in nodes):
            assert time.monotonic() < patience, nodes[0].everything()
            time.sleep(0.01)
        for node in nodes:
            node.send(signal.SIGINT)
    assert [node.wait() for node in nodes] == ([17, 17] if how == "deadline" else [2, 2])
    same_report(nodes)
    (line,) = [line for line in nodes[1].report() if line.startswith("STOPPED")]
    assert re.search(r"^STOPPED  test_h.py::test_hangs   \d.*s  worker #\d on node-\d   in wait \(", line), line
    assert line.endswith("wait_for_ever (test_h.py:4) < test_hangs (test_h.py:7)"), line
    assert "1 passed" in nodes[0].summary() and "1 not run" in nodes[0].summary()
    tests = {test["id"]: test for test in json.loads(nodes[0].kept_report("json"))["tests"]}
    hanging = tests["test_h.py::test_hangs"]
    assert hanging["verdict"] == "PENDING" and hanging["attempts"][0]["outcome"] == "stopped"
    assert "most recent call first" in hanging["attempts"][0]["output"]


def test_a_second_interrupt_stops_at_once(job):
    job.write("test_long.py", "import time\ndef test_long(): time.sleep(60)\ndef test_short(): pass\n")
    junit, events = job.folder / "junit.xml", job.folder / "events.jsonl"
    node = job.start("-n", "2", "--junit", str(junit), "--events", str(events))
    node.wait_for_progress()
    node.send(signal.SIGINT)
    node.wait_for_error("interrupted: what runs may finish")  # two at the same moment are one
    node.send(signal.SIGTERM)
    began = time.monotonic()
    assert node.wait() == 2
    assert time.monotonic() - began < 10
    # And yet nothing is lost of what was known.
    assert "INTERRUPTED" in node.summary() and "1 passed" in node.summary()
    assert "1 not run of 2 tests" in node.summary()
    assert xml.etree.ElementTree.parse(junit).getroot().tag == "testsuites"
    assert json.loads(events.read_text().splitlines()[-1])["reason"] == "interrupted"
    assert node.kept_report().splitlines() == node.report()


def test_a_second_interrupt_of_all_nodes_reports_what_each_knows(job):
    job.write("test_long.py", """
import pathlib, time
def test_long(): pathlib.Path("began").touch(); time.sleep(60)
def test_short(): pass
""")
    files = [job.folder / f"events-{i}.jsonl" for i in range(2)]
    nodes = [job.start("-n", "1", "--affinity", "none", "--events", str(file)) for file in files]
    until(lambda: (job.suite / "began").exists())
    for node in nodes:
        node.send(signal.SIGINT)
    # Each has to know that the other goes as well, as after a second or so.
    until(lambda: all(file.read_text().count("node_left") == 2 for file in files))
    for node in nodes:
        node.send(signal.SIGTERM)
    assert [node.wait() for node in nodes] == [2, 2]
    assert all("INTERRUPTED" in node.summary() for node in nodes)


def test_a_third_interrupt_kills(job):
    job.write("test_long.py", "import time\ndef test_long(): time.sleep(60)\ndef test_short(): pass\n")
    pipe = job.folder / "pipe"
    os.mkfifo(pipe)
    # Nobody ever reads what it has to write.
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    filler = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(filler, bytes(4096))
    node = job.start("-n", "2", "--junit", str(pipe))
    node.wait_for_progress()
    node.send(signal.SIGINT)
    node.wait_for_error("interrupted: what runs may finish")
    node.send(signal.SIGINT)
    node.wait_for_error("interrupted again")
    node.send(signal.SIGINT)
    began = time.monotonic()
    assert node.wait() == -signal.SIGINT
    assert time.monotonic() - began < 5
    os.close(reader)
    os.close(filler)


STOPPING = """
import pathlib, pytest, time
@pytest.mark.parametrize("i", range(3))
def test_long(i):
    (pathlib.Path(__file__).parent / f"began-{i}").touch()
    time.sleep(TIME)
def test_fails():
    here = pathlib.Path(__file__).parent
    while len(list(here.glob("began-*"))) < 3: time.sleep(0.02)
    assert 0
"""


def test_max_fail_now_ends_running_tests_on_all_nodes(job):
    job.write("pytest.ini", "[pytest]\naddopts = -p no:randomly\n")
    job.write("test_stopping.py", STOPPING.replace("TIME", "60"))
    began = time.monotonic()
    nodes = [job.start("-n", "2", "--retries", "0", "--max-fail", "1:now", "--affinity", "none")
             for _ in range(2)]
    assert [node.wait() for node in nodes] == [1, 1]
    assert time.monotonic() - began < 40
    same_report(nodes)
    assert "1 failed, 0 passed, 0 flaky, 0 errors, 0 skipped, 0 redundant, 3 not run" in nodes[0].summary()
    assert "stopped after 1 failure" in "\n".join(nodes[0].report())


@pytest.mark.parametrize("options, pytest_options", [(["-x"], []), ([], ["-x"]), (["--max-fail", "1:wait"], [])])
def test_max_fail_lets_running_tests_finish_on_all_nodes(job, options, pytest_options):
    job.write("test_stopping.py", STOPPING.replace("TIME", "2"))
    nodes = [job.start("-n", "2", "--retries", "0", "--affinity", "none", *options, pytest=pytest_options)
             for _ in range(2)]
    assert [node.wait() for node in nodes] == [1, 1]
    same_report(nodes)
    began = len(list(job.suite.glob("began-*")))
    assert f"1 failed, {began} passed" in nodes[0].summary()
    assert "stopped after 1 failure" in "\n".join(nodes[0].report())


def test_session_fixtures_live_once_per_worker(job):
    job.write("conftest.py", """
import os, pathlib, pytest
@pytest.fixture(scope="session", autouse=True)
def session(worker_id):
    log = pathlib.Path(__file__).parent / ("session-" + worker_id)
    with open(log, "a") as file: file.write("up\\n")
    yield
    with open(log, "a") as file: file.write("down\\n")
""")
    job.write("test_slow.py", SLOW)
    assert job.run(2, "-n", "2") == [0, 0]
    logs = sorted(job.suite.glob("session-gw*"))
    assert [log.name for log in logs] == ["session-gw%d" % i for i in range(4)]
    assert {log.read_text() for log in logs} == {"up\ndown\n"}


def test_a_failing_session_teardown_fails_the_job(job):
    job.write("test_session.py", """
import pytest
@pytest.fixture(scope="session")
def session():
    yield
    raise RuntimeError("too late")
def test_one(session): pass
""")
    assert job.run(1, "-n", "1", "--retries", "0") == [1]
    assert "1 errors" in job.nodes[0].summary()
    # A second word on the try that passed, and no further try.
    assert any(line.startswith("ERROR on worker #0 of node-0, attempt 1 of 1, ") for line in job.nodes[0].lines)


def test_what_tests_see_of_dagz(job):
    job.write("test_environment.py", """
import json, os, pathlib
def test_environment(worker_id, testrun_uid):
    names = [name for name in os.environ if name.startswith(("DAGZ", "PYTEST"))]
    seen = {name: os.environ[name] for name in names}
    pathlib.Path("seen.json").write_text(json.dumps(seen))
    assert worker_id == "gw0" == os.environ["PYTEST_XDIST_WORKER"]
    assert testrun_uid == os.environ["PYTEST_XDIST_TESTRUNUID"]
""")
    node = job.start("-n", "1", DAGZ_SECRET="not for tests to see")
    assert node.wait() == 0, node.lines
    seen = json.loads((job.suite / "seen.json").read_text())
    assert seen["DAGZ_WORKER"] == "0" and seen["DAGZ_JOB"] == job.key
    assert not {"DAGZ_SECRET", "DAGZ_SOCKET", "PYTEST_PLUGINS"} & set(seen)


def test_what_names_a_run_of_the_job_and_of_a_test(job):
    job.write("test_names.py", """
import os
def test_flaky(testrun_uid):
    with open("spans", "a") as file: file.write(os.environ["DAGZ_SPAN"] + "\\n")
    with open("uids", "a") as file: file.write(testrun_uid + "\\n")
    assert sum(1 for _ in open("spans")) > 2
def test_other(): test_flaky("")
""")
    spans, uids = [], set()
    for _ in range(2):
        assert job.run(2, "-n", "1") == [0, 0]
        spans += (job.suite / "spans").read_text().split()
        found = set((job.suite / "uids").read_text().split())
        assert len(found) == 1, "one name on all nodes"
        uids |= found
        (job.suite / "spans").unlink()
        (job.suite / "uids").unlink()
    assert len(uids) == 2
    assert len(spans) == len(set(spans)) >= 6
    assert all(re.fullmatch("[0-9a-f]{16}", span) for span in spans)


def test_a_collection_error_counts_once(job):
    job.write("test_broken.py", "def test_a(: pass\n")
    job.write("test_good.py", "def test_good(): pass\n")
    assert job.run(3, "-n", "1") == [1, 1, 1]
    report = same_report(job.nodes)
    assert "ERROR    test_broken.py   collection   SyntaxError" in report[1]
    assert "1 passed" in job.nodes[0].summary() and "1 errors" in job.nodes[0].summary()
    assert any("ERROR collecting test_broken.py" in line for line in job.nodes[2].lines)


def test_collections_that_are_compared_are_waited_for(job):
    # The second node collects once the first has run all it has.
    job.write("conftest.py", """
import os, pathlib, time
def pytest_generate_tests(metafunc):
    mine = os.environ["MINE"]
    while mine == "3" and len(list(pathlib.Path().glob("ran-*"))) < 2: time.sleep(0.01)
    metafunc.parametrize("number", ["1", mine])
""")
    job.write("test_it.py", "def test_it(number): open(f'ran-{number}', 'w')\n")
    nodes = [job.start("-n", "1", "--strict-collection", MINE=mine) for mine in "23"]
    assert [node.wait() for node in nodes] == [18, 18]
    report = "\n".join(same_report(nodes))
    assert " FAILED: 0 failed, 3 passed" in nodes[0].summary()
    assert "\n--strict-collection: different collections fail the job\n" in report
    assert "collected other tests than" in report
    assert nodes[0].kept_report() == nodes[1].kept_report() == report + "\n"


def test_nothing_collected(job):
    assert job.run(1) == [5]


def test_options_of_pytest_pass_through(job):
    job.write("test_some.py", "".join("def test_%d(): pass\n" % i for i in range(5)))
    assert job.run(1, pytest=["-k", "test_1 or test_2", "--deselect", "test_some.py::test_2"]) == [0]
    assert "1 passed" in job.nodes[0].summary() and "of 1 test " in job.nodes[0].summary()


def test_max_fail_stops_the_job(job):
    job.write("test_bad.py", "import time\n" + "".join(
        "def test_%02d():\n  time.sleep(0.2)\n  assert 0\n" % i for i in range(20)))
    assert job.run(2, "-n", "1", "--retries", "0", "--max-fail", "2") == [1, 1]
    same_report(job.nodes)
    assert "not run" in job.nodes[0].summary()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_retries_do_not_put_the_limit_of_failures_off(job, workers):
    job.write("test_bad.py", "import pytest, time\n@pytest.mark.parametrize('i', range(60))\n"
              "def test_it(i):\n  time.sleep(0.1)\n  assert i != 3\n")
    assert job.run(1, "-n", workers, "-x") == [1]
    left = re.search(r"(\d+) not run of 60", job.nodes[0].summary())
    assert left and int(left[1]) > 20


def test_an_overdue_test_is_ended(job):
    job.write("test_hang.py", "import time\ndef test_hangs(): time.sleep(100)\ndef test_fine(): pass\n")
    assert job.run(1, "-n", "1", "--retries", "0", "--test-timeout", "1s") == [1]
    assert any(line.startswith("TIMEOUT  test_hang.py::test_hangs") for line in job.nodes[0].report())
    assert "1 passed" in job.nodes[0].summary()


@pytest.mark.parametrize("command, code, words", [
    (["no-such-command-here"], 16, "no-such-command-here"),
    ([sys.executable, "-S", "-m", "pytest"], 16, "pytest"),
    ([sys.executable, "-m", "pytest", "--no-such-option"], 4, "--no-such-option"),
])
def test_commands_that_cannot_run(job, command, code, words):
    node = job.start("-n", "1", command=command)
    assert node.wait() == code, node.errors
    assert words in node.errors


def test_a_rendezvous_directory_that_is_a_file_is_a_mistake(job):
    job.write("test_it.py", "def test_a(): pass\n")
    (job.folder / "file").touch()
    node = job.start("--rendezvous", str(job.folder / "file"), "--listen", "127.0.0.1", "--no-beacon")
    assert node.wait() == 4
    assert f"the rendezvous directory '{job.folder}/file' is no directory" in node.errors
    assert node.errors.count("\n") == 0


def test_a_key_cannot_move_the_cursor(job):
    job.write("test_it.py", "def test_a(): pass\n")
    job.key = "one\x1b[31m\ntwo"
    node = job.start()
    assert node.wait() == 0
    assert "job one\\x1b[31m\\x0atwo, node" in node.errors and "\x1b" not in node.everything()


def test_another_secret_is_refused(job):
    job.write("test_slow.py", SLOW)
    first = job.start("-n", "1", DAGZ_SECRET="the secret of the first")
    first.wait_for_progress()
    address = first.address()
    other = job.start("-n", "1", "--peers", address, DAGZ_SECRET="the secret of the other")
    assert other.wait() == 4
    assert "secret" in other.errors
    first.send(signal.SIGTERM)
    first.wait()


def test_who_comes_with_another_secret_disturbs_nobody(job):
    job.write("test_slow.py", SLOW)
    first = job.start("-n", "1", DAGZ_SECRET="the secret of the first")
    first.wait_for_progress()
    other = job.start("-n", "1", DAGZ_SECRET="the secret of the other")
    assert other.wait() == 4 and "another secret" in other.errors
    assert not other.progress()
    assert first.wait() == 0, first.everything()
    assert "passed" in first.summary()
    # What it leaves behind when it is killed is no word of anybody.
    first = job.start("-n", "1", DAGZ_SECRET="the secret of the first")
    first.wait_for_progress()
    first.send(signal.SIGKILL)
    first.wait()
    other = job.start("-n", "1", DAGZ_SECRET="the secret of the other")
    assert other.wait() == 0, other.everything()


def test_a_port_in_use(job):
    job.write("test_one.py", "def test_one(): pass\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        node = job.start("--listen", f"127.0.0.1:{port}")
        assert node.wait() == 4
    assert str(port) in node.errors


@pytest.mark.skipif(not shutil.which("xmllint"), reason="xmllint is not installed")
def test_junit_is_valid(job):
    job.write("test_mixed.py", MIXED)
    target = job.folder / "junit.xml"
    assert job.run(1, "-n", "2", "--retries", "0", "--junit", str(target)) == [1]
    checked = subprocess.run(
        ["xmllint", "--noout", "--schema", str(ROOT / "tests/support/junit.xsd"), str(target)],
        capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_what_tests_record_is_in_the_junit_file(job):
    """As in pytest's own, from whatever node, and from the history."""
    job.write("test_it.py", """
import pytest
@pytest.mark.parametrize("i", range(6))
def test_it(record_property, i):
    record_property("requirement", f"R-{i} <&>")
    record_property("number", i)
    assert i != 3
def test_plain(): pass
""")
    files = [job.folder / f"{name}.xml" for name in "ab"]
    nodes = [job.start("-n", "1", "--retries", "1", "--junit", str(file)) for file in files]
    assert [node.wait() for node in nodes] == [1, 1]
    own = job.folder / "own.xml"
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={own}"],
                   cwd=job.suite, stdout=subprocess.DEVNULL, check=False)

    def recorded(root):
        return {case.get("name"): [(one.get("name"), one.get("value")) for one in case.iter("property")]
                for case in root.iter("testcase")}

    expected = recorded(xml.etree.ElementTree.parse(own).getroot())
    assert expected["test_it[3]"] == [("requirement", "R-3 <&>"), ("number", "3")] and expected["test_plain"] == []
    for file in files:
        assert recorded(xml.etree.ElementTree.parse(file).getroot()) == expected
    assert recorded(xml.etree.ElementTree.fromstring(nodes[1].kept_report("junit").encode())) == expected


def test_both_junit_files_hold_the_tests(job):
    job.write("test_mixed.py", MIXED)
    ours, pytests = job.folder / "dagz.xml", job.folder / "pytest.xml"
    assert job.run(1, "-n", "2", "--retries", "0", "--junit", str(ours),
                   pytest=["--junitxml", str(pytests)]) == [1]
    found = [{(case.get("classname"), case.get("name"))
              for case in xml.etree.ElementTree.parse(path).iter("testcase")}
             for path in (ours, pytests)]
    assert len(found[0]) == 16
    assert found[0] == found[1]


def test_the_report_can_be_had_again(job):
    job.write("test_mixed.py", MIXED)
    node = job.start("-n", "1", "--retries", "0")
    assert node.wait() == 1
    assert node.kept_report().splitlines() == node.report()


@pytest.mark.parametrize("which", ["oldest", "newest"])
def test_other_pythons(job, which):
    python = os.environ.get(f"DAGZ_{which.upper()}_PYTHON", str(ROOT / f"build/venv-{which}/bin/python"))
    if not os.path.exists(python):
        pytest.skip(f"no environment for the {which} Python here")
    job.write("test_mixed.py", MIXED)
    node = job.start("-n", "2", "--retries", "0",
                     command=[python, "-m", "pytest", "-p", "no:cacheprovider"])
    assert node.wait() == 1
    assert ": 3 failed, 8 passed, 0 flaky, 2 errors, 3 skipped, 0 redundant of 16 tests" in node.summary()
