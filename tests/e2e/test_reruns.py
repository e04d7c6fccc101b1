"""Later attempts of a CI step run what did not pass in the earlier one."""

import re
import shutil

import pytest

from job import same_report
from plugins import path_of

SECRET = "no secret, but as long as one"

SUITE = """
import os, pytest
@pytest.mark.parametrize("i", range(40))
def test_fine(i): pass
def test_skipped(): pytest.skip("always")
def test_fails(): assert os.environ["ATTEMPT"] == "2"
def test_hopeless(): assert 0
"""


def github(attempt):
    return {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "7", "GITHUB_JOB": "test",
            "GITHUB_RUN_ATTEMPT": str(attempt), "DAGZ_SECRET": SECRET, "ATTEMPT": str(attempt)}


def start(job, attempt, *options, **more):
    return job.start("-n", "1", "--listen", "127.0.0.1", "--no-beacon", "--retries", "0", *options,
                     **github(attempt), **more)


def test_a_rerun_runs_what_did_not_pass(job, tmp_path):
    job.write("test_it.py", SUITE)
    first = start(job, 1, state=tmp_path / "kept")
    assert first.wait() == 1
    job.write("test_new.py", "def test_new(): pass\n")
    again = start(job, 2, state=tmp_path / "kept")
    assert again.wait() == 1
    assert {match[7] for match in again.progress()} == {
        "test_it.py::test_skipped", "test_it.py::test_fails", "test_it.py::test_hopeless", "test_new.py::test_new"}
    assert "1 failed, 2 passed, 0 flaky, 0 errors, 1 skipped, 40 redundant of 44 tests" in again.summary()
    assert re.search(r"this is a rerun of j\d{4}\.\d+: the 40 tests that passed there", again.errors)
    # And what is redundant stays so.
    third = start(job, 3, state=tmp_path / "kept")
    assert third.wait() == 1
    assert "40 redundant" not in third.summary() and "42 redundant of 44 tests" in third.summary()


def test_what_was_skipped_or_expected_to_fail_runs_again(job, tmp_path):
    """A service was down, and it was not these tests that failed for it."""
    job.write("test_it.py", """
import os, pytest
def test_up(): assert os.environ["ATTEMPT"] == "2"
def test_skips():
    if os.environ["ATTEMPT"] == "1": pytest.skip("the service is down")
    assert 0
def test_xfails():
    if os.environ["ATTEMPT"] == "1": pytest.xfail("the service is down")
    assert 0
@pytest.mark.xfail
def test_xpasses(): pass
""")
    assert start(job, 1, state=tmp_path / "kept").wait() == 1
    again = start(job, 2, state=tmp_path / "kept")
    assert again.wait() == 1
    assert "2 failed, 1 passed, 0 flaky, 0 errors, 0 skipped, 1 redundant of 4 tests" in again.summary()
    assert "the 1 test that passed there is not run again" in again.errors


def test_a_chain_of_which_one_test_failed_runs_whole(job, tmp_path):
    """pytest-dependency would skip what depends on a test that is left out."""
    job.write("test_it.py", """
import pytest
@pytest.mark.dependency()
def test_first(): pass
@pytest.mark.dependency(depends=["test_first"])
def test_second(): assert 0
def test_other(): pass
""")
    job.write("test_fine.py", """
import pytest
@pytest.mark.dependency()
def test_first(): pass
@pytest.mark.dependency(depends=["test_first"])
def test_second(): pass
""")
    for attempt in (1, 2):
        node = start(job, attempt, state=tmp_path / "kept", **path_of("ordered"))
        assert node.wait() == 1
    assert "1 failed, 1 passed, 0 flaky, 0 errors, 0 skipped, 3 redundant of 5 tests" in node.summary()


def test_a_flaky_test_that_failed_the_job_runs_again(job, tmp_path):
    job.write("test_it.py", """
import os, pathlib
def test_flaky():
    mark = pathlib.Path(__file__).parent / os.environ["ATTEMPT"]
    if not mark.exists():
        mark.touch()
        assert os.environ["ATTEMPT"] == "2"
def test_fine(): pass
""")
    options = ["-n", "1", "--listen", "127.0.0.1", "--no-beacon", "--flaky", "fail"]
    assert job.start(*options, **github(1), state=tmp_path / "kept").wait() == 19
    again = job.start(*options, **github(2), state=tmp_path / "kept")
    assert again.wait() == 0
    assert "0 failed, 1 passed, 0 flaky, 0 errors, 0 skipped, 1 redundant of 2 tests" in again.summary()


def test_after_a_passed_attempt_everything_runs(job, tmp_path):
    job.write("test_it.py", "def test_a(): pass\ndef test_b(): pass\n")
    for attempt in (1, 2):
        node = start(job, attempt, state=tmp_path / "kept")
        assert node.wait() == 0
        assert "2 passed" in node.summary() and " 0 redundant" in node.summary()


def test_the_rendezvous_directory_tells_of_the_attempt_before(job, tmp_path):
    job.write("test_it.py", SUITE)
    (tmp_path / "rendezvous").mkdir()
    meeting = ["--rendezvous", str(tmp_path / "rendezvous")]
    nodes = [start(job, 1, *meeting) for _ in range(2)]
    assert [node.wait() for node in nodes] == [1, 1]
    nodes = [start(job, 2, *meeting) for _ in range(2)]
    assert [node.wait() for node in nodes] == [1, 1]
    assert "1 failed, 1 passed, 0 flaky, 0 errors, 1 skipped, 40 redundant of 43 tests" in nodes[0].summary()
    assert nodes[0].report() == nodes[1].report()


@pytest.mark.parametrize("memory", ["rendezvous", "history"])
def test_another_build_under_the_same_key_is_no_rerun(job, tmp_path, memory):
    """Other sources: what passed before may be broken now."""
    job.write("test_it.py", SUITE)
    options = {}
    if memory == "rendezvous":
        (tmp_path / "rendezvous").mkdir()
        options = {"DAGZ_RENDEZVOUS": str(tmp_path / "rendezvous")}
    else:
        options = {"state": tmp_path / "kept"}
    for build in ("7", "8"):
        node = job.start("-n", "1", "--listen", "127.0.0.1", "--no-beacon", "--retries", "0",
                         **{**github(1), "GITHUB_RUN_ID": build}, **options)
        assert node.wait() == 1
        assert "2 failed, 40 passed" in node.summary() and " 0 redundant" in node.summary()


def test_without_a_word_on_the_build_nothing_is_redundant(job, tmp_path):
    """By the variables that pipelines set by convention all builds have one key."""
    job.write("test_it.py", SUITE)
    job.key = ""
    for number, commit in enumerate(["", "", "c0ffee", "c0ffee", "c1ffee"]):
        node = job.start("-n", "1", "--listen", "127.0.0.1", "--no-beacon", "--retries", "0", state=tmp_path / "kept",
                         CI_NODE_INDEX="0", CI_NODE_TOTAL="2", GIT_COMMIT=commit, DAGZ_SECRET=SECRET, ATTEMPT="1")
        assert node.wait() == 1
        assert (" 40 redundant" if number == 3 else " 0 redundant") in node.summary()


@pytest.mark.parametrize("broken", [False, True])
def test_a_ci_job_of_one_node_is_never_late_for_itself(job, tmp_path, broken):
    """GitLab without `parallel`, restarted: a rerun, also within a minute."""
    job.write("test_it.py", "def test_a(): pass\ndef test_b(): assert 0\n" if broken else "def test_a(): pass\n")
    (tmp_path / "rendezvous").mkdir()
    lone = {**gitlab(1), "CI_JOB_NAME": "test", "CI_NODE_TOTAL": "1"}
    del lone["CI_NODE_INDEX"]
    for attempt in (1, 2):
        node = job.start("-n", "1", "--listen", "127.0.0.1", "--no-beacon", "--retries", "0",
                         "--rendezvous", str(tmp_path / "rendezvous"), **lone)
        assert node.wait() == (1 if broken else 0)
        assert ran(node) == {"test_it.py::test_b"} if broken and attempt == 2 else "test_it.py::test_a" in ran(node)


def test_outside_of_a_ci_nothing_is_redundant(job, tmp_path):
    job.write("test_it.py", SUITE)
    for _ in range(2):
        node = job.start("-n", "1", "--retries", "0", state=tmp_path / "kept", ATTEMPT="1")
        assert node.wait() == 1
        assert "2 failed, 40 passed" in node.summary()


def ran(*nodes):
    return {match[7] for node in nodes for match in node.progress()}


FILES = {
    "test_a.py": "import pytest\n@pytest.mark.parametrize('i', range(20))\ndef test_fine(i): pass\n",
    "test_b.py": "import os\ndef test_fine(): pass\ndef test_fails(): assert os.environ['ATTEMPT'] == '2'\n",
    "test_c.py": "def test_hopeless(): assert 0\ndef test_fine(): pass\n",
}
LEFT_OVER = {"test_b.py::test_fails", "test_c.py::test_hopeless", "test_c.py::test_new", "test_d.py::test_new"}


def write_files(job, attempt):
    for name, text in FILES.items():
        job.write(name, text)
    if attempt == 1:
        return
    # In the middle, so that every test behind it has moved.
    job.write("test_c.py", "def test_new(): pass\n" + FILES["test_c.py"])
    job.write("test_d.py", "def test_new(): pass\n")


def test_a_rerun_with_shared_collection(job, tmp_path):
    write_files(job, 1)
    first = start(job, 1, "--collect", "shared", state=tmp_path / "kept")
    assert first.wait() == 1
    assert ran(first) >= {"test_a.py::test_fine[0]", "test_b.py::test_fails"}
    write_files(job, 2)
    again = start(job, 2, "--collect", "shared", state=tmp_path / "kept")
    assert again.wait() == 1
    assert "collection: shared" in again.errors
    assert ran(again) == LEFT_OVER
    assert "1 failed, 3 passed, 0 flaky, 0 errors, 0 skipped, 22 redundant of 26 tests" in again.summary()


@pytest.mark.parametrize("collect", ["whole", "shared"])
@pytest.mark.parametrize("first", ["who remembers", "who does not"])
def test_one_node_knows_of_the_attempt_before(job, tmp_path, collect, first):
    write_files(job, 1)
    assert start(job, 1, "--collect", collect, state=tmp_path / "kept").wait() == 1
    write_files(job, 2)
    # Time enough to meet before anything begins.
    job.write("conftest.py", "import time\ntime.sleep(2)\n")
    states = [{"state": tmp_path / "kept"}, {}]
    nodes = []
    for state in states if first == "who remembers" else reversed(states):
        nodes.append(start(job, 2, "--collect", collect, **state))
        nodes[-1].address()
    assert [node.wait() for node in nodes] == [1, 1]
    same_report(nodes)
    assert ran(*nodes) == LEFT_OVER
    assert "22 redundant of 26 tests" in nodes[0].summary()
    other = nodes[1 if first == "who remembers" else 0]
    assert re.search(r"another node remembers j\d{4}\.\d+, an earlier attempt of this job: the 22 tests that passed "
                     "there are not run again", other.errors)


def test_the_newest_attempt_that_anybody_remembers_decides(job, tmp_path):
    job.write("test_it.py", "import os\ndef test_a(): pass\ndef test_b(): assert os.environ['ATTEMPT'] != '1'\n"
                            "def test_c(): assert 0\n")
    assert start(job, 1, state=tmp_path / "old").wait() == 1
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    second = start(job, 2, state=tmp_path / "new")
    assert second.wait() == 1
    assert ran(second) == {"test_it.py::test_b", "test_it.py::test_c"}
    job.write("conftest.py", "import time\ntime.sleep(2)\n")
    nodes = [start(job, 3, state=tmp_path / name) for name in ("old", "new")]
    assert [node.wait() for node in nodes] == [1, 1]
    assert ran(*nodes) == {"test_it.py::test_c"}
    assert "2 redundant of 3 tests" in nodes[0].summary()


def gitlab(number):
    return {"GITLAB_CI": "true", "CI_SERVER_URL": "https://gitlab.example", "CI_PROJECT_PATH": "o/r",
            "CI_PIPELINE_ID": "7", "CI_JOB_STAGE": "test", "CI_JOB_NAME": f"test {number}/2", "CI_NODE_TOTAL": "2",
            "CI_NODE_INDEX": str(number), "DAGZ_SECRET": SECRET}


@pytest.mark.parametrize("collect", ["whole", "shared"])
@pytest.mark.parametrize("memory", ["rendezvous", "history", "none"])
def test_one_of_two_nodes_is_restarted(job, tmp_path, collect, memory):
    """GitLab counts no attempts: the restarted node has the same variables as before."""
    write_files(job, 1)
    options = ["-n", "1", "--listen", "127.0.0.1", "--no-beacon", "--retries", "0", "--collect", collect]
    if memory == "rendezvous":
        (tmp_path / "rendezvous").mkdir()
        options += ["--rendezvous", str(tmp_path / "rendezvous")]

    def start_one(number, attempt):
        state = {"state": tmp_path / f"kept-{number}"} if memory == "history" else {}
        return job.start(*options, ATTEMPT=str(attempt), **gitlab(number), **state)

    nodes = [start_one(number, 1) for number in (1, 2)]
    assert [node.wait() for node in nodes] == [1, 1]
    finished = same_report(nodes)
    write_files(job, 2)
    again = start_one(2, 2)
    assert again.wait() == 1
    # A job of its own, with what was left over, or with everything; nobody waits for the other node.
    assert again.report() != finished
    assert any("1 of 2 expected nodes took part" in line for line in again.report())
    if memory == "none":
        assert " 0 redundant of 26 tests" in again.summary()
    else:
        assert ran(again) == LEFT_OVER
        assert "22 redundant of 26 tests" in again.summary()


def test_one_of_two_nodes_is_restarted_where_attempts_are_counted(job, tmp_path):
    write_files(job, 1)
    nodes = [start(job, 1, "--nodes", "2", state=tmp_path / str(number)) for number in (1, 2)]
    assert [node.wait() for node in nodes] == [1, 1]
    write_files(job, 2)
    again = start(job, 2, "--nodes", "2", state=tmp_path / "2")
    assert again.wait() == 1
    assert ran(again) == LEFT_OVER
    assert any("1 of 2 expected nodes took part" in line for line in again.report())
