"""--max-worker-memory: workers that grow are forked anew between tests, and nothing is lost."""

import collections

import pytest

from job import STATUS, same_report

# Each test keeps 12 MB for good, and writes down its process and how large that was before.
LEAKING = """
import os, pathlib, pytest, time
HERE = pathlib.Path(__file__).parent
KEPT = []

@pytest.fixture(scope="session", autouse=True)
def session():
    note("up")
    yield
    note("down")

def note(what):
    with open(HERE / "notes", "a") as file:
        file.write("%s %d\\n" % (what, os.getpid()))

@pytest.mark.parametrize("i", range(60))
def test_leaks(i):
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    note("test[%d]:%d" % (i, pages * os.sysconf("SC_PAGESIZE")))
    KEPT.append(b"x" * 12_000_000)
    time.sleep(0.1)
"""


def notes_of(job):
    return [line.split() for line in (job.suite / "notes").read_text().splitlines()]


@pytest.mark.parametrize("collect", ["whole", "shared"])
def test_leaking_workers_are_recycled_and_no_verdict_is_lost(job, collect):
    job.write("test_leaking.py", LEAKING)
    limit = 128
    options = ["-n", "2", "--max-worker-memory", f"{limit}M", "--collect", collect]
    nodes = [job.start(*options, "--status-interval", "0.3") for _ in range(2)]
    assert [node.wait() for node in nodes] == [0, 0]
    same_report(nodes)
    assert " 60 passed, 0 flaky" in nodes[0].summary()

    notes = notes_of(job)
    tests = [(what, pid) for what, pid in notes if what.startswith("test")]
    assert len(tests) == 60 and len({what.split(":")[0] for what, _ in tests}) == 60
    processes = collections.Counter(pid for _, pid in tests)
    assert len(processes) > 4, "no worker was recycled"
    # A test begins at most one test's growth above the limit.
    assert max(int(what.split(":")[1]) for what, _ in tests) < (limit + 26) << 20
    # Every process was torn down, and only once.
    ups, downs = ([pid for what, pid in notes if what == word] for word in ("up", "down"))
    assert sorted(ups) == sorted(downs) and set(ups) == set(processes)
    status = [STATUS.match(line) for node in nodes for line in node.lines if " Worker #" in line]
    assert all(status)
    reconnects = [int(line.split("reconnects=")[1].split()[0])
                  for node in nodes for line in node.lines if " Worker #" in line]
    assert max(reconnects) >= 1


def test_without_a_limit_nobody_is_recycled(job):
    job.write("test_leaking.py", LEAKING.replace("range(60)", "range(8)"))
    assert job.start("-n", "2").wait() == 0
    assert len({pid for what, pid in notes_of(job) if what.startswith("test")}) == 2


def test_a_limit_below_what_every_worker_needs_costs_no_process_per_test(job):
    text = LEAKING.replace('KEPT.append(b"x" * 12_000_000)', "pass").replace("range(60)", "range(12)")
    job.write("test_small.py", text)
    assert job.start("-n", "1", "--max-worker-memory", "1M").wait() == 0
    assert len({pid for what, pid in notes_of(job) if what.startswith("test")}) <= 4
