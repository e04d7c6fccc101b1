"""Later attempts of a CI step run what did not pass in the earlier one."""

import re

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
        "test_it.py::test_fails", "test_it.py::test_hopeless", "test_new.py::test_new"}
    assert "1 failed, 2 passed, 0 flaky, 0 errors, 0 skipped, 41 redundant of 44 tests" in again.summary()
    assert re.search(r"this is a rerun of j\d{4}\.\d+: the 41 tests that passed there", again.errors)
    # And what is redundant stays so.
    third = start(job, 3, state=tmp_path / "kept")
    assert third.wait() == 1
    assert "41 redundant" not in third.summary() and "43 redundant of 44 tests" in third.summary()


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
    assert "1 failed, 1 passed, 0 flaky, 0 errors, 0 skipped, 41 redundant of 43 tests" in nodes[0].summary()
    assert nodes[0].report() == nodes[1].report()


def test_outside_of_a_ci_nothing_is_redundant(job, tmp_path):
    job.write("test_it.py", SUITE)
    for _ in range(2):
        node = job.start("-n", "1", "--retries", "0", state=tmp_path / "kept", ATTEMPT="1")
        assert node.wait() == 1
        assert "2 failed, 40 passed" in node.summary()
