"""Workers where a fork would be unsafe, as threads live in the process that collected: they are started afresh,
and everything else is as it always is."""

import json
import os
import re
import signal
import time

import pytest
from plugins import path_of, plain, same_as_plain, two_nodes
from test_coverage import COV, by_plain_pytest, measured, write_suite

THREAD = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True, name="beat").start()
"""

SUITE = """
import os, sys, threading, warnings
import pytest

def test_lives_beside_the_thread(): assert "beat" in [thread.name for thread in threading.enumerate()]
def test_is_a_worker(worker_id, request):
    assert worker_id == request.config.workerinput["workerid"] == os.environ.get("PYTEST_XDIST_WORKER", worker_id)
def test_fails(): assert 1 == 2
@pytest.fixture
def broken(): raise OSError("broken")
def test_errs(broken): pass
def test_skips(): pytest.skip("no")
@pytest.mark.xfail
def test_expected(): assert False
def test_directory(tmp_path, tmp_path_factory):
    (tmp_path / "file").touch()
    assert tmp_path_factory.getbasetemp() in tmp_path.parents
def test_is_alone_in_its_group(): assert os.getpgid(0) == os.getpid()
def test_sees_nothing_of_dagz():
    assert not [name for name in os.environ if name.startswith(("DAGZ_DRIVER", "DAGZ_ORIGINAL", "DAGZ_SOCKET"))]
    assert "dagz_pytest_driver" not in os.environ.get("PYTEST_PLUGINS", "")
@pytest.mark.parametrize("n", range(5))
def test_of_many(n): print("of many")
@pytest.mark.parametrize("same", [1, 2], ids=["a", "a"])
def test_of_one_name(same): pass
"""

FEW = "import pytest, time\n@pytest.mark.parametrize('n', range(6))\ndef test_{}(n): time.sleep(0.02)\n"


def write_few(job, conftest=""):
    job.write("conftest.py", THREAD + conftest)
    for name in "abc":
        job.write(f"test_{name}.py", FEW.format(name))


def diagnostics(node):
    return [line for line in node.error_lines if "would not survive a fork" in line]


@pytest.mark.parametrize("collect", ["whole", "shared"])
def test_the_same_as_in_plain_pytest(job, collect):
    job.write("conftest.py", THREAD)
    for name in "abcd":
        job.write(f"test_{name}.py", SUITE)
    # Plain pytest leads no group, and is no worker.
    own = "not is_a_worker and not alone"
    same_as_plain(job, "-k", own, DAGZ_COLLECT=collect)
    nodes = two_nodes(job, "--retries", "0", "--collect", collect, pytest=["-k", "worker or alone"])
    for node in job.nodes:
        (line,) = diagnostics(node)
        assert "1 thread (beat)" in line
    assert len(json.loads(nodes[0].kept_report("json"))["tests"]) == 8


def test_a_crash_costs_one_test(job):
    write_few(job)
    job.write("test_crash.py", "import os\ndef test_crash(): print('last words', flush=True); os._exit(1)\n")
    node = job.start("-n", "2", "--retries", "0")
    assert node.wait() == 1
    tests = {test["id"]: test for test in json.loads(node.kept_report("json"))["tests"]}
    crash = tests.pop("test_crash.py::test_crash")
    assert crash["verdict"] == "CRASHED"
    assert {test["verdict"] for test in tests.values()} == {"OK"} and len(tests) == 18


def test_workers_that_cannot_start_are_told(job):
    write_few(job, "import os\nif 'PYTEST_XDIST_WORKER' in os.environ: raise RuntimeError('no database')\n")
    node = job.start("-n", "2")
    assert node.wait() == 3, node.everything()
    assert "18 not run" in node.summary()
    assert "died again and again" in node.errors and "RuntimeError: no database" in node.errors


def test_ids_that_differ_each_time_are_told(job):
    write_few(job)
    job.write("test_n.py", "import os, pytest\n@pytest.mark.parametrize('n', [os.getpid()])\ndef test_n(n): pass\n")
    node = job.start("-n", "2")
    assert node.wait() == 17, node.everything()
    assert "18 passed" in node.summary() and "1 not run" in node.summary(), node.kept_report("json")
    assert "ids of tests must be the same each time" in node.errors


HANG = """
import os, time
if "PYTEST_XDIST_WORKER" in os.environ:
    if os.environ["PYTEST_XDIST_WORKER"] == "gw1": time.sleep(1000)
"""


def test_the_job_does_not_wait_for_a_worker_that_hangs_as_it_starts(job):
    write_few(job, HANG)
    node = job.start("-n", "2")
    assert node.wait() == 0, node.everything()
    assert "18 passed" in node.summary()


# Ends with another of its kind: whichever ran alone would be blamed for the loss of its zygote.
LONG = """
import os, pathlib, time

def test_pid():
    pathlib.Path("{0}.part").write_text(f"{{os.getppid()}} {{os.getpid()}}")
    os.rename("{0}.part", "{0}.pids")
    until = time.monotonic() + 60
    while len(list(pathlib.Path(".").glob("*.pids"))) < 2:
        assert time.monotonic() < until
        time.sleep(0.02)
    time.sleep(1)
"""


def test_workers_end_with_their_zygote(job):
    write_few(job)
    pids = [job.suite / f"{name}.pids" for name in "de"]
    for name in "de":
        job.write(f"test_{name}.py", LONG.format(name))
    node = job.start("-n", "2")
    while not all(one.exists() for one in pids):
        assert node.process.poll() is None, node.everything()
        time.sleep(0.02)
    (zygote, first), (same, second) = (map(int, one.read_text().split()) for one in pids)
    assert zygote == same
    os.kill(zygote, signal.SIGKILL)
    assert node.wait() == 0, node.everything()
    assert "20 passed" in node.summary()
    for worker in (first, second):
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def test_coverage_is_that_of_plain_pytest(job):
    write_suite(job)
    job.write("conftest.py", THREAD)
    arguments = ["--cov=pkg", "--cov-branch"]
    expected, _ = by_plain_pytest(job, arguments)
    two_nodes(job, pytest=arguments, **COV)
    assert measured(job) == expected


def test_pytest_randomly_has_one_seed(job):
    write_few(job)
    job.write("test_seed.py", "import random\ndef test_seed(): assert random.random() == 0\n")
    nodes = two_nodes(job, code=1, **path_of("randomly"))
    (seed,) = {seed for node in nodes for seed in re.findall(r"--randomly-seed=(\d+)", node.errors)}
    (test,) = (test for test in json.loads(nodes[0].kept_report("json"))["tests"] if test["verdict"] != "OK")
    drawn = {attempt["message"] for attempt in test["attempts"]}
    assert len(drawn) == 1 and len(test["attempts"]) > 1, "the same numbers in each process"
    again = plain(job, ["-p", "randomly", "--randomly-seed", seed, "test_seed.py"], **path_of("randomly"))
    assert drawn.pop().split()[1] in again.stdout


def test_the_user_asks_for_it(job):
    job.write("conftest.py", "import os\npid = os.getpid()\n")
    job.write("test_it.py", "import conftest, os\ndef test_own_process(): assert conftest.pid == os.getpid()\n")
    assert job.start("-n", "1", "--start-method", "spawn").wait() == 0
    assert job.start("-n", "1", "--start-method", "fork", "--retries", "0").wait() == 1
