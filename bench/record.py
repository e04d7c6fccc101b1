#!/usr/bin/env python3
"""Makes the durations of a suite from a history, for makespan.py:

    dagz history export - | record.py NAME [PYTEST ARGUMENTS…]

Of each test the median of its last runs, in whole microseconds, as TIMES*MICROSECONDS where its marks say that
it takes so many times as long as is usual, with commas between those of one function; files and tests in the
order of their ids. The arguments are those
that the suite was run with: pytest collects it once more, for its marks.
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

HERE = pathlib.Path(__file__).resolve().parent
RUNNERS = HERE.parent / "sched" / "runners"


def pytest_collection_finish(session) -> None:
    """As a plug-in of that pytest: what the agent would be told of the marks."""
    sys.path.insert(0, str(RUNNERS))
    from pytest_marks import told_of

    files: dict[str, list] = {}
    for item in session.items:
        files.setdefault(item.nodeid.split("::")[0], []).append(item)
    with open(os.environ["RECORD_MARKS"], "w") as out:
        for items in files.values():
            for item, (_, need) in zip(items, told_of(items, [])):
                if need:
                    print(json.dumps([item.nodeid, need[-1]]), file=out)


def marks_of(arguments: list[str]) -> dict[str, int]:
    with tempfile.NamedTemporaryFile("r") as told:
        environment = {**os.environ, "PYTHONPATH": str(HERE), "RECORD_MARKS": told.name}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "record", "--collect-only", *arguments]
        ran = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL)
        if ran.returncode != 0:
            print("record.py: the collection ended with %d: marks may be missing" % ran.returncode, file=sys.stderr)
        return dict(map(json.loads, told))


def main() -> None:
    name, *arguments = sys.argv[1:]
    times_usual = marks_of(arguments) if arguments else {}
    files: dict[str, dict[str, str]] = {}
    for line in sys.stdin:
        test = json.loads(line)
        # One that only ever failed has none; what is called like its file is the set-up of that.
        if test.get("recent") and test["id"] != test["file"]:
            took = max(1, round(statistics.median(took for _, took in test["recent"])))
            times = times_usual.get(test["id"], 1)
            files.setdefault(test["file"], {})[test["id"]] = f"{times}*{took}" if times > 1 else str(took)
    path = HERE / "durations" / f"{name}.txt.gz"
    path.parent.mkdir(exist_ok=True)
    # Without a time in the header: the same durations are the same bytes.
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as file:
        for file_name, tests in sorted(files.items()):
            cells = [",".join(tests[test] for test in function)
                     for _, function in itertools.groupby(sorted(tests), key=lambda test: test.split("[")[0])]
            file.write(f"{file_name.replace(' ', '_')} {' '.join(cells)}\n".encode())


if __name__ == "__main__":
    main()
