#!/usr/bin/env python3
"""Compares dagz with plain pytest, test by test: the same ids, and for each the same outcome.

    parity.py [--nodes 3] [--workers 2] SUITE…

A SUITE is networkx, pandas/tests/indexing, pandas/tests/extension or any other part of an installed
package, written as a path below site-packages. Runs in the Python that runs this script.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("DAGZ_BINARY", str(ROOT / "build" / "dagz"))

# Writes id -> outcome as plain pytest sees it; the worst word on a test counts.
RECORDER = '''
import json, os
RANK = ["passed", "xpassed", "xfailed", "skipped", "failed", "error"]
seen = {}
def pytest_runtest_logreport(report):
    word = report.outcome
    if report.outcome == "skipped":
        word = "xfailed" if hasattr(report, "wasxfail") else "skipped"
    elif report.outcome == "passed":
        if report.when != "call": return
        word = "xpassed" if hasattr(report, "wasxfail") else "passed"
    elif report.outcome == "failed":
        word = "failed" if report.when == "call" else "error"
    else:
        return
    before = seen.get(report.nodeid)
    if before is None or RANK.index(word) > RANK.index(before):
        seen[report.nodeid] = word
def pytest_sessionfinish():
    with open(os.environ["PARITY_FILE"], "w") as file: json.dump(seen, file)
'''

WORDS = {"OK": "passed", "FAILED": "failed", "ERROR": "error", "SKIPPED": "skipped", "XFAIL": "xfailed",
         "XPASS": "xpassed"}


def place_of(suite: str) -> pathlib.Path:
    package, *rest = suite.split("/")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        sys.exit(f"parity: {package} is not installed in {sys.executable}")
    return pathlib.Path(spec.origin).parent.joinpath(*rest)


def arguments_of(suite: str, folder: pathlib.Path) -> list[str]:
    """A configuration of our own, but the package's conftest files."""
    root = place_of(suite.split("/")[0])
    ini = folder / "pytest.ini"
    marks = "single_cpu slow network db clipboard arm_slow skip_ubsan pandas".split()
    ini.write_text("[pytest]\nmarkers =\n" + "".join(f"    {mark}\n" for mark in marks))
    return ["-q", "-p", "no:asyncio", "-o", f"cache_dir={folder}/cache", "-c", str(ini),
            f"--rootdir={root}", f"--confcutdir={root}", str(place_of(suite))]


def environment() -> dict[str, str]:
    fixed = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**os.environ, **fixed}


def run_plain(suite: str, folder: pathlib.Path) -> dict[str, str]:
    (folder / "parity_recorder.py").write_text(RECORDER)
    out = folder / "plain.json"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "parity_recorder", *arguments_of(suite, folder)],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**environment(), "PYTHONPATH": str(folder), "PARITY_FILE": str(out)})
    return json.loads(out.read_text())


def run_dagz(suite: str, folder: pathlib.Path, nodes: int, workers: int) -> dict[str, str]:
    job = uuid.uuid4().hex
    command = [BINARY, "run", "--job", job, "-n", str(workers), "--retries", "0", "--state-dir"]
    processes = []
    for number in range(nodes):
        with open(folder / f"node-{number}.txt", "w") as log:
            processes.append(subprocess.Popen(
                [*command, str(folder / f"state-{number}"), "--", sys.executable, "-m", "pytest",
                 *arguments_of(suite, folder)],
                cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=environment()))
    codes = {process.wait() for process in processes}
    ends = {(folder / f"node-{number}.txt").read_text().rpartition("═══ end of report ")[2].split()[0]
            for number in range(nodes)}
    if len(codes) != 1 or len(ends) != 1:
        sys.exit(f"parity: the nodes disagree: exit codes {codes}, reports {ends}")
    answer = subprocess.run(
        [BINARY, "report", "--job", job, "--state-dir", str(folder / "state-0"), "--format", "json"],
        cwd=folder, capture_output=True, text=True, check=True, env=environment())
    tests = json.loads(answer.stdout)["tests"]
    return {test["id"]: WORDS.get(test["verdict"], test["verdict"]) for test in tests}


def compare(plain: dict[str, str], ours: dict[str, str]) -> list[str]:
    differences = [f"only plain pytest has {name}" for name in sorted(plain.keys() - ours.keys())]
    differences += [f"only dagz has {name}" for name in sorted(ours.keys() - plain.keys())]
    differences += [f"{name}: pytest says {plain[name]}, dagz {ours[name]}"
                    for name in sorted(plain.keys() & ours.keys()) if plain[name] != ours[name]]
    return differences


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("suites", nargs="+", metavar="SUITE")
    options = parser.parse_args()
    worst = 0
    for suite in options.suites:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            plain = run_plain(suite, folder)
            ours = run_dagz(suite, folder, options.nodes, options.workers)
        differences = compare(plain, ours)
        for difference in differences[:50]:
            print("  " + difference)
        print(f"{suite}: {len(plain)} tests of plain pytest, {len(ours)} of dagz, "
              f"{len(differences)} differences")
        worst = max(worst, 1 if differences or not plain else 0)
    return worst


if __name__ == "__main__":
    sys.exit(main())
