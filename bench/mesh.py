#!/usr/bin/env python3
"""How soon members know of one another, and of a death: dagz beside hashicorp/memberlist.

    mesh.py [--rounds 3] [--sizes 8,64] [--no-peer]

All are processes of their own on loopback, started at once; they print what they see, and this script
notes when it reads that. Rows: from the last start until all see all; from kill -9 of one member, and
from SIGSTOP of one, until all others have called it dead. Only with dagz: from kill -9 of the scheduler
until the test that it ran has begun again elsewhere; and how much longer a whole job takes for that.

The peer is built by Go from its newest release (its presets LAN and Local, nothing tuned); where there is
no Go, its rows are left out, and that is said. memberlist has no encryption or signatures switched on here
and carries nothing but membership; dagz authenticates every link and message, and elects its scheduler.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid

from suite import BINARY, environment

PATIENCE_S = 60
SEED_PORT = 21_000
PEER = pathlib.Path(__file__).parent / "memberlist"


class Member:
    """One process; notes when each of its lines was read."""

    def __init__(self, name: str, command: list[str], folder: pathlib.Path):
        self.name = name
        self.lines: list[tuple[float, str]] = []
        self.process = subprocess.Popen(command, cwd=folder, env=environment(folder), text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line.rstrip()))

    def when(self, pattern: str, since: float) -> float | None:
        """When this was first said after that."""
        return next((at for at, line in list(self.lines) if at >= since and re.search(pattern, line)), None)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join()


class Dagz:
    name = "dagz"

    def __init__(self, folder: pathlib.Path):
        self.folder, self.job = folder, uuid.uuid4().hex

    def command(self, number: int) -> list[str]:
        # A runner that never collects: nothing but the mesh has work to do.
        return [BINARY, "run", "-n", "1", "--job", self.job, "--no-beacon", "--state-dir",
                str(self.folder / f"state-{number}"), "--", "sleep", "86400"]

    def all_seen(self, count: int) -> str:
        return rf"^dagz: {count} nodes after"

    def lost(self, victim: Member) -> str:
        address = next(match[1] for _, line in victim.lines
                       if (match := re.search(r" at (\S+:\d+), ", line)))
        return rf"^dagz: lost node {re.escape(address)}$"


class Memberlist:
    def __init__(self, folder: pathlib.Path, preset: str, program: pathlib.Path):
        self.name, self.preset, self.program = f"memberlist {preset}", preset, program

    def command(self, number: int) -> list[str]:
        return [str(self.program), f"member-{number}", str(SEED_PORT + number), str(SEED_PORT), self.preset]

    def all_seen(self, count: int) -> str:
        return rf"^members {count}$"

    def lost(self, victim: Member) -> str:
        return rf"^lost {victim.name}$"


def last_of(members: list[Member], pattern: str, since: float) -> float | None:
    """When the last of them has said it; nothing when one of them does not."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        said = [member.when(pattern, since) for member in members]
        if all(said):
            return max(said)
        time.sleep(0.1)  # when a line was read is noted by its reader; looking must not cost
    return None


def after(moment: float | None, since: float) -> float | None:
    return None if moment is None else max(0.0, moment - since)


def measure(kind, count: int, folder: pathlib.Path) -> dict[str, float | None]:
    members, found = [], {}
    try:
        for number in range(count):
            members.append(Member(f"member-{number}", kind.command(number), folder))
        last_start = time.monotonic()
        found["join"] = after(last_of(members, kind.all_seen(count), 0), last_start)
        time.sleep(3)  # young meshes gossip faster
        for row, number, victim in (("kill -9", signal.SIGKILL, 1), ("SIGSTOP", signal.SIGSTOP, 2)):
            pattern = kind.lost(members[victim])
            since = time.monotonic()
            members[victim].process.send_signal(number)
            others = [member for i, member in enumerate(members) if i not in (1, victim)]
            found[row] = after(last_of(others, pattern, since), since)
    finally:
        for member in members:
            member.end()
    return found


HELD = """
import os, time
def test_held():
    with open({begun!r}, "a") as file: print(time.monotonic(), file=file)
    while not os.path.exists({begun!r} + ".over"): time.sleep(0.01)
"""


def failover(count: int, folder: pathlib.Path, number: signal.Signals) -> float:
    """From the end of the scheduler until its test has begun somewhere else."""
    suite = folder / "suite"
    suite.mkdir()
    (suite / "pytest.ini").write_text("[pytest]\n")
    begun = folder / "begun"
    begun.touch()
    (suite / "test_held.py").write_text(HELD.format(begun=str(begun)))
    job, members = uuid.uuid4().hex, []
    command = [BINARY, "run", "-n", "1", "--job", job, "--no-beacon", "--retries", "0"]
    tail = ["--", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(suite)]

    def times() -> list[str]:
        return begun.read_text().split()

    try:
        for i in range(count):
            members.append(Member(str(i), [*command, "--state-dir", str(folder / f"state-{i}"), *tail], folder))
            while i == 0 and not times():
                time.sleep(0.01)
        last_of(members, rf"^dagz: {count} nodes after", 0)
        time.sleep(4)  # until all have collected
        since = time.monotonic()
        members[0].process.send_signal(number)
        while len(times()) < 2 and time.monotonic() < since + PATIENCE_S:
            time.sleep(0.005)
        (folder / "begun.over").touch()
        result = float(times()[1]) - since
        for member in members[1:]:
            member.process.wait(PATIENCE_S)
        return result
    finally:
        for member in members:
            member.end()


def disturbed_job(folder: pathlib.Path, number: signal.Signals | None) -> float:
    """How long a job of 400 tests of 50 ms takes on 4 nodes whose scheduler is lost after a third of it."""
    suite = folder / "suite"
    suite.mkdir()
    (suite / "pytest.ini").write_text("[pytest]\n")
    (suite / "test_it.py").write_text(
        "import pytest, time\n@pytest.mark.parametrize('i', range(400))\ndef test(i): time.sleep(0.05)\n")
    command = [BINARY, "run", "-n", "1", "--job", uuid.uuid4().hex, "--no-beacon"]
    tail = ["--", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(suite)]
    members = []
    try:
        for i in range(4):
            members.append(Member(str(i), [*command, "--state-dir", str(folder / f"state-{i}"), *tail], folder))
            if i == 0:
                time.sleep(0.3)  # it schedules
        since = time.monotonic()
        if number is not None:
            time.sleep(2.5)
            members[0].process.send_signal(number)
        for member in members[1:]:
            assert member.process.wait(PATIENCE_S) == 0, member.lines[-20:]
        return time.monotonic() - since
    finally:
        for member in members:
            member.end()


def build_peer(folder: pathlib.Path) -> pathlib.Path | None:
    if not shutil.which("go"):
        return None
    shutil.copytree(PEER, folder / "peer")
    for command in (["go", "get", "github.com/hashicorp/memberlist@latest"], ["go", "mod", "tidy"],
                    ["go", "build", "-o", "memberlist", "."]):
        subprocess.run(command, cwd=folder / "peer", check=True, capture_output=True)
    version = subprocess.run(["go", "list", "-m", "github.com/hashicorp/memberlist"], cwd=folder / "peer",
                             check=True, capture_output=True, text=True).stdout.split()
    print(f"peer: memberlist {version[1]}")
    return folder / "peer" / "memberlist"


def shown(values: list[float | None]) -> str:
    if None in values:
        return f"not within {PATIENCE_S} s in {values.count(None)} of {len(values)}"
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", default="8,64")
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        print(f"{os.cpu_count()} cores, {options.rounds} rounds; seconds, median (min to max)")
        peer = None if options.no_peer else build_peer(place)
        if peer is None:
            print("without memberlist: there is no Go here, or it was not wanted")
        print("\n| members | who | all see all | kill -9 known to all | SIGSTOP known to all |")
        print("|---|---|---|---|---|")
        for size in map(int, options.sizes.split(",")):
            rows: dict[str, list[dict]] = {}
            for _ in range(options.rounds):
                with tempfile.TemporaryDirectory() as inner:
                    folder = pathlib.Path(inner)
                    kinds = [Dagz(folder)]
                    kinds += [Memberlist(folder, preset, peer) for preset in ("lan", "local") if peer]
                    for kind in kinds:
                        rows.setdefault(kind.name, []).append(measure(kind, size, folder))
            for kind, found in rows.items():
                cells = " | ".join(shown([one[row] for one in found]) for row in ("join", "kill -9", "SIGSTOP"))
                print(f"| {size} | {kind} | {cells} |", flush=True)
        print("\n| members | the scheduler's end | its test begins again after |\n|---|---|---|")
        for number in (signal.SIGKILL, signal.SIGSTOP):
            values = []
            for _ in range(options.rounds):
                with tempfile.TemporaryDirectory() as inner:
                    values.append(failover(8, pathlib.Path(inner), number))
            print(f"| 8 | {number.name} | {shown(values)} |", flush=True)
        print("\n| 400 tests on 4 nodes | job |\n|---|---|")
        for loss in (None, signal.SIGKILL, signal.SIGSTOP):
            values = []
            for _ in range(options.rounds):
                with tempfile.TemporaryDirectory() as inner:
                    values.append(disturbed_job(pathlib.Path(inner), loss))
            name = f"scheduler: {loss.name}" if loss else "undisturbed"
            print(f"| {name} | {shown(values)} |", flush=True)


if __name__ == "__main__":
    main()
