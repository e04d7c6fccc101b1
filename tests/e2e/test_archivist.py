"""`dagz serve --join`: a member that runs no tests and keeps every job."""

import json
import os
import pathlib
import re
import signal
import tempfile
import time

import pytest

from dashboard import Dashboard
from hosts import Hosts, why_not
from job import PATIENCE, clean_environment, report_of, same_report

SUITE = """
import time, pytest
@pytest.mark.parametrize("i", range(30))
def test_it(i):
    time.sleep(0.1)
    assert i != 7, "seven is out"
"""


@pytest.fixture
def archivist(job, tmp_path):
    """Starts one with a history of its own, for the key of no job that runs."""
    started = []

    def start(*options, prefix=(), **variables):
        environment = clean_environment(tmp_path / "user") | variables
        started.append(Dashboard("own-key", tmp_path / "archive", job.suite, environment, *options,
                                 "--join", prefix=prefix))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def jobs(archive):
    return json.loads(archive.get("/api/jobs"))["jobs"]


def wait_for_jobs(archive, *statuses):
    """Until there are jobs of these states, and no others."""
    give_up = time.monotonic() + PATIENCE
    while sorted(one["status"] for one in jobs(archive)) != sorted(statuses):
        assert time.monotonic() < give_up, jobs(archive)
        time.sleep(0.1)
    return jobs(archive)


def archived_report(job, tmp_path, which="last"):
    answer = job.nodes[0].ask("report", which, "--job", "own-key", "--no-beacon", "--state-dir", str(tmp_path / "archive"))
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.splitlines()


def test_a_job_of_which_it_ran_nothing(job, archivist, tmp_path):
    archive = archivist()
    job.write("test_it.py", SUITE)
    first = job.start("-n", "1", "--retries", "0")
    first.wait_for_progress(1)
    second = job.start("-n", "1", "--retries", "0")
    second.wait_for_progress(1)
    wait_for_jobs(archive, "RUNNING")
    members = first.ask("mesh", "--job", job.key, "--no-beacon").stdout.splitlines()
    roles = sorted(line.split()[3] for line in members[1:])
    assert roles == ["archivist", "scheduler", "vassal"], members
    assert [first.wait(), second.wait()] == [1, 1]
    # It is no node of the job, and nobody counts it as one.
    assert "· 2 nodes ·" in "\n".join(first.report())
    assert not re.search(r"3 nodes", first.errors + second.errors)
    wait_for_jobs(archive, "FAILED")
    assert archived_report(job, tmp_path) == same_report([first, second])
    page = archive.get("/jobs/last")
    assert "test_it.py::test_it[7]" in page and "seven is out" in page
    code, _, errors = archive.end()
    assert code == 0 and "kept job" in errors


def test_jobs_of_several_keys_at_a_time(job, archivist):
    archive = archivist()
    job.write("test_it.py", SUITE)
    nodes = []
    for key in ("one", "two", "three"):
        job.key = key
        nodes.append(job.start("-n", "1", "--retries", "0"))
    wait_for_jobs(archive, "RUNNING", "RUNNING", "RUNNING")
    assert archive.get("/jobs").count('class="running"') == 3
    assert [node.wait() for node in nodes] == [1, 1, 1]
    kept = wait_for_jobs(archive, "FAILED", "FAILED", "FAILED")
    assert sorted(one["job"].split("|")[1] for one in kept) == ["one", "three", "two"]


def test_a_job_whose_nodes_are_all_killed(job, archivist, tmp_path):
    archive = archivist()
    job.write("test_it.py", SUITE.replace("range(30)", "range(100)"))
    nodes = [job.start("-n", "1", "--retries", "0") for _ in range(2)]
    for node in nodes:
        node.wait_for_progress(5)
    wait_for_jobs(archive, "RUNNING")
    for node in nodes:
        node.send(signal.SIGKILL)
    (kept,) = wait_for_jobs(archive, "INTERRUPTED")
    assert kept["counts"]["passed"] >= 5 and kept["counts"]["unfinished"] > 0
    assert "2 lost nodes" in "\n".join(archived_report(job, tmp_path))
    # The next job of this key is another one, and runs everything.
    job.write("test_it.py", "def test_it(): pass\n")
    again = job.start("-n", "1")
    assert again.wait() == 0
    assert "1 passed" in again.summary() and " of 1 test " in again.summary()
    wait_for_jobs(archive, "INTERRUPTED", "PASSED")


def test_one_job_after_the_other_of_the_same_key(job, archivist):
    archive = archivist()
    job.write("test_it.py", "import time\ndef test_it(): time.sleep(1)\n")
    for number in range(3):
        began = time.monotonic()
        node = job.start("-n", "1")
        assert node.wait() == 0
        assert "1 passed" in node.summary()
        # Nobody waits for an archivist that has all.
        assert time.monotonic() - began < 20
        wait_for_jobs(archive, *["PASSED"] * (number + 1))


def test_more_jobs_than_the_page_lists(job, archivist, tmp_path):
    job.write("test_it.py", "def test_it(): pass\n")
    node = job.start("-n", "1")
    assert node.wait() == 0
    export = node.ask("history", "export", "-", "--state-dir", str(node.state))
    names = []
    name = json.loads(node.kept_report("json"))["job"]
    for number in range(101):
        text = export.stdout.replace(name, f"imported-{number}")
        (tmp_path / f"{number}.jsonl").write_text(text)
        names.append(str(tmp_path / f"{number}.jsonl"))
    done = node.ask("history", "import", *names, "--state-dir", str(tmp_path / "archive"))
    assert done.returncode == 0, done.stderr
    archive = archivist()
    assert len(jobs(archive)) == 100
    listed = {one["job"] for one in jobs(archive)}
    (beyond,) = {f"imported-{number}" for number in range(101)} - listed
    assert json.loads(archive.get(f"/api/jobs/{beyond}"))["job"] == beyond
    archive.get("/api/jobs/no-such-job", status=404)


def test_it_comes_late_and_goes_early(job, archivist, tmp_path):
    job.write("test_it.py", SUITE)
    node = job.start("-n", "1", "--retries", "0")
    node.wait_for_progress(5)
    early = archivist()
    wait_for_jobs(early, "RUNNING")
    assert early.end()[0] == 0
    late = archivist()
    wait_for_jobs(late, "RUNNING")
    assert node.wait() == 1
    assert "lost node" not in node.errors
    wait_for_jobs(late, "FAILED")
    assert archived_report(job, tmp_path) == node.report()


def test_another_secret_is_another_world(job, archivist):
    archive = archivist(DAGZ_SECRET="one secret that is long enough")
    job.write("test_it.py", SUITE)
    other = job.start("-n", "1", DAGZ_SECRET="and another one, also long enough")
    same = job.start("-n", "1", "--job", "same", DAGZ_SECRET="one secret that is long enough")
    assert [other.wait(), same.wait()] == [1, 1]
    (kept,) = wait_for_jobs(archive, "FAILED")
    assert "|same|" in kept["job"]


def test_an_archive_that_cannot_be_written(job, archivist, tmp_path):
    (tmp_path / "archive").write_text("no directory")
    with pytest.raises(AssertionError, match="cannot make the directory .*archive"):
        archivist()


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_hosts_that_share_a_directory(job, archivist, tmp_path):
    rendezvous = tmp_path / "rendezvous"
    rendezvous.mkdir()
    job.write("test_it.py", SUITE)
    with Hosts(2) as hosts:
        meeting = ["--rendezvous", str(rendezvous)]
        archive = archivist(*meeting, prefix=hosts.command(0), XDG_RUNTIME_DIR=str(tmp_path))
        node = job.start("-n", "1", "--retries", "0", "--no-beacon", *meeting,
                         "--listen", hosts.address(1), prefix=hosts.command(1))
        assert node.wait() == 1, node.everything()
        give_up = time.monotonic() + PATIENCE
        while report_of(node.ask("report", "--job", "own-key", "--no-beacon", "--state-dir",
                                 str(tmp_path / "archive")).stdout.splitlines()) != node.report():
            assert time.monotonic() < give_up
            time.sleep(0.2)
        archive.end()
    assert os.path.exists(rendezvous / "key")


def test_what_runs_as_the_same_user_sees_not_into_an_archivist():
    """It keeps the trust root for life; what belongs to a process that may be looked into is its user's in /proc."""
    prefix = ()
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = pathlib.Path(name)
        environment = clean_environment(folder / "user")
        if os.geteuid() == 0:
            prefix = ("setpriv", "--reuid=65534", "--clear-groups")
            for path in (folder, folder / "user"):
                os.chown(path, 65534, -1)
        one = Dashboard("own-key", folder / "archive", folder, environment, "--join", prefix=prefix)
        try:
            assert os.stat(f"/proc/{one.process.pid}/environ").st_uid == 0
        finally:
            one.kill()
