#!/usr/bin/env python3
"""How soon work begins: the first test of one node beside plain pytest, and how soon three nodes meet.

    start.py [--rounds 5] [one] [trivial] [extension]

The first test: seconds from the start of the process until the first test runs, for plain pytest and for
one dagz node with 2 workers, in turn; a plug-in notes the moment, the same in both. The meeting: three
nodes are started at once on loopback; seconds from the first one's start until the last of them has said
that it sees all three, and what the nodes themselves measured, each from its own start.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid

from suite import BINARY, arguments_of, environment, write_trivial

FIRST_TEST_GOAL_S = 0.4  # more than plain pytest
MEETING_GOAL_S = 1.0
NODES = 3

NOTE_FIRST_TEST = """
import os, pytest, time
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    try:
        file = os.open(os.environ["FIRST_TEST"], os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return
    os.write(file, b"%f" % time.monotonic())
    os.close(file)
"""


def write_suite(folder: pathlib.Path, text: str) -> list[str]:
    suite = folder / "suite"
    suite.mkdir()
    (suite / "pytest.ini").write_text("[pytest]\n")
    (suite / "test_it.py").write_text(text)
    return ["-q", "-p", "no:asyncio", "-o", f"cache_dir={folder}/cache", str(suite)]


def arguments_for(name: str, folder: pathlib.Path) -> list[str]:
    if name == "one":
        return write_suite(folder, "def test_one(): pass\n")
    return write_trivial(folder) if name == "trivial" else arguments_of(f"pandas/tests/{name}", folder)


def first_test(folder: pathlib.Path, command: list[str]) -> float:
    note = folder / "first-test"
    note.unlink(missing_ok=True)
    variables = {**environment(folder), "PYTHONPATH": str(folder), "FIRST_TEST": str(note)}
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=variables)
    while process.poll() is None and not (note.exists() and note.stat().st_size):
        time.sleep(0.01)
    process.terminate()
    process.wait()
    return float(note.read_text()) - began


def bench_first_test(name: str, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        (folder / "note_first_test.py").write_text(NOTE_FIRST_TEST)
        plain = [sys.executable, "-m", "pytest", "-p", "note_first_test", *arguments_for(name, folder)]
        dagz = [BINARY, "run", "-n", "2", "--state-dir", str(folder / "state"), "--", *plain]
        rows = [(first_test(folder, plain), first_test(folder, dagz)) for _ in range(rounds)]
    more = [ours - theirs for theirs, ours in rows]
    theirs, ours = (statistics.median(values) for values in zip(*rows))
    print(f"| {name} | {theirs:.2f} | {ours:.2f} | {statistics.median(more):+.2f} "
          f"| {min(more):+.2f} to {max(more):+.2f} | {FIRST_TEST_GOAL_S:+.2f} |", flush=True)


def meeting(folder: pathlib.Path, command: list[str]) -> tuple[float, float]:
    """Starts the nodes; returns when the last of them saw all, from outside and as it says itself."""
    seen: list[tuple[float, float]] = []

    def read(process: subprocess.Popen) -> None:
        for line in process.stderr:
            match = re.match(rf"dagz: {NODES} nodes after 00:00:(\d\d\.\d{{3}})", line)
            if match:
                seen.append((time.monotonic(), float(match[1])))

    began = time.monotonic()
    nodes = [subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, env=environment(folder))
             for _ in range(NODES)]
    readers = [threading.Thread(target=read, args=(node,)) for node in nodes]
    for reader in readers:
        reader.start()
    for node in nodes:
        node.wait()
    for reader in readers:
        reader.join()
    if len(seen) != NODES:
        sys.exit(f"start: only {len(seen)} of {NODES} nodes saw all of them")
    return max(at for at, _ in seen) - began, max(own for _, own in seen)


def bench_meeting(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        arguments = write_suite(folder, "import time\ndef test_waits(): time.sleep(2)\n")
        found = []
        for _ in range(rounds):
            command = [BINARY, "run", "-n", "1", "--job", uuid.uuid4().hex, "--state-dir", str(folder / "state"),
                       "--", sys.executable, "-m", "pytest", *arguments]
            found.append(meeting(folder, command))
    for row, values in zip(("from outside", "as the nodes say"), zip(*found)):
        print(f"| {row} | {statistics.median(values):.3f} | {min(values):.3f} to {max(values):.3f} "
              f"| {MEETING_GOAL_S:.3f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("suites", nargs="*", default=["one", "trivial", "extension"])
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {options.rounds} rounds")
    print("\n### The first test, one node with 2 workers\n")
    print("| suite | plain s | dagz s | more s, median | min to max | at most |")
    print("|---|---|---|---|---|---|")
    for name in options.suites:
        bench_first_test(name, options.rounds)
    print(f"\n### {NODES} nodes started together see one another\n")
    print("| measured | s, median | min to max | less than |")
    print("|---|---|---|---|")
    bench_meeting(options.rounds)


if __name__ == "__main__":
    main()
