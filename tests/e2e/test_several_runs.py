"""Several runs in one CI job: another command, or other settings, is no rerun of what ran before."""

import pytest

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
