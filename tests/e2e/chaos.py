#!/usr/bin/env python3
"""Random faults on the real nodes of one job, and what must be true in the end.

    chaos.py [--runs 100] [--first 1] [--namespaces] [--delay MS]

From its seed a run draws a suite with known outcomes, 2 to 5 nodes, and what happens to them while
the job runs: killed, stopped for a while, asked to leave, started late; in network namespaces, where
every node is a host of its own, also cut off, one way or both ways, and connected again. One node is
neither killed nor asked to leave. Then every node that was left in peace prints the same report, no
verdict is lost, and each is the one that the suite is made to give. On one host an archivist looks on:
it has kept that report as well.

Prints a line a run, and at the end how often each fault happened. Exit code 1 when anything is wrong.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("DAGZ_BINARY", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dagz"))
from dashboard import Dashboard  # noqa: E402
from hosts import Hosts, why_not  # noqa: E402
from job import PATIENCE, Job, Node, clean_environment  # noqa: E402

BODIES = {
    "OK": "pass",
    "FAILED": "assert 0, 'as it should'",
    "SKIPPED": "pytest.skip('as it should')",
    "XFAIL": "pytest.xfail('as it should')",
    "CRASHED": "os.kill(os.getpid(), signal.SIGSEGV)",
}
# So long may it take until those who believed each other dead have met again.
MEETING_S = 5
WEIGHTS = {"OK": 90, "FAILED": 3, "SKIPPED": 4, "XFAIL": 2, "CRASHED": 1}


@dataclasses.dataclass(order=True)
class Fault:
    at: float
    kind: str  # kill stop leave start cut cut-one-way heal
    node: int = 0
    lasts: float = 0


@dataclasses.dataclass
class Plan:
    nodes: int
    workers: int
    verdicts: dict[str, str]  # by test id
    files: dict[str, str]
    faults: list[Fault]


def draw(seed: int, namespaces: bool) -> Plan:
    rng = random.Random(seed)
    nodes, workers = rng.randint(2, 5), rng.randint(1, 2)
    tests = rng.randint(90, 140) * nodes * workers
    verdicts, files = {}, {}
    for part in range(rng.randint(1, 12)):
        name = f"test_{part:02}.py"
        lines = ["import os, pytest, signal, time"]
        for number in range(max(1, tests // 6 // (part + 1))):
            verdict = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            verdicts[f"{name}::test_{number}"] = verdict
            lines.append(f"def test_{number}():\n    time.sleep({rng.uniform(0, 0.16):.3f})\n    {BODIES[verdict]}")
        files[name] = "\n".join(lines) + "\n"
    return Plan(nodes, workers, verdicts, files, draw_faults(rng, nodes, namespaces))


def draw_faults(rng: random.Random, nodes: int, namespaces: bool) -> list[Fault]:
    # Nodes 0 and 1 are the ones that others know from the start, so the spared one is one of them.
    spared = rng.randrange(2)
    kinds = ["kill", "stop", "leave", "start"] + (["cut", "cut-one-way"] * 2 if namespaces else [])
    # Swarm: not every kind in every run.
    kinds = rng.sample(kinds, rng.randint(1, len(kinds)))
    faults, hit = [], set()
    for _ in range(rng.randint(1, nodes + 1)):
        fault = Fault(rng.uniform(0.3, 6), rng.choice(kinds), rng.randrange(nodes))
        fault.lasts = rng.uniform(0.1, 6)
        if fault.kind != "start" and not fault.kind.startswith("cut"):
            if fault.node in hit or (fault.node == spared and fault.kind != "stop"):
                continue
            hit.add(fault.node)
        elif fault.kind == "start":
            if fault.node in (0, 1) or any(one.kind == "start" and one.node == fault.node for one in faults):
                continue
            fault.at = rng.uniform(0.1, 3)
        faults.append(fault)
    return sorted(faults)


class Run:
    def __init__(self, seed: int, namespaces: bool, folder: pathlib.Path, delay_s: float):
        self.plan = draw(seed, namespaces)
        self.job = Job(folder)
        for name, text in self.plan.files.items():
            self.job.write(name, text)
        self.hosts = Hosts(self.plan.nodes, delay_s) if namespaces else None
        self.nodes: dict[int, Node] = {}
        self.disturbed: set[int] = set()  # killed, or asked to leave
        self.exited_at: dict[int, float] = {}
        self.apart_until = -MEETING_S  # as far as anybody was cut off or stood still
        self.told: collections.Counter[str] = collections.Counter()
        self.archive = folder / "archive"
        self.archivist: Dashboard | None = None
        if not namespaces:
            environment = clean_environment(folder / "user")
            self.archivist = Dashboard("of-no-job", self.archive, self.job.suite, environment, "--join")

    def start(self, number: int) -> None:
        options = ["-n", str(self.plan.workers), "--retries", "1"]
        extra, prefix = {}, []
        if self.hosts:
            user = self.job.folder / f"user-{number}"
            user.mkdir(mode=0o700)
            extra = {name: str(user) for name in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")}
            extra["DAGZ_SECRET"] = self.job.key
            options += self.hosts.options(number)
            prefix = self.hosts.command(number)
        self.nodes[number] = self.job.start(*options, prefix=prefix, **extra)

    def perform(self) -> None:
        """Lets everything happen, and waits for the end."""
        with self.hosts or contextlib.nullcontext():
            late = {fault.node for fault in self.plan.faults if fault.kind == "start"}
            for number in range(self.plan.nodes):
                if number not in late:
                    self.start(number)
            began = time.monotonic()
            todo = list(self.plan.faults)
            while todo or any(node.process.poll() is None for node in self.nodes.values()):
                now = time.monotonic() - began
                while todo and todo[0].at <= now:
                    if todo[0].kind in ("heal", "continue"):
                        self.apart_until = now
                    todo = sorted(todo[1:] + self.inflict(todo[0]))
                for number, node in self.nodes.items():
                    if node.process.poll() is not None:
                        self.exited_at.setdefault(number, now)
                if now > 120:
                    raise AssertionError("not over after two minutes:\n" + self.everything())
                time.sleep(0.02)
            for number, node in self.nodes.items():
                node.wait()
                self.exited_at.setdefault(number, time.monotonic() - began)

    def inflict(self, fault: Fault) -> list[Fault]:
        """Does it; the fault that ends it, if it has to end."""
        after = fault.at + fault.lasts
        if fault.kind == "start":
            self.start(fault.node)
        elif fault.kind.startswith("cut"):
            return self.cut(fault, after)
        elif fault.kind == "heal":
            self.hosts.heal()
        elif fault.node not in self.nodes or self.nodes[fault.node].process.poll() is not None:
            return []
        elif fault.kind == "kill":
            self.disturbed.add(fault.node)
            self.nodes[fault.node].send(signal.SIGKILL)
        elif fault.kind == "leave":
            self.disturbed.add(fault.node)
            self.nodes[fault.node].send(signal.SIGTERM)
        elif fault.kind == "stop":
            self.nodes[fault.node].send(signal.SIGSTOP)
            self.told["stop"] += 1
            return [Fault(after, "continue", fault.node)]
        elif fault.kind == "continue":
            self.nodes[fault.node].send(signal.SIGCONT)
            return []
        if fault.kind != "heal":
            self.told[fault.kind] += 1
        return []

    def cut(self, fault: Fault, after: float) -> list[Fault]:
        first = [host for host in range(self.plan.nodes) if (host + fault.node) % 2 == 0]
        if fault.lasts < 3:
            first = [fault.node]
        second = [host for host in range(self.plan.nodes) if host not in first]
        self.hosts.cut(first, second)
        if fault.kind == "cut":
            self.hosts.cut(second, first)
        self.told[fault.kind] += 1
        return [Fault(after, "heal")]

    def everything(self) -> str:
        return "\n".join(f"==== node {number}\n{node.everything()}" for number, node in self.nodes.items())

    def check(self) -> None:
        expected = self.plan.verdicts
        code = 1 if {"FAILED", "CRASHED"} & set(expected.values()) else 0
        reports: dict[int, list[str]] = {}
        for number, node in self.nodes.items():
            if number in self.disturbed:
                continue
            assert node.process.returncode == code, f"node {number} exits with {node.process.returncode}"
            assert node.progress() or node.report(), node.everything()
            reports[number] = node.report()
            verdicts = {one["id"]: one["verdict"] for one in json.loads(self.kept(node))["tests"]}
            wrong = {
                test: (verdicts.get(test), verdict)
                for test, verdict in expected.items()
                if verdicts.get(test) != verdict
            }
            assert not wrong, f"node {number} has (this, instead of that): {wrong}"
            assert verdicts.keys() == expected.keys(), f"node {number} has invented tests"
        # Who was cut off or stood still until the others had gone had to end alone.
        if any(self.exited_at[number] < self.apart_until + MEETING_S for number in reports):
            return
        first = min(reports)
        for number, report in reports.items():
            assert report == reports[first], (
                f"nodes {first} and {number} print different reports:\n"
                + "\n".join(reports[first] + report)
            )
        if self.archivist:
            self.check_archive(self.nodes[first])

    def check_archive(self, node: Node) -> None:
        name = json.loads(self.kept(node))["job"]
        give_up = time.monotonic() + PATIENCE
        question = ["report", name, "--state-dir", str(self.archive), "--no-beacon", "--job", "of-no-job"]
        while (answer := node.ask(*question)).returncode != 0:
            assert time.monotonic() < give_up, "the archivist has not kept the job: " + answer.stderr
            time.sleep(0.1)
        assert answer.stdout.splitlines() == node.report(), "the archivist has another report:\n" + answer.stdout

    @staticmethod
    def kept(node: Node) -> str:
        answer = node.ask("report", "--state-dir", str(node.state), "--no-beacon", "--format", "json",
                          "--job", node.key)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout


def chaos(seed: int, namespaces: bool, folder: pathlib.Path, delay_s: float = 0) -> Run:
    run = Run(seed, namespaces, folder, delay_s)
    try:
        run.perform()
        run.check()
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}\n{run.plan.faults}\n{run.everything()}") from None
    except subprocess.CalledProcessError as error:
        raise AssertionError(f"seed {seed}: {error}: {error.stderr}") from None
    finally:
        for node in run.nodes.values():
            if node.process.poll() is None:
                node.process.kill()
        if run.archivist:
            run.archivist.kill()
        run.job.end()
    return run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--namespaces", action="store_true", help="each node a host of its own")
    parser.add_argument("--delay", type=float, default=0, metavar="MS",
                        help="between hosts each frame takes this, or up to twice as long, and 1 %% are lost")
    options = parser.parse_args()
    options.namespaces = options.namespaces or options.delay > 0
    if options.namespaces and why_not():
        sys.exit(f"chaos: {why_not()}")
    told: collections.Counter[str] = collections.Counter()
    failed = 0
    for seed in range(options.first, options.first + options.runs):
        with tempfile.TemporaryDirectory() as name:
            began = time.monotonic()
            try:
                run = chaos(seed, options.namespaces, pathlib.Path(name), options.delay / 1000)
            except AssertionError as error:
                failed += 1
                print(error, flush=True)
                continue
            told += run.told
            faults = " ".join(f"{fault.kind}-{fault.node}@{fault.at:.1f}" for fault in run.plan.faults)
            print(f"seed {seed}: {run.plan.nodes} nodes, {len(run.plan.verdicts)} tests, "
                  f"{time.monotonic() - began:.1f} s: {faults}", flush=True)
    print(f"{options.runs} runs, {failed} failed; {dict(told)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
