"""The mark dagz: tests that want their node for themselves, several workers, or a mutex; and xdist_group."""

import itertools

import pytest

from job import same_report

# Writes down when each test began and ended, and where.
CONFTEST = """
import os, pathlib, pytest, time
HERE = pathlib.Path(__file__).parent

@pytest.fixture(autouse=True)
def noted(request):
    begin = time.monotonic()
    yield
    line = "%.6f %.6f %s %s %s\\n" % (begin, time.monotonic(), os.environ["DAGZ_NODE"],
                                      os.environ["DAGZ_WORKER"], request.node.nodeid)
    file = os.open(HERE / "notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, line.encode())
    os.close(file)
"""
STRICT = "[pytest]\naddopts = --strict-markers\n"
ORDINARY = """
import pytest, time
@pytest.mark.parametrize("i", range(14))
def test_ordinary(i): time.sleep(0.1)
"""


class Run:
    def __init__(self, line):
        begin, end, self.node, self.worker, self.test = line.split(" ", 4)
        self.begin, self.end = float(begin), float(end)

    def overlaps(self, other):
        return self.begin < other.end and other.begin < self.end


def runs_of(job):
    return [Run(line) for line in (job.suite / "notes").read_text().splitlines()]


def overlapping(runs):
    return [(a.test, b.test) for a, b in itertools.combinations(runs, 2) if a.overlaps(b)]


def busiest(runs, weight):
    """The largest sum of weights at any time."""
    return max(sum(weight(other) for other in runs if other.begin <= run.begin < other.end)
               for run in runs)


def start(job, count, *options, **files):
    job.write("pytest.ini", STRICT)
    job.write("conftest.py", CONFTEST)
    for name, text in files.items():
        job.write(name + ".py", text)
    nodes = [job.start("--retries", "0", *options) for _ in range(count)]
    assert [node.wait() for node in nodes] == [0] * count, nodes[0].everything()
    same_report(nodes)
    return runs_of(job)


def test_an_exclusive_test_is_alone_on_its_node(job):
    exclusive = """
import pytest, time
@pytest.mark.dagz(exclusive=True)
class TestAlone:
    @pytest.mark.parametrize("i", range(3))
    def test_alone(self, i): time.sleep(0.15)
def test_beside(): time.sleep(0.1)
"""
    runs = start(job, 2, "-n", "3", test_exclusive=exclusive, test_ordinary=ORDINARY,
                 test_more=ORDINARY)
    assert len(runs) == 32
    alone = [run for run in runs if "::TestAlone::" in run.test]
    assert len(alone) == 3
    for run in alone:
        beside = [other for other in runs
                  if other is not run and other.node == run.node and other.overlaps(run)]
        assert beside == [], [other.test for other in beside]
    # What would make this worth nothing: nodes on which nothing ever runs side by side.
    ordinary = [run for run in runs if run not in alone]
    for node in {run.node for run in runs}:
        assert overlapping([run for run in ordinary if run.node == node])


def test_a_heavy_test_counts_as_several_workers(job):
    heavy = """
import pytest, time
@pytest.mark.dagz(weight=2)
@pytest.mark.parametrize("i", range(4))
def test_heavy(i): time.sleep(0.15)
@pytest.mark.dagz(weight=99)
def test_huge(): time.sleep(0.1)
"""
    runs = start(job, 1, "-n", "3", test_heavy=heavy, test_ordinary=ORDINARY)
    assert len(runs) == 19

    def weight(run):
        return 3 if "test_huge" in run.test else 2 if "test_heavy" in run.test else 1

    assert busiest(runs, weight) == 3
    heavies = [run for run in runs if "::test_heavy" in run.test]
    beside = [run for run in runs if any(run is not one and run.overlaps(one) for one in heavies)]
    assert beside, "one worker is free beside a test of two"


MUTEX = """
import pytest, time
@pytest.mark.dagz(mutex="database")
@pytest.mark.parametrize("i", range(5))
def test_locked(i): time.sleep(0.06)
@pytest.mark.parametrize("i", range(6))
def test_free(i): time.sleep(0.25)  # long after the locked ones are done: all workers share them
"""


@pytest.mark.parametrize("collect", ["whole", "shared"])
def test_of_one_mutex_one_runs_at_a_time_across_the_mesh(job, collect):
    files = {f"test_{letter}": MUTEX for letter in "abc"}
    runs = start(job, 2, "-n", "2", "--collect", collect, **files)
    assert len(runs) == 33
    locked = [run for run in runs if "test_locked" in run.test]
    assert len(locked) == 15 and overlapping(locked) == []
    free = [run for run in runs if "test_free" in run.test]
    assert len({run.node for run in free}) == 2
    assert overlapping(free)
    assert any(run.overlaps(one) for run in free for one in locked)


def test_a_mutex_holds_for_retries(job):
    job.write("pytest.ini", STRICT)
    job.write("conftest.py", CONFTEST)
    failing = MUTEX.replace("time.sleep(0.06)", "time.sleep(0.06); assert i != 2")
    job.write("test_a.py", failing)
    job.write("test_b.py", failing)
    nodes = [job.start("-n", "2") for _ in range(2)]
    assert [node.wait() for node in nodes] == [1, 1]
    locked = [run for run in runs_of(job) if "test_locked" in run.test]
    assert len(locked) == 14 and overlapping(locked) == []


def test_a_group_runs_on_one_worker(job):
    grouped = """
import pytest, time
@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("i", range(6))
def test_grouped(i): time.sleep(0.05)
@pytest.mark.parametrize("i", range(8))
def test_free(i): time.sleep(0.05)
"""
    runs = start(job, 2, "-n", "2", test_one=grouped, test_two=grouped)
    assert len({run.worker for run in runs if "test_grouped" in run.test}) == 1
    assert len({run.worker for run in runs}) > 1


@pytest.mark.parametrize("collect", ["whole", "shared"])
@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ("weight=0", "weight must be a whole number from 1, not 0"),
        ("weight='2'", "weight must be a whole number from 1, not '2'"),
        ("mutex=3", "mutex must be a name, not 3"),
        ("exlusive=True", "takes exclusive=, weight= and mutex=, not exlusive"),
        ("'database'", "takes exclusive=, weight= and mutex=, not 'database'"),
    ],
)
def test_a_mark_that_makes_no_sense_is_a_collection_error(job, collect, arguments, sentence):
    job.write("pytest.ini", STRICT)
    job.write("test_bad.py", f"import pytest\n@pytest.mark.dagz({arguments})\ndef test_bad(): pass\n")
    node = job.start("-n", "1", "--collect", collect)
    assert node.wait() == 1
    assert any(sentence in line for line in node.lines), node.everything()
    assert " 1 passed, 0 flaky, 1 errors" in node.summary()


def test_what_is_marked_as_slow_begins_first_where_nothing_else_is_known(job):
    job.write("pytest.ini", "[pytest]\nmarkers = slow\n")
    job.write("conftest.py", CONFTEST)
    job.write("test_a.py", ORDINARY)
    job.write("test_b.py", ORDINARY + "@pytest.mark.slow\ndef test_slow(): time.sleep(1)\n")
    nodes = [job.start("-n", "1") for _ in range(2)]
    assert [node.wait() for node in nodes] == [0, 0], nodes[0].everything()
    runs = sorted(runs_of(job), key=lambda run: run.begin)
    (place,) = [i for i, run in enumerate(runs) if run.test.endswith("test_slow")]
    # First on its node; the other may have begun before.
    assert runs[place] is next(run for run in runs if run.node == runs[place].node)
    other = [run for run in runs if run.node != runs[place].node]
    assert len(other) > len(runs) / 2
