"""Several runs in one CI job: another command, or other settings, is no rerun of what ran before."""

import pytest
from job import BINARY

SECRET = "no secret, but as long as one"
OPTIONS = ["-n", "1", "--listen", "127.0.0.1", "--no-beacon", "--retries", "0"]

# Each breaks one test, and would be green without the one that the other has seen pass.
DATABASES = """
import os
def test_not_on_one(): assert os.environ["DB"] != "one"
def test_not_on_two(): assert os.environ["DB"] != "two"
def test_fine(): pass
"""


def gitlab(run):
    return {"GITLAB_CI": "true", "CI_SERVER_URL": "https://gitlab.example", "CI_PROJECT_PATH": "o/r",
            "CI_PIPELINE_ID": "7", "CI_JOB_STAGE": "test", "CI_JOB_NAME": "test", "CI_NODE_TOTAL": "1",
            "CI_JOB_URL": f"https://gitlab.example/o/r/-/jobs/{run}", "DAGZ_SECRET": SECRET}


def github(run):
    return {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "7", "GITHUB_JOB": "test",
            "GITHUB_RUN_ATTEMPT": str(run), "CI_NODE_INDEX": "0", "CI_NODE_TOTAL": "1", "DAGZ_SECRET": SECRET}


def ran(node):
    return {match[7].split("::")[1] for match in node.progress()}


@pytest.fixture(params=["rendezvous", "history"])
def memory(request, tmp_path):
    """How a node remembers: options and where its state is."""
    if request.param == "history":
        return [], {"state": tmp_path / "kept"}
    (tmp_path / "rendezvous").mkdir()
    return ["--rendezvous", str(tmp_path / "rendezvous")], {}


@pytest.mark.parametrize("ci", [gitlab, github])
def test_a_second_run_of_one_ci_job_runs_everything(job, memory, ci):
    job.write("test_it.py", DATABASES)
    options, state = memory
    for run, databases in ((1, "one two"), (2, "two")):
        for database in databases.split():
            node = job.start(*OPTIONS, *options, DB=database, **ci(run), **state)
            assert node.wait() == 1
            assert ran(node) == {"test_not_on_one", "test_not_on_two", "test_fine"}
            if run == 1 and database == "two":
                assert "was run by this very CI job, so this is another run" in node.errors
            if run == 2:
                assert "which of them this one repeats cannot be told, and everything runs" in node.errors


@pytest.mark.parametrize("ci", [gitlab, github])
def test_a_lone_run_of_a_ci_job_is_repeated(job, memory, ci):
    job.write("test_it.py", DATABASES)
    options, state = memory
    for run in (1, 2):
        node = job.start(*OPTIONS, *options, DB="two", **ci(run), **state)
        assert node.wait() == 1
    assert ran(node) == {"test_not_on_two"}


def test_another_command_is_no_rerun(job, memory):
    job.write("test_a.py", "def test_a(): pass\ndef test_both(): assert 0\n")
    job.write("test_b.py", "def test_b(): assert 0\ndef test_both(): pass\n")
    options, state = memory
    for run in (1, 2):
        for name in ("a", "b"):
            node = job.start(*OPTIONS, *options, command=["pytest", f"test_{name}.py"], **github(run), **state)
            assert node.wait() == 1
            fails = "test_both" if name == "a" else "test_b"
            assert ran(node) == ({fails} if run == 2 else {f"test_{name}", "test_both"})
            if run == 1 and name == "b":
                assert "it is no earlier attempt of this one" in node.errors


def test_another_command_is_not_late_for_the_first(job, tmp_path):
    """Outside of a CI, where --job names the job and a directory keeps its report."""
    job.write("test_a.py", "def test_a(): pass\n")
    job.write("test_b.py", "def test_b(): assert 0\n")
    (tmp_path / "rendezvous").mkdir()
    for name, code, late in (("a", 0, False), ("b", 1, False), ("a", 0, True)):
        node = job.start("-n", "1", "--retries", "0", "--rendezvous", str(tmp_path / "rendezvous"),
                         command=["pytest", f"test_{name}.py"])
        assert node.wait() == code
        assert ("was over before this node came" in node.errors) == late
        assert ran(node) == (set() if late else {f"test_{name}"})


def test_nodes_of_one_job_may_name_files_of_their_own(job, tmp_path):
    """A late node takes the report of those that wrote elsewhere."""
    job.write("test_a.py", "def test_a(): pass\n")
    (tmp_path / "rendezvous").mkdir()
    for index in "01":
        node = job.start(*OPTIONS, "--rendezvous", str(tmp_path / "rendezvous"),
                         command=["pytest", f"--junitxml={tmp_path}/{index}.xml"],
                         **{**github(1), "CI_NODE_INDEX": index, "CI_NODE_TOTAL": "2"})
        assert node.wait() == 0
    assert "was over before this node came" in node.errors and ran(node) == set()


# A node of the inner job does not run both tests: each waits for the other one.
MEETING = """
import os, pathlib, time
NODES = int(os.environ["NODES"])
def meet(name):
    pathlib.Path(os.environ["MEETING"], name).touch()
    until = time.monotonic() + 60
    while len(os.listdir(os.environ["MEETING"])) < NODES and time.monotonic() < until: time.sleep(0.01)
    assert len(os.listdir(os.environ["MEETING"])) >= NODES
def test_one(): meet(os.environ["DAGZ_NODE"])
def test_other(): meet(os.environ["DAGZ_NODE"])
"""

STARTS_DAGZ = """
import os, subprocess, sys
def test_of_a_tool(tmp_path):
    os.environ["MEETING"] = str(tmp_path)
    nodes = [
        subprocess.Popen(
            [os.environ["BINARY"], "run", "-n", "1", "--state-dir", os.path.join(os.environ["INNER"], f"state-{i}"), "--",
             sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
            cwd=os.environ["INNER"], stdout=subprocess.PIPE, text=True)
        for i in range(int(os.environ["NODES"]))
    ]
    for node in nodes:
        output = node.communicate(timeout=80)[0]
        assert node.returncode == 0, output
        assert " PASSED: 0 failed, 2 passed," in output and f"· {len(nodes)} node" in output, output
def test_fine(): pass
"""


@pytest.mark.parametrize("count", [1, 2])
def test_a_run_within_a_test_is_a_job_of_its_own(job, count):
    inner = job.folder / "inner"
    inner.mkdir()
    (inner / "pytest.ini").write_text("[pytest]\n")
    (inner / "test_inner.py").write_text(MEETING)
    job.write("test_outer.py", STARTS_DAGZ)
    job.key = ""  # as the CI says
    # The secret of the user on this host, which both have.
    ci = {name: value for name, value in gitlab(1).items() if name != "DAGZ_SECRET"}
    node = job.start("-n", "2", "--retries", "0", BINARY=BINARY, INNER=str(inner), NODES=str(count), **ci)
    assert node.wait() == 0, node.everything()
    assert " PASSED: 0 failed, 2 passed," in node.summary() and " of 2 tests" in node.summary()
    assert any("· 1 node ·" in line for line in node.report()), node.report()
