"""Plug-ins that are installed for some tests only, and plain pytest beside dagz to compare with."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

from job import PATIENCE, ROOT, Job, Node, clean_environment, same_report
from parity import WORDS


def path_of(*names: str) -> dict[str, str]:
    """A PYTHONPATH with these of build/plugins, which `./dev` fills from tests/plugins."""
    folders = [ROOT / "build" / "plugins" / name for name in names]
    missing = [str(folder) for folder in folders if not (folder / "stamp").exists()]
    assert not missing, f"{missing} are made by ./dev test"
    return {"PYTHONPATH": os.pathsep.join(map(str, folders))}


def plain(job: Job, arguments: list[str], **extra: str) -> subprocess.CompletedProcess[str]:
    """Plain pytest on the suite of the job; `extra` goes into its environment."""
    return python(job, ["-m", "pytest", "-p", "no:cacheprovider", *arguments], **extra)


def python(job: Job, arguments: list[str], cwd: pathlib.Path | None = None, **extra: str):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd or job.suite,
        env={**clean_environment(job.folder / "user"), **extra},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


# Loaded with -p: the first test of a worker waits until tests have begun on two nodes.
MEET = """
import os, pathlib, time, pytest

met = False

@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol():
    global met
    mark = pathlib.Path("run-" + os.environ.get("PYTEST_XDIST_TESTRUNUID", ""))
    if not met:
        met = True
        mark.mkdir(exist_ok=True)
        (mark / os.environ["DAGZ_NODE"]).touch()
        patience = time.monotonic() + 30
        while len(list(mark.iterdir())) < 2 and time.monotonic() < patience:
            time.sleep(0.01)
    yield
"""


def start_two(
    job: Job, *options: str, pytest: list[str] | None = None, command: list[str] | None = None, **extra: str
) -> list[Node]:
    """Two nodes of two workers that will both run tests; {} in `extra` becomes their number. A `command`
    loads `meet` by itself."""
    job.write("meet.py", MEET)
    return [
        job.start(
            "-n", "2", *options, pytest=["-p", "meet", *(pytest or [])], command=command,
            **{name: text.replace("{}", str(i)) for name, text in extra.items()},
        )
        for i in range(2)
    ]  # fmt: skip


def two_nodes(job: Job, *options: str, code: int = 0, **more) -> list[Node]:
    """A job of two nodes that both had a part in it, and end with this code."""
    before = set(job.suite.glob("run-*"))
    nodes = start_two(job, *options, **more)
    codes = [node.wait() for node in nodes]
    assert codes == [code] * 2, "\n".join(node.everything() for node in nodes)
    same_report(nodes)
    # By the marks of MEET: nodes that claim the job before they meet both number their workers from nought.
    met = [mark for run in set(job.suite.glob("run-*")) - before for mark in run.iterdir()]
    assert len(met) == 2, "both ran tests: " + nodes[0].everything()
    return nodes


# Writes id -> [outcome, first line of the failure] as plain pytest sees it.
RECORDER = """
import json
seen = {}

def pytest_runtest_logreport(report):
    if report.outcome == "rerun":
        seen.pop(report.nodeid, None)
    elif report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        lines = crash.message.splitlines() if crash else [""]
        seen.setdefault(report.nodeid, ["failed" if report.when == "call" else "error", lines[0]])
    elif report.when == "call" or report.skipped:
        word = report.outcome
        if hasattr(report, "wasxfail"):
            word = "xfailed" if report.skipped else "xpassed"
        seen.setdefault(report.nodeid, [word, ""])

def pytest_sessionfinish():
    with open("recorded.json", "w") as file:
        json.dump(seen, file)
"""


def by_plain_pytest(job: Job, arguments: list[str], **extra: str) -> dict[str, list[str]]:
    job.write("recorder.py", RECORDER)
    ran = plain(job, ["-p", "recorder", *arguments], **extra)
    recorded = job.suite / "recorded.json"
    assert recorded.exists(), ran.stdout + ran.stderr
    seen = json.loads(recorded.read_text())
    recorded.unlink()
    return seen


def by_dagz(node: Node) -> dict[str, list[str]]:
    """The same of a job without retries."""
    found = {}
    for test in json.loads(node.kept_report("json"))["tests"]:
        (attempt,) = test["attempts"]
        word = WORDS[test["verdict"]]
        found[test["id"]] = [word, attempt.get("message", "") if word in ("failed", "error") else ""]
    return found


def same_as_plain(job: Job, *arguments: str, **extra: str) -> dict[str, list[str]]:
    """Every test has the outcome and the message that plain pytest gives it; returns them."""
    expected = by_plain_pytest(job, list(arguments), **extra)
    assert len(expected) > 4
    failed = any(word in ("failed", "error") for word, _ in expected.values())
    nodes = two_nodes(job, "--retries", "0", pytest=list(arguments), code=int(failed), **extra)
    assert by_dagz(nodes[0]) == expected
    return expected
