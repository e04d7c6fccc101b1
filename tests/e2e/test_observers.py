"""The commands that only tell: report, jobs, mesh and doctor, of a live job and of the history."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

DAGZ = os.environ["DAGZ_BINARY"]

# Tests wait until the file is there, so that the job is live for as long as a test here wants.
SUITE = """
import os, time
def test_fast(): pass
def test_fails(): assert 1 == 2
def test_waits():
    while not os.path.exists({gate!r}): time.sleep(0.02)
"""


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "pytest.ini").write_text("[pytest]\n")
    (root / "test_it.py").write_text(SUITE.format(gate=str(tmp_path / "gate")))
    (tmp_path / "runtime").mkdir(mode=0o700)
    return root


def environment(root, **variables):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("DAGZ_", "CI", "GITHUB_"))}
    clean["PATH"] = f"{Path(sys.executable).parent}:{clean['PATH']}"
    clean["XDG_RUNTIME_DIR"] = str(root.parent / "runtime")
    clean["XDG_STATE_HOME"] = str(root.parent / "state")
    return {**clean, **variables}


def dagz(root, *arguments, **variables):
    return subprocess.run(
        [DAGZ, *arguments],
        cwd=root,
        env=environment(root, **variables),
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def live(project):
    nodes = [
        subprocess.Popen(
            [DAGZ, "run", "-n", "1", "--retries", "0"],
            cwd=project,
            env=environment(project),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(2)
    ]
    yield project, nodes
    for node in nodes:
        node.kill()
        node.wait()


def wait_for(look, patience=30):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
    raise AssertionError("it did not come about")


def between_rules(text):
    return text[text.index("═══ DAGZ job report") :]


def test_without_any_job_each_says_so_and_leaves_nothing_behind(project):
    assert dagz(project, "jobs").stdout == "no jobs yet\n"
    report = dagz(project, "report")
    assert (report.returncode, report.stdout) == (4, "")
    assert "no job is live, and none is kept in" in report.stderr
    named = dagz(project, "report", "j0517.50")
    assert named.returncode == 4
    assert "no job j0517.50 in" in named.stderr and "`dagz jobs`" in named.stderr
    mesh = dagz(project, "mesh", "--job", "nobody's")
    assert (mesh.returncode, mesh.stdout) == (16, "")
    assert "no live mesh for this job (key " in mesh.stderr
    assert not (project / ".dagz").exists()


def test_a_live_job_is_seen_from_outside_and_afterwards_from_the_history(live):
    project, nodes = live

    def both_members():
        table = dagz(project, "mesh").stdout.splitlines()
        return table if len(table) == 3 and "node-1" in table[2] else None

    table = wait_for(both_members)
    assert table[0].split() == "ID ADDRESS STATE ROLE TERM WORKERS ROUND-TRIP NAME HOST".split()
    assert sorted(line.split()[3] for line in table[1:]) == ["scheduler", "vassal"]
    assert all(line.split()[2] == "alive" for line in table[1:])
    assert all(re.fullmatch(r"\d+\.\dms", line.split()[6]) for line in table[1:]), table
    assert "with 2 members" in dagz(project, "doctor").stdout

    # Any member answers, with what it has heard by then.
    def report_with(sign, *arguments):
        def look():
            text = dagz(project, "report", *arguments).stdout
            return text if sign in text else None

        return wait_for(look)

    running = json.loads(report_with('"failed":1,', "--format", "json"))
    assert running["status"] == "RUNNING"
    report_with("RUNNING: 1 failed, 1 passed", running["id"])
    report_with('<testcase classname="test_it" name="test_fails"', "--format", "junit")
    report_with("test&#95;fails", "--format", "markdown")
    assert dagz(project, "report", "j0101.9").returncode == 4
    # Nobody who only looked became a member.
    assert len(dagz(project, "mesh").stdout.splitlines()) == 3

    (project.parent / "gate").touch()
    printed = {between_rules(node.communicate(timeout=60)[0]) for node in nodes}
    assert len(printed) == 1
    report = dagz(project, "report")
    assert (report.returncode, report.stdout) == (0, printed.pop())
    assert dagz(project, "report", running["job"]).stdout == report.stdout
    assert dagz(project, "report", running["id"], "--color", "always").stdout.startswith("\x1b[31m")
    jobs = dagz(project, "jobs").stdout.splitlines()
    assert len(jobs) == 2 and jobs[1].split()[:2] == [running["id"], "FAILED"]


def test_a_wrong_secret_is_named(live):
    project, _ = live
    address = wait_for(lambda: dagz(project, "mesh").stdout.split()[9:])[1]
    other = dagz(project, "mesh", "--peers", address, DAGZ_SECRET="another secret, not theirs")
    assert other.returncode == 4
    assert address in other.stderr and "DAGZ_SECRET" in other.stderr


def test_doctor_finds_nothing_wrong(project):
    doctor = dagz(project, "doctor")
    assert doctor.returncode == 0, doctor.stdout
    lines = doctor.stdout.splitlines()
    assert all(line.startswith(("ok   ", "note ")) for line in lines)
    topics = {line.split()[1] for line in lines}
    assert {"ci:", "job:", "trust:", "network:", "python:", "pytest:", "clock:"} <= topics
    assert not (project / ".dagz").exists()


def test_doctor_sees_the_ci(project):
    gitlab = {
        "GITLAB_CI": "true",
        "CI_SERVER_HOST": "git.example",
        "CI_PROJECT_ID": "7",
        "CI_PIPELINE_ID": "123",
        "CI_JOB_NAME": "unit 2/3",
        "CI_NODE_INDEX": "2",
        "CI_NODE_TOTAL": "3",
    }
    doctor = dagz(project, "doctor", "--listen", "127.0.0.1", "--no-beacon", **gitlab)
    assert "ci: gitlab, build 123, step unit, attempt 1, node 2 of 3" in doctor.stdout
    assert "as --no-beacon says" in doctor.stdout


def test_jobs_lists_what_ran_and_where(project):
    (project / "test_it.py").write_text("""
import pytest
def test_passes(): pass
def test_fails(): assert 0
def test_error(nothing): pass
@pytest.mark.skip
def test_skipped(): pass
tries = __file__ + ".tries"
def test_flaky():
    with open(tries, "a") as file: file.write("+")
    assert len(open(tries).read()) > 1
""")
    gitlab = {
        "GITLAB_CI": "true",
        "CI_SERVER_HOST": "git.example",
        "CI_PROJECT_ID": "7",
        "CI_PIPELINE_ID": "123",
        "CI_JOB_NAME": "unit",
        "CI_JOB_URL": "https://git.example/jobs/123",
        "DAGZ_SECRET": "a secret that is long enough",
    }
    ran = dagz(project, "run", "-n", "1", "--listen", "127.0.0.1", "--no-beacon", **gitlab)
    assert ran.returncode == 1, ran.stderr
    head, job = dagz(project, "jobs").stdout.splitlines()
    assert head.split() == "JOB STATUS STARTED DURATION PASSED FAILED FLAKY SKIPPED SAVED CI".split()
    cells = dict(zip(head.split(), job.split()))
    assert re.fullmatch(r"j\d{4}\.1", cells["JOB"]) and cells["STATUS"] == "FAILED"
    assert re.fullmatch(r"[\d.]+s", cells["DURATION"]) and re.fullmatch(r"[\d.]+s", cells["SAVED"])
    counts = {name: cells[name] for name in ("PASSED", "FAILED", "FLAKY", "SKIPPED")}
    assert counts == {"PASSED": "1", "FAILED": "2", "FLAKY": "1", "SKIPPED": "1"}
    assert cells["CI"] == gitlab["CI_JOB_URL"]
    assert f"CI: {gitlab['CI_JOB_URL']}" in ran.stdout.splitlines()


def test_what_doctor_starts_sees_no_secret(project):
    secret = project / "secret"
    secret.write_text("a secret of enough bytes")
    secret.chmod(0o600)
    bin = project / "bin"
    bin.mkdir()
    for name in ("python3", "pytest"):
        (bin / name).write_text(f"#!/bin/sh\nenv > {project}/{name}.env\necho {name} 9.0\n")
        (bin / name).chmod(0o755)
    variables = {"DAGZ_SECRET_FILE": str(secret), "DAGZ_SECRET": "another secret, of the environment"}
    doctor = dagz(project, "doctor", PATH=f"{bin}:{os.environ['PATH']}", **variables)
    assert f"the secret in '{secret}'" in doctor.stdout
    for name in ("python3", "pytest"):
        assert "DAGZ_SECRET" not in (project / f"{name}.env").read_text()


def test_doctor_fails_where_nothing_can_run(project):
    (project / "bin").mkdir()
    doctor = dagz(project, "doctor", PATH=str(project / "bin"))
    assert doctor.returncode == 16
    assert "FAIL python: `python3` was not found" in doctor.stdout
    assert "FAIL pytest: `pytest` was not found" in doctor.stdout

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        doctor = dagz(project, "doctor", "--listen", f"127.0.0.1:{port}")
    assert doctor.returncode == 16
    assert f"{port}" in next(x for x in doctor.stdout.splitlines() if x.startswith("FAIL"))
