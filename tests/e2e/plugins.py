"""Plug-ins that are installed for some tests only, and plain pytest beside dagz to compare with."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

from job import PATIENCE, ROOT, Job, Node, clean_environment, same_report


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

@pytest.fixture(scope="session", autouse=True)
def two_nodes_take_part():
    mark = pathlib.Path("run-" + os.environ.get("PYTEST_XDIST_TESTRUNUID", ""))
    if "DAGZ_NODE" in os.environ:
        mark.mkdir(exist_ok=True)
        (mark / os.environ["DAGZ_NODE"]).touch()
        patience = time.monotonic() + 30
        while len(list(mark.iterdir())) < 2 and time.monotonic() < patience:
            time.sleep(0.01)
"""


def start_two(job: Job, *options: str, pytest: list[str], **extra) -> list[Node]:
    """Two nodes of two workers that will both run tests; {} in `extra` becomes their number."""
    job.write("meet.py", MEET)
    return [
        job.start(
            "-n", "2", *options, pytest=["-p", "meet", *pytest],
            **{name: text.replace("{}", str(i)) for name, text in extra.items()},
        )
        for i in range(2)
    ]  # fmt: skip


def two_nodes(job: Job, *options: str, code: int = 0, **more) -> list[Node]:
    """A job of two nodes that both had a part in it, and end with this code."""
    nodes = start_two(job, *options, **more)
    codes = [node.wait() for node in nodes]
    assert codes == [code] * 2, "\n".join(node.everything() for node in nodes)
    same_report(nodes)
    workers = {int(match[8]) // 2 for node in nodes for match in node.progress()}
    assert workers == {0, 1}, "both ran tests: " + nodes[0].everything()
    return nodes
