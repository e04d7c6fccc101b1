#!/usr/bin/env python3
"""What a test costs that is not the test: the agent's CPU, and what two nodes send each other.

    overhead.py [--rounds 3] [--dagz BINARY] [--no-scale]

20,000 trivial tests on one node with 2 workers, and on two nodes with 1 worker each on loopback; beside
them pytest-xdist -n 2. CPU is user and system time of the agents alone (of xdist: of the controller),
without their workers, read from /proc when they have ended and are not reaped yet. The same is run with
200 tests: the difference, divided by the tests that it has more, is what one more test costs.

The bytes are those of the loopback device of a network namespace in which nothing but the two nodes runs:
headers, handshakes and acknowledgements included; the frames are those of TCP, which gathers messages.
Where there can be no namespace (it takes root) they are left out, and that is said. The last table is the
simulator's: a million tests through scheduler and ledger.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import uuid

from suite import BINARY, environment

TESTS, FEW = 20_000, 200
CPU_GOAL_US, WIRE_GOAL_BYTES = 25, 300
SCALE_TESTS, SCALE_CPU_GOAL_S, SCALE_MEMORY_GOAL = 1_000_000, 20, 1024
CLONE_NEWNET = 0x40000000
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def write_tests(folder: pathlib.Path, tests: int) -> list[str]:
    suite = folder / f"trivial-{tests}"
    suite.mkdir()
    (suite / "pytest.ini").write_text("[pytest]\n")
    text = "import pytest\n@pytest.mark.parametrize('i', range(200))\ndef test_n(i):\n    assert i >= 0\n"
    for number in range(tests // 200):
        (suite / f"test_{number:02}.py").write_text(text)
    return ["-q", "-p", "no:asyncio", "-p", "no:cacheprovider", str(suite)]


def own_cpu_seconds(process: subprocess.Popen) -> float:
    """Of this process alone, all its threads, without its children; waits for its end."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    if process.wait() != 0:
        sys.exit(f"overhead: {process.args} ended with {process.returncode}")
    return (int(fields[11]) + int(fields[12])) * TICK_S


def run(folder: pathlib.Path, commands: list[list[str]]) -> float:
    """Starts these together; the CPU seconds of all of them."""
    with open(folder / "log.txt", "w") as log:
        processes = [subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log,
                                      stderr=subprocess.STDOUT, env=environment(folder))
                     for command in commands]
        return sum(own_cpu_seconds(process) for process in processes)


def nodes(folder: pathlib.Path, binary: str, count: int, workers: int, pytest: list[str]) -> list[list[str]]:
    job = uuid.uuid4().hex
    return [[binary, "run", "--job", job, "--nodes", str(count), "-n", str(workers), "--state-dir",
             str(folder / f"state-{number}"), "--", *pytest] for number in range(count)]


def loopback() -> tuple[int, int]:
    """Bytes and frames that the loopback device of this namespace has carried."""
    for line in pathlib.Path("/proc/net/dev").read_text().splitlines():
        name, _, values = line.partition(":")
        if name.strip() == "lo":
            return int(values.split()[0]), int(values.split()[1])
    return 0, 0


@contextlib.contextmanager
def namespace():
    """A network of its own for what is started within; yields whether there is one."""
    libc, outside = ctypes.CDLL(None, use_errno=True), os.open("/proc/self/ns/net", os.O_RDONLY)
    inside = shutil.which("ip") is not None and libc.unshare(CLONE_NEWNET) == 0
    try:
        if inside:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield inside
    finally:
        if inside:
            libc.setns(outside, CLONE_NEWNET)
        os.close(outside)


def measure(folder: pathlib.Path, binary: str, tests: int) -> dict[str, float]:
    arguments = write_tests(folder, tests)
    pytest = [sys.executable, "-m", "pytest", *arguments]
    found = {"xdist -n 2": run(folder, [[*pytest, "-n", "2"]]),
             "dagz, one node": run(folder, nodes(folder, binary, 1, 2, pytest))}
    with namespace() as alone:
        before = loopback()
        found["dagz, two nodes"] = run(folder, nodes(folder, binary, 2, 1, pytest))
        if alone:
            found["bytes"], found["frames"] = (now - then for now, then in zip(loopback(), before))
    shutil.rmtree(folder / f"trivial-{tests}")
    return found


def bench(binary: str, rounds: int) -> None:
    all_of: dict[str, list[float]] = {}
    more: dict[str, list[float]] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            few, many = (measure(pathlib.Path(name), binary, tests) for tests in (FEW, TESTS))
        for row, value in many.items():
            all_of.setdefault(row, []).append(value / TESTS)
            more.setdefault(row, []).append((value - few[row]) / (TESTS - FEW))
    print("| agent CPU, microseconds a test | whole run, median | one more test | min to max | at most |")
    print("|---|---|---|---|---|")
    for row in ("dagz, one node", "dagz, two nodes", "xdist -n 2"):
        total, each = ([value * 1e6 for value in values[row]] for values in (all_of, more))
        goal = CPU_GOAL_US if row.startswith("dagz") else ""
        print(f"| {row} | {statistics.median(total):.1f} | {statistics.median(each):.1f} "
              f"| {min(each):.1f} to {max(each):.1f} | {goal} |")
    print("\n| between two nodes, a test | whole run, median | one more test | at most |\n|---|---|---|---|")
    if "bytes" not in all_of:
        print("| left out: there can be no network namespace here | | | |")
        return
    for row, goal in (("bytes", WIRE_GOAL_BYTES), ("frames", "")):
        print(f"| {row} | {statistics.median(all_of[row]):.3g} | {statistics.median(more[row]):.3g} | {goal} |",
              flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dagz", default=BINARY)
    parser.add_argument("--no-scale", action="store_true")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {TESTS} tests, {options.rounds} rounds\n")
    bench(options.dagz, options.rounds)
    simulator = pathlib.Path(BINARY).parent / "dagz_sim"
    if options.no_scale or not simulator.exists():
        return
    print(f"\nSimulated; at most {SCALE_CPU_GOAL_S} s of CPU and {SCALE_MEMORY_GOAL} bytes on one node\n", flush=True)
    subprocess.run([simulator, "--scale", str(SCALE_TESTS)], check=True)


if __name__ == "__main__":
    main()
