#!/usr/bin/env python3
"""Makes the durations of a suite from a history, for makespan.py:

    dagz history export - | record.py NAME PYTEST ARGUMENTS…

One file a line: its path, the microseconds that its collection takes, its bytes, and of each test the median of
its last runs, in whole microseconds, as TIMES*MICROSECONDS where its marks say that it takes so many times as long
as is usual, with commas between those of one function; files and tests in the order of their ids. The arguments
are those that the suite was run with: pytest collects it twice more, as the first time may compile it. A
collection is CPU time, so a busy machine makes it no longer; what several files import counts with the first.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
RUNNERS = HERE.parent / "sched" / "runners"

collected: dict[str, list[int]] = {}  # of each file: microseconds, bytes


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """As a plug-in of that pytest, like the next one."""
    began = time.process_time()
    report = yield
    path = collector.nodeid.split("::")[0]
    if collector.path.is_file():
        file = collected.setdefault(path, [0, collector.path.stat().st_size])
        file[0] += round((time.process_time() - began) * 1e6)
    return report


def pytest_collection_finish(session) -> None:
    """Writes what the agent would be told of the marks, too."""
    sys.path.insert(0, str(RUNNERS))
    from pytest_marks import told_of

    files: dict[str, list] = {}
    for item in session.items:
        files.setdefault(item.nodeid.split("::")[0], []).append(item)
    times_usual = {item.nodeid: need[-1] for items in files.values()
                   for item, (_, need) in zip(items, told_of(items, [])) if need}
    with open(os.environ["RECORD"], "w") as out:
        json.dump([collected, times_usual], out)


def collection_of(arguments: list[str]) -> tuple[dict[str, list[int]], dict[str, int]]:
    """What each file's takes, and how many times as long as is usual each marked test."""
    with tempfile.NamedTemporaryFile("r") as told:
        environment = {**os.environ, "PYTHONPATH": str(HERE), "RECORD": told.name}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "record", "--collect-only", *arguments]
        for _ in range(2):
            ran = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL)
        if ran.returncode != 0:
            print("record.py: the collection ended with %d: marks may be missing" % ran.returncode, file=sys.stderr)
        return tuple(json.load(told))


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    name, *arguments = sys.argv[1:]
    collections, times_usual = collection_of(arguments)
    files: dict[str, dict[str, str]] = {}
    for line in sys.stdin:
        test = json.loads(line)
        # One that only ever failed has none; what is called like its file is the set-up of that.
        if test.get("recent") and test["id"] != test["file"]:
            took = max(1, round(statistics.median(took for _, took in test["recent"])))
            times = times_usual.get(test["id"], 1)
            files.setdefault(test["file"], {})[test["id"]] = f"{times}*{took}" if times > 1 else str(took)
    for file_name in files:
        if file_name not in collections:
            sys.exit(f"record.py: pytest does not collect {file_name}: give it the arguments, and the folder, that the "
                     "history is of")
    path = HERE / "durations" / f"{name}.txt.gz"
    path.parent.mkdir(exist_ok=True)
    # Without a time in the header: the same durations are the same bytes.
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as file:
        for file_name, tests in sorted(files.items()):
            took, size = collections[file_name]
            cells = [",".join(tests[test] for test in function)
                     for _, function in itertools.groupby(sorted(tests), key=lambda test: test.split("[")[0])]
            file.write(f"{file_name.replace(' ', '_')} {took} {size} {' '.join(cells)}\n".encode())


if __name__ == "__main__":
    main()
