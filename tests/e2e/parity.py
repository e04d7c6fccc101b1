#!/usr/bin/env python3
"""Compares dagz with plain pytest, test by test: the same ids, and for each the same outcome.

    parity.py [--nodes 3] [--workers 2] [--collect shared] SUITE…

A SUITE is networkx, pandas/tests/indexing, pandas/tests/extension or any other part of an installed
package, written as a path below site-packages. Runs in the Python that runs this script.

Where the two differ, plain pytest runs once more. Tests on whose outcome plain pytest does not
agree with itself are listed, and count as no difference.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import uuid

from job import BINARY, clean_environment, report_of

PANDAS_MARKS = "arm_slow clipboard db network pandas single_cpu skip_ubsan slow".split()

# Writes id -> outcome as plain pytest sees it. A test has several reports; the worst word counts,
# but a test that failed and then could not be torn down has failed. Of the parts of a test
# ("subtests") only those that fail say something about it.
RECORDER = """
import json, os
RANK = ["passed", "xpassed", "xfailed", "skipped", "error", "failed"]
seen = {}

def word_of(report):
    if type(report).__name__ == "SubtestReport":
        return "failed" if report.failed else None
    expected = hasattr(report, "wasxfail")
    if report.skipped:
        return "xfailed" if expected else "skipped"
    if report.failed:
        return "failed" if report.when == "call" else "error"
    if report.passed and report.when == "call":
        return "xpassed" if expected else "passed"

def pytest_runtest_logreport(report):
    word = word_of(report)
    if word is not None:
        seen[report.nodeid] = max(word, seen.get(report.nodeid, word), key=RANK.index)

def pytest_sessionfinish():
    with open(os.environ["PARITY_FILE"], "w") as file:
        json.dump(seen, file)
"""

WORDS = {
    "OK": "passed",
    "FAILED": "failed",
    "ERROR": "error",
    "SKIPPED": "skipped",
    "XFAIL": "xfailed",
    "XPASS": "xpassed",
}


@dataclasses.dataclass
class Outcomes:
    code: int
    words: dict[str, str]
    repeated: list[str] = dataclasses.field(default_factory=list)  # ran more than once


def place_of(suite: str) -> pathlib.Path:
    package, *rest = suite.split("/")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        sys.exit(f"parity: {package} is not installed in {sys.executable}")
    place = pathlib.Path(spec.origin).parent.joinpath(*rest)
    if not place.exists():
        sys.exit(f"parity: there is no {place}")
    return place


def arguments_of(suite: str, folder: pathlib.Path) -> list[str]:
    """Of pytest: a configuration of our own, but the package's conftest files."""
    root = place_of(suite.split("/")[0])
    ini = folder / "pytest.ini"
    ini.write_text("\n    ".join(["[pytest]\nmarkers =", *PANDAS_MARKS]) + "\n")
    return [
        "-q",
        "-p",
        "no:asyncio",
        "-o",
        f"cache_dir={folder}/cache",
        "-c",
        str(ini),
        f"--rootdir={root}",
        f"--confcutdir={root}",
        str(place_of(suite)),
    ]


def environment(folder: pathlib.Path) -> dict[str, str]:
    """The same for everybody: no hash randomisation, one thread for numeric libraries."""
    fixed = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**clean_environment(folder / "user"), **fixed}


def pytest_command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "pytest", *arguments]


def run_plain(arguments: list[str], folder: pathlib.Path, suite: pathlib.Path) -> Outcomes:
    """One run of plain pytest, started in the folder `suite`."""
    (folder / "parity_recorder.py").write_text(RECORDER)
    out = folder / "plain.json"
    out.unlink(missing_ok=True)
    ran = subprocess.run(
        pytest_command(["-p", "parity_recorder", *arguments]),
        cwd=suite,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**environment(folder), "PYTHONPATH": str(folder), "PARITY_FILE": str(out)},
    )
    if not out.exists():
        sys.exit("parity: plain pytest did not run:\n" + ran.stdout.decode(errors="replace"))
    return Outcomes(ran.returncode, json.loads(out.read_text()))


def run_dagz(
    arguments: list[str],
    folder: pathlib.Path,
    suite: pathlib.Path,
    nodes: int,
    workers: int,
    collect: str = "auto",
) -> Outcomes:
    """One job of so many nodes, started together; their reports and exit codes must agree."""
    job = uuid.uuid4().hex
    logs = [folder / f"node-{number}.txt" for number in range(nodes)]
    processes: list[subprocess.Popen] = []
    try:
        for number, log in enumerate(logs):
            options = ["--job", job, "-n", str(workers), "--retries", "0", "--collect", collect]
            options += ["--state-dir", str(folder / f"state-{number}"), "--color", "never"]
            with log.open("w") as out:
                processes.append(
                    subprocess.Popen(
                        [BINARY, "run", *options, "--", *pytest_command(arguments)],
                        cwd=suite,
                        stdin=subprocess.DEVNULL,
                        stdout=out,
                        stderr=subprocess.STDOUT,
                        env=environment(folder),
                    )
                )
        codes = [process.wait() for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
    reports = [report_of(log.read_text(errors="replace").split("\n")) for log in logs]
    if len(set(codes)) != 1 or not reports[0] or any(report != reports[0] for report in reports):
        ends = [report[-2:] for report in reports]
        sys.exit(f"parity: the nodes disagree: exit codes {codes}, reports end in {ends}")
    return Outcomes(codes[0], *read_report(job, folder, suite))


def read_report(
    job: str, folder: pathlib.Path, suite: pathlib.Path
) -> tuple[dict[str, str], list[str]]:
    state = str(folder / "state-0")
    answer = subprocess.run(
        [BINARY, "report", "--job", job, "--state-dir", state, "--format", "json"],
        cwd=suite,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        env=environment(folder),
    )
    tests = json.loads(answer.stdout)["tests"]
    words = {test["id"]: WORDS.get(test["verdict"], test["verdict"]) for test in tests}
    repeated = [test["id"] for test in tests if len(test["attempts"]) > 1]
    if len(words) != len(tests):
        sys.exit(f"parity: {len(tests) - len(words)} ids stand in the report more than once")
    return words, repeated


def compare(plain: Outcomes, ours: Outcomes) -> dict[str, str]:
    """What differs: id -> sentence. The exit code stands under an id that no test has."""
    found = {}
    for name in sorted(plain.words.keys() | ours.words.keys()):
        theirs, mine = plain.words.get(name, "nothing"), ours.words.get(name, "nothing")
        if theirs != mine:
            found[name] = f"{name}: pytest says {theirs}, dagz {mine}"
    if plain.code != ours.code:
        found[""] = f"exit code: pytest {plain.code}, dagz {ours.code}"
    return found


def check(suite: str, nodes: int, workers: int, collect: str) -> bool:
    """Whether dagz and plain pytest agree; says so."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        arguments = arguments_of(suite, folder)
        plain = run_plain(arguments, folder, folder)
        ours = run_dagz(arguments, folder, folder, nodes, workers, collect)
        differences = compare(plain, ours)
        if differences:
            again = run_plain(arguments, folder, folder)
            unsteady = compare(plain, again).keys() & differences.keys()
            for test in sorted(unsteady):
                print("  unsteady in plain pytest too: " + differences.pop(test))
    for difference in differences.values():
        print("  " + difference)
    verdict = "the same" if not differences else f"{len(differences)} differences"
    repeated = f", {len(ours.repeated)} ran more than once" if ours.repeated else ""
    print(
        f"{suite}: {verdict}; {len(plain.words)} tests of plain pytest, {len(ours.words)} of dagz "
        f"on {nodes} nodes with {workers} workers each, --collect {collect}{repeated}",
        flush=True,
    )
    return not differences and bool(plain.words)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--collect", choices=["auto", "shared", "whole"], default="auto")
    parser.add_argument("suites", nargs="+", metavar="SUITE")
    options = parser.parse_args()
    same = [
        check(suite, options.nodes, options.workers, options.collect) for suite in options.suites
    ]
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(main())
