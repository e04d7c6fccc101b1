#!/usr/bin/env python3
"""Real suites: one dagz node with 2 workers beside plain pytest and pytest-xdist -n 2.

    suite.py [--rounds 3] [--memory] [--row NAME]… [indexing] [extension] [trivial] [indexing+extension]

Suites joined by + are run as one. All rows of a suite run in turn, round after round, so that a drift of the
machine hits all of them; the table has medians, the spread, the CPU time of the whole tree, and the ratio to the
best mode of xdist. Rows marked "frozen" freeze the heap after the collection (gc.freeze), as dagz does, so that
nobody credits forking with what freezing does. Memory is sampled in runs of its own.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from parity import BINARY, arguments_of, environment  # noqa: E402

FREEZE = "import gc\ndef pytest_collection_finish(session):\n    gc.collect()\n    gc.freeze()\n"
XDIST = ("load", "worksteal", "loadfile")
PLAIN_XDIST = {f"xdist {mode}" for mode in XDIST}


def write_trivial(folder: pathlib.Path) -> list[str]:
    suite = folder / "trivial"
    suite.mkdir()
    (suite / "pytest.ini").write_text("[pytest]\n")
    text = "import pytest\n@pytest.mark.parametrize('i', range(200))\ndef test_n(i):\n    assert i >= 0\n"
    for number in range(100):
        (suite / f"test_{number:02}.py").write_text(text)
    return ["-q", "-p", "no:asyncio", "-o", f"cache_dir={folder}/cache", str(suite)]


def rows(folder: pathlib.Path, arguments: list[str]) -> dict[str, list[str]]:
    pytest = [sys.executable, "-m", "pytest"]
    table = {"plain": [*pytest, *arguments], "plain, frozen": [*pytest, "-p", "freeze", *arguments]}
    for mode in XDIST:
        table[f"xdist {mode}"] = [*pytest, "-n", "2", "--dist", mode, *arguments]
        table[f"xdist {mode}, frozen"] = [*pytest, "-p", "freeze", "-n", "2", "--dist", mode, *arguments]
    table["dagz"] = [BINARY, "run", "-n", "2", "--state-dir", str(folder / "state"), "--",
                     *pytest, *arguments]
    return table


def start(folder: pathlib.Path, command: list[str]) -> subprocess.Popen:
    (folder / "freeze.py").write_text(FREEZE)
    log = open(folder / "log.txt", "w")
    return subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT,
                            env={**environment(folder), "PYTHONPATH": str(folder)})


def timed(folder: pathlib.Path, command: list[str]) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    start(folder, command).wait()
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def tree_of(root: int) -> list[int]:
    found, parents = [root], {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid and child not in found]
    return found


def memory_of(folder: pathlib.Path, command: list[str]) -> tuple[float, float]:
    """The sum of the proportional set sizes of the tree, in MB: its mean over time, its peak."""
    process, samples = start(folder, command), []
    while process.poll() is None:
        total = 0
        for pid in tree_of(process.pid):
            try:
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
        samples.append(total / 1024)
        time.sleep(0.1)
    return statistics.mean(samples), max(samples)


def pandas_arguments(suite: str, folder: pathlib.Path) -> list[str]:
    *options, first = arguments_of(f"pandas/tests/{suite.split('+')[0]}", folder)
    return [*options, first, *(str(pathlib.Path(first).parent / name) for name in suite.split("+")[1:])]


def bench(suite: str, rounds: int, memory: bool, only: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        trivial = suite == "trivial"
        arguments = write_trivial(folder) if trivial else pandas_arguments(suite, folder)
        table = {row: command for row, command in rows(folder, arguments).items() if not only or row in only}
        walls: dict[str, list[float]] = {row: [] for row in table}
        cpus: dict[str, list[float]] = {row: [] for row in table}
        for _ in range(rounds):
            for row, command in table.items():
                wall, cpu = timed(folder, command)
                walls[row].append(wall)
                cpus[row].append(cpu)
        sizes: dict[str, list[tuple[float, float]]] = {row: [] for row in ("xdist worksteal", "dagz") if row in table}
        for _ in range(rounds if memory else 0):
            for row, found in sizes.items():
                found.append(memory_of(folder, table[row]))
    best = min(statistics.median(walls[row]) for row in table if row in PLAIN_XDIST)
    print(f"\n### {suite}, {rounds} rounds\n")
    print("| row | wall s, median | min to max | CPU s | to the best xdist |" + (" PSS MB, mean and peak |" if memory else ""))
    print("|---|---|---|---|---|" + ("---|" if memory else ""))
    for row in table:
        wall = statistics.median(walls[row])
        line = (f"| {row} | {wall:.1f} | {min(walls[row]):.1f} to {max(walls[row]):.1f} "
                f"| {statistics.median(cpus[row]):.1f} | {wall / best:.2f} |")
        if sizes.get(row):
            mean, peak = (statistics.median(values) for values in zip(*sizes[row]))
            line += f" {mean:.0f}, {peak:.0f}"
        print(line + (" |" if memory else ""), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--row", action="append", help="only these; one must be a mode of xdist without a frozen heap")
    parser.add_argument("suites", nargs="*", default=["indexing", "extension", "trivial"])
    options = parser.parse_args()
    if options.row and not PLAIN_XDIST.intersection(options.row):
        parser.error(f"--row: one must be of {', '.join(sorted(PLAIN_XDIST))}")
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    for suite in options.suites:
        bench(suite, options.rounds, options.memory, options.row or [])


if __name__ == "__main__":
    main()
