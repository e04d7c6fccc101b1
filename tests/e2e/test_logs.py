"""`dagz logs`: one test of the last job, as text and as a folder."""

import json
import re
import shlex
import sys

import pytest

SUITE = """
import os
def test_passes(): pass
def test_passes_too(): pass
def test_fails():
    with open("spans", "a") as file: file.write(os.environ["DAGZ_SPAN"] + "\\n")
    print("a word on the way")
    assert 1 == 2, "not \\x1b[31mequal"
"""


@pytest.fixture
def done(job):
    job.write("tests/test_it.py", SUITE)
    for state in range(2):
        node = job.start("-n", "1", "--retries", "1", "--state-dir", str(job.folder / "state"))
        assert node.wait() == 1, node.errors
    return job


def logs(job, *arguments):
    where = ["--state-dir", str(job.folder / "state"), "--job", job.key, "--no-beacon"]
    return job.nodes[0].ask("logs", *where, *arguments)


def test_by_id_by_part_and_by_span(done):
    whole = logs(done, "tests/test_it.py::test_fails")
    assert whole.returncode == 0, whole.stderr
    head, *lines = whole.stdout.splitlines()
    assert head == "FAILED tests/test_it.py::test_fails"
    attempts = [line for line in lines if line.startswith("attempt ")]
    assert [line.split()[:5] for line in attempts] == [
        ["attempt", "1", "of", "2", "failed"], ["attempt", "2", "of", "2", "failed"]]
    assert "a word on the way" in whole.stdout and "\x1b" not in whole.stdout
    assert "1 earlier job: 1 failed, 0 flaky" in lines
    spans = [re.search(r"span (\w{16})", line)[1] for line in attempts]
    told = (done.suite / "spans").read_text().split()
    assert spans == told[2:], "newest job"
    assert logs(done, "test_fails").stdout == whole.stdout
    by_span = logs(done, told[0])
    assert by_span.returncode == 0, by_span.stderr
    asked = [line for line in by_span.stdout.splitlines() if line.endswith("<- asked for")]
    assert len(asked) == 1 and told[0] in asked[0]
    assert "0 earlier jobs" in by_span.stdout
    assert json.loads(logs(done, "test_fails", "--format", "json").stdout)["verdict"] == "FAILED"


def test_what_is_not_clear_lists_candidates(done):
    several = logs(done, "test_it.py::test_")
    assert (several.returncode, several.stdout) == (4, "")
    assert "3 tests are meant" in several.stderr and "  tests/test_it.py::test_passes_too" in several.stderr
    # An id is an id, although another one begins with it.
    assert logs(done, "tests/test_it.py::test_passes").returncode == 0
    unknown = logs(done, "test_fail_s")
    assert unknown.returncode == 4
    assert "no test is known by 'test_fail_s'" in unknown.stderr
    assert "  tests/test_it.py::test_fails" in unknown.stderr
    assert logs(done, "0123456789abcdef").returncode == 4


def test_the_context_for_an_agent(done):
    folder = done.folder / "context"
    assert logs(done, "test_fails", "--bundle", str(folder)).returncode == 0
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["context.json", "context.md", "output-attempt-1.txt", "output-attempt-2.txt"]
    text = (folder / "context.md").read_text()
    assert "a word on the way" in text and "tests/test_it.py::test_fails" in text
    assert "## Earlier jobs" in text and f"dagz run -n 1 --retries 0 -- {sys.executable} -m pytest" in text
    context = json.loads((folder / "context.json").read_text())
    output = folder / context["attempts"][1]["output_file"]
    assert "a word on the way" in output.read_text()

    before = {path: path.read_bytes() for path in folder.iterdir()}
    again = logs(done, "test_fails", "--bundle", str(folder))
    assert again.returncode == 4 and "is not empty" in again.stderr
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    empty = done.folder / "empty"
    empty.mkdir()
    assert logs(done, "test_fails", "--bundle", f"{empty}/").returncode == 0
    assert (empty / "context.md").exists()
    assert not list(done.folder.glob("*.new-*"))


def test_without_any_job(job):
    job.write("test_it.py", SUITE)
    job.start("-n", "1", "--state-dir", str(job.folder / "state")).wait()
    missing = job.nodes[0].ask("logs", "x", "--state-dir", str(job.folder / "none"), "--no-beacon")
    assert missing.returncode == 4
    assert "no job is live, and no history is kept" in missing.stderr
    assert not (job.folder / "none").exists()


def test_of_a_job_that_runs(job):
    job.write("test_it.py", """
import pathlib, time
def test_a_fails(): assert 0, "early"
def test_b_waits():
    while not pathlib.Path("gate").exists(): time.sleep(0.02)
""")
    node = job.start("-n", "1", "--retries", "0", "--state-dir", str(job.folder / "state"))
    node.wait_for_progress()
    live = logs(job, "test_a_fails")
    (job.suite / "gate").touch()
    assert node.wait() == 1
    assert live.returncode == 0, live.stderr
    assert "RUNNING" in live.stdout and "early" in live.stdout


@pytest.mark.parametrize("command, expected", [
    # An id begins at the root, and is found from where the command runs.
    ("{python} -m pytest -c conf.ini --rootdir=project -p no:cacheprovider project/tests",
     "{python} -m pytest -c conf.ini --rootdir=project -p no:cacheprovider 'project/{test}'"),
    ("{python} -m pytest -c conf.ini project/tests --rootdir project -qq",
     "{python} -m pytest -c conf.ini --rootdir project -qq 'project/{test}'"),
    # Which of the two is meant for a test cannot be told.
    ("{python} -m pytest -c conf.ini --rootdir project project", "pytest '{test}'"),
])
def test_again_is_the_command_of_the_job(job, command, expected):
    job.write("project/tests/test_it.py", SUITE)
    job.write("conf.ini", "[pytest]\npython_functions = test_f*\n")
    words = {"python": sys.executable, "test": "tests/test_it.py::test_fails"}
    node = job.start("-n", "1", "--retries", "0", "--state-dir", str(job.folder / "state"),
                     command=command.format(**words).split())
    assert node.wait() == 1, node.errors
    told = logs(job, "test_fails").stdout
    again = re.search("^again: dagz run -n 1 --retries 0 -- (.*)$", told, re.M)[1]
    assert again == expected.format(**words)
    if again.startswith("pytest "):
        return
    pasted = job.start("-n", "1", "--retries", "0", command=shlex.split(again))
    assert pasted.wait() == 1, pasted.errors
    assert [match[7] for match in pasted.progress()] == [words["test"]]
