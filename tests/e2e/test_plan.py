"""`dagz run --plan`: what would run where, and nothing runs."""

import json
import os
import re
import signal
import sys

import pytest

RECORDING = """
import pathlib, pytest, time
@pytest.mark.parametrize("i", range(6))
def test_recorded(i):
    (pathlib.Path(__file__).parent / "ran").touch()
    time.sleep(0.02)
"""


def plan_of(job, *options, **more):
    node = job.start("--plan", "--format", "json", *options, **more)
    assert node.wait() == 0, node.everything()
    assert len(node.lines) == 1
    return json.loads(node.lines[0])


def test_a_plan_runs_no_test_and_leaves_nothing_behind(job):
    job.write("test_recorded.py", RECORDING)
    job.write("test_other.py", "def test_other(): pass\n")
    plan = plan_of(job, "-n", "2", "--nodes", "3")
    assert not (job.suite / "ran").exists()
    assert not job.nodes[0].state.exists()
    assert (plan["nodes"], len(plan["workers"]), plan["tests"], plan["files"]) == (3, 6, 7, 2)
    assert plan["known_tests"] == 0
    planned = [test for w in plan["workers"] for group in w["groups"] for test in group["tests"]]
    assert sorted(planned) == sorted(
        ["test_other.py::test_other", *(f"test_recorded.py::test_recorded[{i}]" for i in range(6))]
    )
    assert plan["makespan_s"] >= plan["lower_bound_s"] > 0


def test_a_history_makes_the_plan(job):
    job.write("test_slow.py", "import time\ndef test_slow(): time.sleep(0.6)\n")
    job.write("test_quick.py", RECORDING)
    node = job.start("-n", "2")
    assert node.wait() == 0
    state = ["--state-dir", str(node.state), "-n", "2"]
    plan = plan_of(job, *state)
    assert plan["known_tests"] == plan["tests"] == 7
    slow, quick = plan["workers"]
    assert [group["name"] for group in slow["groups"]] == ["test_slow.py"]
    assert [group["name"] for group in quick["groups"]] == ["test_quick.py"]
    assert plan["makespan_s"] == plan["lower_bound_s"] == slow["expected_s"] > 0.5
    assert quick["expected_s"] < 0.5
    assert plan_of(job, *state) == plan
    text = job.start("--plan", *state)
    assert text.wait() == 0
    assert text.lines[0] == "plan of 7 tests in 2 files, all with a history"
    assert re.match(r"makespan 0\.[6-9]\ds · lower bound 0\.[6-9]\ds · ", text.lines[1])
    assert re.match(r"worker #0 on node-0: 0\.[6-9]\ds, 1 test$", text.lines[2])


def test_without_a_history_what_other_jobs_left_makes_the_plan(job, tmp_path):
    job.write("test_slow.py", "import time\ndef test_slow(): time.sleep(0.6)\n")
    job.write("test_quick.py", RECORDING)
    rendezvous = tmp_path / "rendezvous"
    options = ["-n", "2", "--rendezvous", str(rendezvous)]
    assert plan_of(job, *options)["known_tests"] == 0
    assert not rendezvous.exists()
    assert job.start(*options, "--listen", "127.0.0.1", "--no-beacon").wait() == 0
    left = {path.name: path.read_bytes() for path in rendezvous.iterdir()}
    plan = plan_of(job, *options)
    assert plan["known_tests"] == plan["tests"] == 7
    assert plan["makespan_s"] == plan["workers"][0]["expected_s"] > 0.5
    assert not job.nodes[-1].state.exists()
    assert {path.name: path.read_bytes() for path in rendezvous.iterdir()} == left
    # Who cannot check it does without, and says so.
    other = job.start("--plan", "--format", "json", *options, DAGZ_SECRET="short")
    assert other.wait() == 0
    assert "DAGZ_SECRET is shorter" in other.errors and "knows no durations of other hosts" in other.errors
    assert json.loads(other.lines[0])["known_tests"] == 0


def test_the_command_decides_what_is_planned(job):
    job.write("test_recorded.py", RECORDING)
    plan = plan_of(job, "--affinity", "none", "-n", "1", pytest=["-k", "3 or 4"])
    names = [group["name"] for group in plan["workers"][0]["groups"]]
    assert names == [f"test_recorded.py::test_recorded[{i}]" for i in (3, 4)]


def test_a_plan_forgets_no_failure(job):
    job.write("test_fails.py", "def test_fails(): assert 0\ndef test_fine(): pass\n")
    command = [sys.executable, "-m", "pytest"]
    assert job.start("-n", "1", "--retries", "0", command=command).wait() == 1
    failed = job.suite / ".pytest_cache" / "v" / "cache" / "lastfailed"
    before = failed.read_text()
    assert "test_fails" in before
    plan_of(job, command=command)
    assert failed.read_text() == before


@pytest.mark.parametrize(
    "files, code, sentence",
    [
        ({"test_bad.py": "import no_such_module\n"}, 1, "test_bad.py could not be collected"),
        ({}, 5, "nothing was collected"),
        ({"pytest.ini": "[pytest]\naddopts = --no-such-option\n"}, 4, "no-such-option"),
    ],
)
def test_what_cannot_be_planned_is_said(job, files, code, sentence):
    for name, text in files.items():
        job.write(name, text)
    node = job.start("--plan")
    assert node.wait() == code
    assert sentence in node.errors
    if "test_bad.py" in files:
        assert "not planned, for it could not be collected: test_bad.py" in node.lines
    else:
        assert node.lines == []


def test_without_the_command_a_sentence_says_so(job):
    node = job.start("--plan", command=["no-such-command"])
    assert node.wait() == 16
    assert "`no-such-command` was not found" in node.errors


def test_an_interrupt_ends_the_plan_and_its_command(job):
    os.mkfifo(job.suite / "begun")
    job.write("conftest.py", "import os, time\nopen('begun', 'w').write(str(os.getpid()))\ntime.sleep(60)\n")
    node = job.start("--plan")
    pid = int((job.suite / "begun").read_text())
    node.send(signal.SIGINT)
    assert node.wait() == 2
    assert node.lines == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
