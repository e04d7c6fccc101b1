"""`dagz history`: out of one place, into another, and trimmed."""

import json
import re

import pytest

SUITE = """
import pytest
@pytest.mark.parametrize("i", range(5))
def test_ok(i): pass
def test_fails(): assert 1 == 2, "caf\\u00e9"
"""


@pytest.fixture
def kept(job):
    """One job in the history `first`; its JUnit files beside it."""
    job.write("tests/test_it.py", SUITE)
    ours, pytests = job.folder / "ours.xml", job.folder / "pytests.xml"
    node = job.start("-n", "1", "--retries", "1", "--state-dir", str(job.folder / "first"),
                     "--junit", str(ours), pytest=["--junitxml", str(pytests)])
    assert node.wait() == 1, node.errors
    return job


def history(job, *arguments, state="first"):
    where = ["--state-dir", str(job.folder / state)]
    return job.nodes[0].ask("history", *arguments, *where)


def report(job, state, form="json"):
    where = ["--state-dir", str(job.folder / state), "--job", "another", "--no-beacon"]
    return job.nodes[0].ask("report", "--format", form, *where).stdout


def jobs(job, state):
    return job.nodes[0].ask("jobs", "--state-dir", str(job.folder / state)).stdout


def test_export_and_import(kept):
    file = kept.folder / "export.jsonl"
    assert history(kept, "export", str(file)).returncode == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines[0] == {"dagz_history": 1} and lines[-1] == {"end": 1}
    assert history(kept, "export", "-").stdout == file.read_text()
    done = history(kept, "import", str(file), state="second")
    assert (done.returncode, done.stdout) == (0, "") and "imported 1 job " in done.stderr
    assert report(kept, "second") == report(kept, "first") != ""
    again = history(kept, "import", str(file), state="second")
    assert "imported 0 jobs (1 known already)" in again.stderr
    assert history(kept, "export", "-", state="second").stdout == file.read_text()


@pytest.mark.parametrize("name", ["ours.xml", "pytests.xml"])
def test_junit_files_are_imported(kept, name):
    done = history(kept, "import", str(kept.folder / name), state="second")
    assert done.returncode == 0, done.stderr
    summary = json.loads(report(kept, "second"))
    counts = summary["counts"]
    assert (counts["passed"], counts["failed"], counts["total"]) == (5, 1, 6)
    ids = [test["id"] for test in json.loads(report(kept, "first"))["tests"]]
    assert [test["id"] for test in summary["tests"]] == ids


def test_durations_of_pytest_split_are_imported(kept):
    file = kept.folder / ".test_durations"
    file.write_text('{"tests/test_it.py::test_fails": 1.5,\n "tests/test_other.py::test_x": 0.25}')
    done = history(kept, "import", str(file), state="second")
    assert done.returncode == 0 and "the durations of 2 tests" in done.stderr
    exported = history(kept, "export", "-", state="second").stdout
    assert '"id":"tests/test_other.py::test_x"' in exported and ",250000]" in exported


@pytest.mark.parametrize("content, place", [
    ("<testsuite>\n<testcase name='a'>\n", ":"),
    ('{"dagz_history":1}\n{"tool":\n', ":2: "),
    ('{"a": 1,\n"b": "x"}', ":2: the duration of 'b'"),
    ("{}", ":1: this holds nothing that dagz knows"),
    ("\x00\x01", ":1: this is no exported history"),
    ("", ":1: this is no exported history"),
])
def test_damaged_input_imports_nothing(kept, content, place):
    good, bad = kept.folder / "good", kept.folder / "bad"
    good.write_text('{"a.py::t": 1}')
    bad.write_text(content)
    done = history(kept, "import", str(good), str(bad), state="second")
    assert (done.returncode, done.stdout) == (4, "")
    assert f"{bad}{place}" in done.stderr and "nothing was imported" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "a.py::t" not in history(kept, "export", "-", state="second").stdout


def test_a_short_id_of_several_jobs_is_not_guessed(kept):
    # As of jobs that begin at the same moment, or on two machines.
    kept.start("-n", "1", "--state-dir", str(kept.folder / "second")).wait()
    export = kept.folder / "export.jsonl"
    assert history(kept, "export", str(export), state="second").returncode == 0
    assert history(kept, "import", str(export)).returncode == 0
    newest = json.loads(report(kept, "second"))
    short = newest["id"]
    if jobs(kept, "first").count(short) != 2:
        return  # midnight has passed between the two
    where = ["--state-dir", str(kept.folder / "first"), "--job", "another", "--no-beacon"]
    asked = kept.nodes[0].ask("report", short, *where)
    assert (asked.returncode, asked.stdout) == (4, "")
    assert f"are called {short}; give the full id of one: " in asked.stderr
    assert asked.stderr.count("\n") == 1
    ids = asked.stderr.strip().rsplit(": ", 1)[1].split(", ")
    assert len(ids) == 2 and newest["job"] in ids
    for one in ids:
        chosen = kept.nodes[0].ask("report", one, "--format", "json", *where)
        assert json.loads(chosen.stdout)["job"] == one


def test_prune(kept):
    for _ in range(2):
        kept.start("-n", "1", "--state-dir", str(kept.folder / "first")).wait()
    assert len(jobs(kept, "first").splitlines()) == 4
    done = history(kept, "prune", "--jobs", "1")
    assert done.returncode == 0 and "removed 2 jobs, kept 1" in done.stderr
    assert len(jobs(kept, "first").splitlines()) == 2
    assert "removed 0 jobs, kept 1" in history(kept, "prune").stderr


def test_what_cannot_be_done_costs_a_sentence(kept):
    for arguments, code, sentence in [
        (["export", "-"], 4, "no history is kept in"),
        (["prune"], 4, "no history is kept in"),
        (["import", str(kept.folder / "missing")], 4, "cannot be read: No such file"),
        (["import", str(kept.folder)], 4, "is a directory"),
    ]:
        done = history(kept, *arguments, state="none")
        assert (done.returncode, done.stdout) == (code, ""), arguments
        assert sentence in done.stderr and done.stderr.count("\n") == 1
        assert not (kept.folder / "none").exists()
    done = history(kept, "export", str(kept.folder / "no" / "file"))
    assert done.returncode == 4 and "cannot be written" in done.stderr


FLAKY = """
import os, pathlib, pytest
@pytest.mark.parametrize("i", range(5))
def test_ok(i): pass
def test_flaky():
    mark = pathlib.Path(os.environ["MARK"])
    seen = mark.exists()
    mark.touch()
    assert seen and os.environ["FAILS"] == "no"
"""


def test_flaky_tests_are_listed_and_told(job):
    job.write("test_it.py", FLAKY)
    state = job.folder / "kept"

    def run(number, fails):
        return job.start("-n", "1", "--retries", "1", state=state, MARK=str(job.folder / f"mark-{number}"), FAILS=fails)

    first = run(1, "no")
    assert first.wait() == 0 and "1 flaky" in first.summary()
    second = run(2, "yes")
    assert second.wait() == 1
    # Above the report: what this node knows is not the same on all nodes.
    shown = "\n".join(second.lines)
    known = re.search(r"known to be flaky in 1 of its last 1 job \(100\.0 %\), last in j\d{4}\.\d+", shown)
    assert known and shown.index(known[0]) < shown.index("═══ DAGZ job report")
    assert "known to be" not in "\n".join(second.report())

    listed = history(job, "flaky", state="kept")
    assert listed.returncode == 0 and listed.stderr == ""
    assert re.search(r"^ +50\.0 %      1       1     2  j\d{4}\.\d+ +test_it\.py::test_flaky$", listed.stdout, re.M)
    assert "test_ok" not in listed.stdout and listed.stdout.endswith("over 2 jobs\n")
    document = json.loads(history(job, "flaky", "--format", "json", state="kept").stdout)
    assert [(test["test"], test["flaky"], test["failed"], test["jobs"]) for test in document["tests"]] == [
        ("test_it.py::test_flaky", 1, 1, 2)]
    told = job.nodes[0].ask("logs", "test_flaky", "--state-dir", str(state), "--no-beacon").stdout
    assert re.search(r"^flaky in 1 of its last 2 jobs \(50\.0 %\), last in j", told, re.M)

    # It travels.
    assert history(job, "export", str(job.folder / "all.jsonl"), state="kept").returncode == 0
    assert history(job, "import", str(job.folder / "all.jsonl"), state="second").returncode == 0
    assert history(job, "flaky", state="second").stdout == listed.stdout


def test_flaky_without_a_history(job):
    job.write("test_it.py", "def test_a(): pass\n")
    assert job.start("-n", "1").wait() == 0
    nothing = history(job, "flaky", state="nowhere")
    assert nothing.returncode == 4 and "no history is kept" in nothing.stderr
