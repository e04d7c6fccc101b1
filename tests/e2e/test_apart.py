"""Nodes that never meet the others: because they come after the end, or because nothing connects them."""

import json
import os
import re
import signal
import time

import pytest

from job import PATIENCE, report_of

SECRET = "no secret, but as long as one"

SUITE = """
import os, pytest
@pytest.mark.parametrize("i", range(60))
def test_it(i):
    with open(os.environ["RAN"], "a") as file: print(i, file=file)
"""


@pytest.fixture
def place(job, tmp_path):
    job.write("test_it.py", SUITE)
    (tmp_path / "rendezvous").mkdir()
    return tmp_path


def start(job, place, *options, pytest_options=(), **variables):
    meeting = ["--rendezvous", str(place / "rendezvous"), "--listen", "127.0.0.1", "--no-beacon"]
    return job.start("-n", "1", *meeting, *options, pytest=list(pytest_options),
                     RAN=str(place / "ran"), **variables)


def ran(place):
    return len((place / "ran").read_text().split())


def alone(place, number):
    """A user of its own: nodes of one user on one host find each other."""
    user = place / f"user-{number}"
    user.mkdir(mode=0o700)
    return {name: str(user) for name in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")}


def circle(index, total):
    return {"CIRCLECI": "true", "CIRCLE_NODE_INDEX": str(index), "CIRCLE_NODE_TOTAL": str(total),
            "CIRCLE_WORKFLOW_ID": "w1", "CIRCLE_JOB": "test"}


def test_a_late_node_prints_the_report_and_runs_nothing(job, place):
    first = start(job, place)
    assert first.wait() == 0
    late = start(job, place)
    assert late.wait() == 0
    assert late.report() == first.report()
    assert not late.progress() and ran(place) == 60
    assert "was over before this node came" in late.errors
    assert late.kept_report().splitlines() == first.report()


def test_a_late_node_exits_with_the_verdict(job, place):
    job.write("test_fails.py", "def test_fails(): assert 0\n")
    assert start(job, place, "--retries", "0").wait() == 1
    late = start(job, place)
    assert late.wait() == 1
    assert "1 failed, 60 passed" in late.summary()


def test_another_secret_of_which_only_the_beacon_tells(job, place):
    job.write("test_it.py", "import time\ndef test_it(): time.sleep(2)\n")
    nodes = [job.start("-n", "1", DAGZ_SECRET=f"{number}: {SECRET}", **alone(place, number)) for number in range(2)]
    assert [node.wait() for node in nodes] == [0, 0]
    for node in nodes:
        assert node.errors.count("a node with another secret wants to take part") == 1, node.errors
        assert "1 node ·" in "\n".join(node.report())


def test_a_node_without_a_history_plans_by_what_others_left(job, place):
    job.write("test_it.py", SUITE + "import time\ndef test_slow(): time.sleep(1)\n")
    gitlab = {"GITLAB_CI": "true", "CI_PROJECT_ID": "7", "CI_JOB_NAME": "unit", "CI_SERVER_URL": "https://git.example"}
    job.key = None
    for build in ("100", "101", "102"):  # each on a fresh machine
        node = start(job, place, CI_PIPELINE_ID=build, **gitlab)
        assert node.wait() == 0, node.errors
        plan = re.search(r"plan (\S+)", "\n".join(node.report()))[1]
        assert plan == "unknown" if build == "100" else 0.9 <= float(plan.rstrip("s")) <= 3, node.everything()
    # Nobody else's word counts.
    (kept,) = (place / "rendezvous").glob("*.durations")
    kept.write_bytes(kept.read_bytes()[:-1] + b"\x01")
    node = start(job, place, CI_PIPELINE_ID="103", **gitlab)
    assert node.wait() == 0 and "plan unknown" in "\n".join(node.report())


def test_a_node_that_took_part_runs_again(job, place):
    for number in range(2):
        node = start(job, place, DAGZ_SECRET=SECRET, **circle(0, 3))
        assert node.wait() == 0
        assert ran(place) == 60 * (number + 1)
    other = start(job, place, DAGZ_SECRET=SECRET, **circle(1, 3))
    assert other.wait() == 0
    assert other.report() == node.report() and ran(place) == 120


def test_a_late_node_finds_the_report_in_its_history(job, tmp_path):
    job.write("test_it.py", SUITE)
    kept = tmp_path / "kept"

    def run(index):
        node = job.start("-n", "1", "--listen", "127.0.0.1", "--no-beacon", state=kept, DAGZ_SECRET=SECRET,
                         RAN=str(tmp_path / "ran"), **circle(index, 2))
        assert node.wait() == 0
        return node

    first = run(0)
    late = run(1)
    assert late.report() == first.report() and not late.progress()
    assert re.search(r"was over before this node came; its report is in \S+history.db", late.errors)
    assert ran(tmp_path) == 60
    # The same place again is a rerun of the step.
    assert run(0).progress() and ran(tmp_path) == 120


def test_a_report_by_somebody_else_is_not_believed(job, place):
    assert start(job, place).wait() == 0
    (ended,) = (place / "rendezvous").glob("*.ended")
    ended.write_bytes(ended.read_bytes().replace(b"PASSED", b"FAILED", 1))
    again = start(job, place)
    assert again.wait() == 0
    assert ran(place) == 120


def test_who_stays_alone_runs_its_slice(job, place):
    nodes = []
    for index in range(3):
        variables = {**circle(index, 3), **alone(place, index), "DAGZ_SECRET": SECRET}
        nodes.append(job.start("-n", "1", "--listen", "127.0.0.1", "--no-beacon", "--on-isolation",
                               "slice", RAN=str(place / "ran"), **variables))
    assert [node.wait() for node in nodes] == [0, 0, 0]
    counts = [int(re.search(r" of (\d+) tests", node.summary())[1]) for node in nodes]
    assert sum(counts) == ran(place) == 60 and min(counts) > 5
    assert "only slice 2 of 3: the other nodes were never met" in nodes[1].report()
    ids = [match[7] for node in nodes for match in node.progress()]
    assert len(ids) == len(set(ids)) == 60


def gitlab(index, name, run):
    return {"GITLAB_CI": "true", "CI_SERVER_URL": "https://gitlab.example", "CI_PROJECT_PATH": "o/r",
            "CI_PIPELINE_ID": "7", "CI_JOB_NAME": name, "CI_NODE_TOTAL": "2", "CI_NODE_INDEX": str(index),
            "CI_JOB_URL": f"https://gitlab.example/o/r/-/jobs/{run}", "DAGZ_SECRET": SECRET}


def test_a_rerun_of_a_shared_job_runs_no_slice(job, place):
    """What failed may have run on a node that does not come again."""
    for i in range(8):
        job.write(f"test_{i}.py", "import time\ndef test_bad():\n    time.sleep(0.3)\n    assert 0\n")
    options = ["-n", "1", "--listen", "127.0.0.1", "--retries", "0", "--on-isolation", "slice"]

    def one(index, run):
        return job.start(*options, state=place / f"kept-{index}", RAN=str(place / "ran"),
                         **gitlab(index, f"t {index}/2", run))

    nodes = [one(index, index) for index in (1, 2)]
    assert [node.wait() for node in nodes] == [1, 1]
    assert not any("only slice" in line for line in nodes[0].report())
    again = one(1, 3)
    assert again.wait() == 1
    assert {match[7] for match in again.progress()} == {f"test_{i}.py::test_bad" for i in range(8)}


def test_a_rerun_of_a_slice_runs_what_is_left_of_that_slice(job, place):
    job.write("test_bad.py", "import pytest\n@pytest.mark.parametrize('i', range(8))\ndef test_bad(i): assert 0\n")
    options = ["-n", "1", "--listen", "127.0.0.1", "--no-beacon", "--retries", "0", "--on-isolation", "slice"]
    node = job.start(*options, state=place / "kept", RAN=str(place / "ran"), **gitlab(1, "t 1/2", 1))
    assert node.wait() == 1
    bad = {match[7] for match in node.progress() if match[6] == "FAILED"}
    assert 0 < len(bad) < 8
    again = job.start(*options, state=place / "kept", RAN=str(place / "ran"), **gitlab(1, "t 1/2", 2))
    assert again.wait() == 1
    assert {match[7] for match in again.progress()} == bad
    assert "only slice 1 of 2: the other nodes were never met" in again.report()


def test_a_matrix_leg_is_no_slice(job, place):
    """GitLab counts all legs, each of which is a job of its own."""
    job.key = ""
    for index, leg in ((1, "3.11"), (2, "3.12")):
        node = job.start("-n", "1", "--listen", "127.0.0.1", "--on-isolation", "slice", RAN=str(place / "ran"),
                         **gitlab(index, f"test: [{leg}]", index))
        assert node.wait() == 0
        assert "60 passed" in node.summary()
        assert not any("expected nodes" in line or "only slice" in line for line in node.report())


def test_an_empty_slice_of_a_suite_passes(job, place):
    job.write("test_it.py", "def test_it(): pass\n")
    nodes = []
    for index in range(3):
        variables = {**circle(index, 3), **alone(place, index), "DAGZ_SECRET": SECRET}
        nodes.append(job.start("-n", "1", "--listen", "127.0.0.1", "--no-beacon", "--on-isolation",
                               "slice", **variables))
    assert [node.wait() for node in nodes] == [0, 0, 0]
    assert sorted(node.summary().count("1 passed") for node in nodes) == [0, 0, 1]
    assert all("PASSED" in node.summary() for node in nodes)


def test_who_meets_somebody_runs_no_slice(job, place):
    nodes = [start(job, place, "--on-isolation", "slice", DAGZ_SECRET=SECRET, **circle(index, 3))
             for index in range(2)]
    assert [node.wait() for node in nodes] == [0, 0]
    assert report_of(nodes[0].lines) == report_of(nodes[1].lines)
    assert "of 60 tests" in nodes[0].summary()


SLOW_END = """
import os, pathlib, pytest, time
place = pathlib.Path(os.environ["RAN"]).parent
@pytest.fixture(scope="session", autouse=True)
def slow_to_end():
    yield
    (place / "ending").touch()
    while not (place / "met").exists(): time.sleep(0.05)
"""


def test_who_comes_as_a_slice_is_torn_down_brings_the_rest(job, place):
    job.write("conftest.py", SLOW_END)
    first = start(job, place, "--on-isolation", "slice", DAGZ_SECRET=SECRET, **circle(0, 3))
    deadline = time.monotonic() + PATIENCE
    while not (place / "ending").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert 5 < ran(place) < 60
    second = start(job, place, "--on-isolation", "slice", DAGZ_SECRET=SECRET, **circle(1, 3))
    first.wait_for_error("there is more to run")
    (place / "met").touch()
    assert [first.wait(), second.wait()] == [0, 0]
    assert report_of(first.lines) == report_of(second.lines)
    assert "of 60 tests" in first.summary() and ran(place) == 60


def test_a_slice_needs_a_place(job, place):
    node = start(job, place, "--on-isolation", "slice")
    assert node.wait() == 4
    assert "does not say which of how many nodes this is" in node.errors
    # As a setting of the project it holds where there are slices.
    job.write("dagz.toml", 'on-isolation = "slice"\n')
    assert start(job, place).wait() == 0
    assert ran(place) == 60
    assert start(job, place, "--on-isolation", "slice").wait() == 4


# Of two nodes each has begun a test before one of them stands still.
HELD = """
import os, pathlib, pytest, time
place = pathlib.Path(os.environ["RAN"]).parent
@pytest.fixture(scope="session", autouse=True)
def session():
    yield
    (place / ("ended-" + os.environ["DAGZ_NODE"])).touch()
@pytest.mark.parametrize("i", range(12))
def test_it(i):
    (place / ("began-" + os.environ["DAGZ_NODE"])).touch()
    while not (place / "go").exists(): time.sleep(0.02)
    with open(os.environ["RAN"], "a") as file: print(i, file=file)
def test_fails():
    test_it(12)
    assert 0
"""


def wait_for(what):
    deadline = time.monotonic() + PATIENCE
    while not what() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert what()


def outlived(job, place, which, *options):
    """Two nodes, one of which stood still until the other one had ended the job: both of them."""
    job.write("test_it.py", HELD)
    nodes = [start(job, place, "--affinity", "none", "--retries", "0", *options, DAGZ_EVENTS=str(place / f"events-{i}"))
             for i in range(2)]
    wait_for(lambda: len(list(place.glob("began-*"))) == 2)
    still = nodes.pop(which)
    still.send(signal.SIGSTOP)
    (place / "go").touch()
    assert nodes[0].wait() == 1
    assert "1 failed, 12 passed" in nodes[0].summary() and "1 lost node" in "\n".join(nodes[0].report())
    return nodes[0], still


@pytest.mark.parametrize("which, verdict, code", [(0, "job", 1), (1, "job", 1), (1, "own", 0)])
def test_who_stood_still_beyond_the_end_takes_the_report_of_the_others(job, place, which, verdict, code):
    other, still = outlived(job, place, which, "--exit", verdict)
    before = ran(place)
    still.send(signal.SIGCONT)
    assert still.wait() == code
    assert still.report() == other.report() and ran(place) == before
    assert f"was over before this node was back; its report is in {place}" in still.errors
    assert re.search(r"\d results? that this node holds (is|are) not in the report of the others", still.errors)
    # As if it had heard of the end: its worker has torn down, and the job is remembered.
    assert len(list(place.glob("ended-*"))) == 2
    assert still.kept_report().splitlines() == other.report()
    last = json.loads((place / f"events-{which}").read_text().splitlines()[-1])
    assert (last["event"], last["status"]) == ("job_closed", "FAILED")


def test_who_stood_still_believes_no_report_by_somebody_else(job, place):
    other, still = outlived(job, place, 1)
    (ended,) = (place / "rendezvous").glob("*.ended")
    ended.write_bytes(ended.read_bytes().replace(b"FAILED", b"PASSED", 1))
    still.send(signal.SIGCONT)
    assert still.wait() == 1
    assert still.report() != other.report() and "1 failed, 12 passed" in still.summary()
    assert "was over before this node was back" not in still.errors


def test_what_is_no_report_is_passed_over(job, place):
    assert start(job, place).wait() == 0
    (ended,) = (place / "rendezvous").glob("*.ended")
    ended.unlink()
    os.mkfifo(ended)
    again = start(job, place)
    assert again.wait() == 0
    assert ran(place) == 120
