#!/usr/bin/env python3
"""Makes the durations of a suite from a history: `dagz history export - | record.py NAME`, for makespan.py.

Of each test the median of its last runs, in whole microseconds; files and tests in the order of their ids.
"""

from __future__ import annotations

import gzip
import json
import pathlib
import statistics
import sys


def main() -> None:
    files: dict[str, dict[str, int]] = {}
    for line in sys.stdin:
        test = json.loads(line)
        # One that only ever failed has none; what is called like its file is the set-up of that.
        if test.get("recent") and test["id"] != test["file"]:
            median = statistics.median(took for _, took in test["recent"])
            files.setdefault(test["file"], {})[test["id"]] = max(1, round(median))
    path = pathlib.Path(__file__).parent / "durations" / f"{sys.argv[1]}.txt.gz"
    path.parent.mkdir(exist_ok=True)
    # Without a time in the header: the same durations are the same bytes.
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as file:
        for name, tests in sorted(files.items()):
            cells = " ".join(str(took) for _, took in sorted(tests.items()))
            file.write(f"{name.replace(' ', '_')} {cells}\n".encode())


if __name__ == "__main__":
    main()
