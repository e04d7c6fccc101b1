#!/usr/bin/env python3
"""What a mesh costs that has nothing to do, and whether anybody is called dead who is not.

    steady.py [--nodes 16] [--seconds 60] [idle] [busy] [quota] [pauses]

All nodes run on this machine, with a runner that never collects. Rows, one after another:
  idle    nothing else runs
  busy    two endless loops for each core beside them
  quota   half of the nodes may use a fifth of one core together with a busy loop in their group
  pauses  every three seconds one of them stands still for 0.2 to 1.9 s
A death that any node speaks of is a false one. CPU is that of the agents, in percent of one core each.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from mesh import Dagz, Member

PERIOD_US, QUOTA_US = 100_000, 20_000
LOOP = [sys.executable, "-c", "while True: pass"]
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(member: Member) -> float:
    fields = pathlib.Path(f"/proc/{member.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


@contextlib.contextmanager
def loops(count: int):
    running = [subprocess.Popen(LOOP) for _ in range(count)]
    try:
        yield running
    finally:
        for loop in running:
            loop.kill()
            loop.wait()


@contextlib.contextmanager
def small_group():
    """A control group with little CPU, or nothing where there can be none."""
    root = pathlib.Path("/sys/fs/cgroup")
    unified = (root / "cgroup.controllers").exists()
    group = (root if unified else root / "cpu") / f"dagz-{os.getpid()}"
    try:
        if unified:
            (root / "cgroup.subtree_control").write_text("+cpu")
        group.mkdir()
        if unified:
            (group / "cpu.max").write_text(f"{QUOTA_US} {PERIOD_US}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(QUOTA_US))
    except OSError as error:
        print(f"quota: left out, there can be no control group here: {error}")
        yield None
        return
    try:
        yield group
    finally:
        time.sleep(0.5)  # until the last of its processes is gone
        with contextlib.suppress(OSError):
            group.rmdir()


def pause_one(members: list[Member]) -> None:
    member = random.choice(members)
    member.process.send_signal(signal.SIGSTOP)
    time.sleep(random.uniform(0.2, 1.9))
    member.process.send_signal(signal.SIGCONT)


def watch(row: str, members: list[Member], seconds: float) -> None:
    time.sleep(5)  # the meeting is over
    before, began = [cpu_seconds(member) for member in members], time.monotonic()
    while time.monotonic() < began + seconds:
        if row == "pauses":
            pause_one(members)
        time.sleep(min(3, max(0.0, began + seconds - time.monotonic())))
    spent = time.monotonic() - began
    used = [100 * (cpu_seconds(member) - start) / spent for member, start in zip(members, before)]
    deaths = [line for member in members for at, line in member.lines if "lost node" in line]
    print(f"| {row} | {len(members)} | {spent:.0f} | {len(deaths)} | {statistics.mean(used):.2f} "
          f"| {max(used):.2f} |", flush=True)
    for line in deaths[:5]:
        print(f"  {line}")


def bench(row: str, nodes: int, seconds: float) -> None:
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        group = stack.enter_context(small_group()) if row == "quota" else None
        if row == "quota" and group is None:
            return
        if row == "busy":
            stack.enter_context(loops(2 * (os.cpu_count() or 1)))
        if group:
            for loop in stack.enter_context(loops(1)):
                (group / "cgroup.procs").write_text(str(loop.pid))
        kind, members = Dagz(folder), []
        for number in range(nodes):
            members.append(Member(f"member-{number}", kind.command(number), folder))
            stack.callback(members[-1].end)
            if group and number % 2:
                (group / "cgroup.procs").write_text(str(members[-1].process.pid))
        watch(row, members, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("rows", nargs="*", default=["idle", "busy", "quota", "pauses"])
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores\n")
    print("| row | nodes | seconds | false deaths | CPU %, mean | CPU %, most |")
    print("|---|---|---|---|---|---|")
    for row in options.rows:
        bench(row, options.nodes, options.seconds)


if __name__ == "__main__":
    main()
