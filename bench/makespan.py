#!/usr/bin/env python3
"""How near the plan and the stealing come to the best there is: dagz beside the policies of its peers.

    makespan.py [--workers 2,8,32,128,256] [--known exact,noise,...] [--collection] [--draws N] [--timeline] [SUITE…]

Everything is simulated. For dagz that means the real cores of every node, with their messages, in virtual
time (dagz_sim --makespan); the peers are their rules alone, without any cost of messages or forking. Collection
counts with --collection only: then each worker of the peers collects all files before its first test, as theirs
do (those of pytest-xdist wait for the last one, too), and dagz collects each file where it runs, once more on
each worker that takes over some of it. Suites are recorded durations (bench/durations/NAME.txt.gz, written by
record.py, which says how) and "tail", 5,000 tests of a heavy-tailed distribution, whose collection takes as long
a test as that of networkx. The bound is max(total / sum of speeds, longest / fastest), with each file collected
once: nobody can be faster. Where one test is the bound its row says "one test". With
set-ups, a file of work T and set-up S is run by at least T / (end - S) workers, each of which sets it up: the
bound is the first end at which all that is done. Rows differ in what is known beforehand, and in the machines:

  exact    the history has every duration
  noise    it is off by up to 30 %, and nodes are 0.7 to 1.3 times as fast
  noise50  off by up to 50 %
  unknown  it does not know a quarter of the tests, and is off by up to 30 % for the rest
  none     there is no history
  late     as noise; a quarter of the nodes, at least one, comes when a third of the time is over
  dying    as noise; a quarter of the nodes, at least one, dies after half of the time
  setup    as exact; what the tests of a file share takes up to 30 % of their time to set up, once more on each
           worker that runs some of them
  fresh    as setup, without a history

Each node of dagz also measures its own speed: off by up to 10 % where nodes differ, by up to 2.5 % where they do not.
With --draws a cell is the mean (least to most) of so many draws of speeds, guesses and the order of files. Where
tests are not known it is luck who begins a long one last: those rows are the mean of 20 draws, of 8 beyond 32
workers, unless told otherwise, and their standard error is shown.
"""

from __future__ import annotations

import argparse
import gzip
import heapq
import itertools
import math
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
SIMULATOR = ROOT / "build" / "dagz_sim"
RECORDED = pathlib.Path(__file__).parent / "durations"
WITH_SETUPS = ("setup", "fresh")


class Test(NamedTuple):
    took: float  # seconds
    times_usual: int = 1
    function: int = 0


class File(NamedTuple):
    path: str
    collection: float  # seconds
    size: int  # bytes
    tests: list[Test]


def drawn(files: list[File], draw: int) -> list[File]:
    """In another order: files are collected by name."""
    shuffled = list(files)
    random.Random(draw).shuffle(shuffled)
    return [file._replace(path=f"{number:04}/{file.path}") for number, file in enumerate(shuffled)]


def recorded(cells: list[str]) -> list[Test]:
    """Of one file."""
    tests = []
    for function, cell in enumerate(cells):
        for one in cell.split(","):
            times, _, took = one.rpartition("*")
            tests.append(Test(int(took) / 1e6, int(times or 1), function))
    return tests


def suite_of(name: str) -> list[File]:
    if name == "tail":
        rng = random.Random(1)
        return [File(f"test_{file:03}.py", 0.01, 10_000,
                     [Test(min(8.0, 0.004 * rng.paretovariate(1.1)), function=test) for test in range(50)])
                for file in range(100)]
    with gzip.open(RECORDED / f"{name}.txt.gz", "rt") as lines:
        rows = (line.split() for line in lines)
        return [File(path, int(collection) / 1e6, int(size), recorded(cells)) for path, collection, size, *cells in rows]


class Case:
    """A suite, what the history says of it, and the machines."""

    def __init__(self, files: list[File], known: str, workers: int, draw: int = 0, collects: bool = False):
        files = drawn(files, draw) if draw else files
        rng = random.Random(workers * 1000 + draw if draw else workers)
        self.files = files
        self.times = [test.took for file in files for test in file.tests]
        self.path_of = [file.path for file in files for _ in file.tests]
        self.times_of = {file.path: [test.took for test in file.tests] for file in files}
        self.collections = {file.path: file.collection if collects else 0.0 for file in files}
        # Of a worker of the peers, before its first test.
        self.collection = sum(self.collections.values())
        # As CI steps are cut: up to 4 workers on a node.
        self.each = min(4, max(1, workers // 2))
        nodes = workers // self.each
        self.one_test = False
        self.starts = [0.0] * nodes
        self.deaths = [0.0] * nodes
        self.setups = {path: rng.uniform(0, 0.3) * sum(times) if known in WITH_SETUPS else 0.0
                       for path, times in self.times_of.items()}
        mixed = known not in ("exact", "none", *WITH_SETUPS)
        self.node_speeds = [rng.uniform(0.7, 1.3) if mixed else 1.0 for _ in range(nodes)]
        self.speeds = [speed for speed in self.node_speeds for _ in range(self.each)]
        # By a generator of its own: it is dagz alone that asks.
        off, measure = 0.1 if mixed else 0.025, random.Random(workers * 1000 + draw + 7)
        self.measured = [speed * measure.uniform(1 - off, 1 + off) for speed in self.node_speeds]
        self.known = [self._known(took, known, rng) for took in self.times]
        work = sum(self.times) + self.collection
        even = work / sum(self.speeds)
        some = range(nodes - max(1, nodes // 4), nodes) if nodes > 1 else range(0)
        for node in some:
            if known == "late":
                self.starts[node] = even / 3
            elif known == "dying":
                self.deaths[node] = even / 2
        self.again = {path: took + self.setups[path] for path, took in self.collections.items()}
        longest = max(max(times) + self.again[path] for path, times in self.times_of.items())
        longest /= max(self.speeds)
        even = self._even_end_with_setups(longest) if known in WITH_SETUPS else self._even_end(work)
        self.one_test = longest >= even
        self.bound = max(even, longest)

    def _even_end(self, work: float) -> float:
        """When all work is done if every node works from its start to its death or the end."""
        low, high = 0.0, 10 * work
        for _ in range(60):
            end = (low + high) / 2
            done = sum(self.each * speed * max(0.0, min(end, death or end) - start)
                       for speed, start, death in zip(self.node_speeds, self.starts, self.deaths))
            low, high = (low, end) if done >= work else (end, high)
        return high

    def _even_end_with_setups(self, longest: float) -> float:
        """The same where each worker that runs some of a file collects it and sets it up; all nodes are alike and stay."""
        def work(end: float) -> float:
            total = 0.0
            for path, times in self.times_of.items():
                tests, again = sum(times), self.again[path]
                total += tests + again * math.ceil(tests / (end - again) - 1e-9)
            return total

        low, high = longest, 10 * work(longest)
        for _ in range(60):
            end = (low + high) / 2
            low, high = (low, end) if work(end) <= end * len(self.speeds) else (end, high)
        return high

    @staticmethod
    def _known(took: float, known: str, rng: random.Random) -> float:
        if known in ("none", "fresh") or (known == "unknown" and rng.random() < 0.25):
            return 0.0
        spread = 0.0 if known in ("exact", "setup") else 0.5 if known == "noise50" else 0.3
        return took * rng.uniform(1 - spread, 1 + spread)

    def guesses(self) -> list[float]:
        """With the mean for what is unknown, as pytest-split does."""
        some = [one for one in self.known if one]
        mean = sum(some) / len(some) if some else 1.0
        return [one or mean for one in self.known]


def dagz(case: Case) -> float:
    return float(simulated(case).split()[0])


def simulated(case: Case, *more: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        at = 0
        for one in case.files:
            cells = [f"{test.took * 1e6:.0f} {case.known[at + i] * 1e6:.0f} {test.times_usual} {test.function}"
                     for i, test in enumerate(one.tests)]
            at += len(one.tests)
            again = [f"{took[one.path] * 1e6:.0f}" for took in (case.setups, case.collections)]
            print(one.path, *again, one.size, *cells, file=file)
        file.flush()
        speeds, measured = (",".join(f"{speed:.4f}" for speed in list) for list in (case.node_speeds, case.measured))
        command = [SIMULATOR, "--makespan", file.name, "--workers", str(case.each), "--speeds", speeds,
                   "--measured", measured, *more]
        for option, moments in (("--starts", case.starts), ("--deaths", case.deaths)):
            if any(moments):
                command += [option, ",".join(f"{moment:.6f}" for moment in moments)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Workers:
    """What the peers' workers have collected and set up: their rules are told nothing of it, but pay for it."""

    def __init__(self, case: Case, wait_for_all: bool = False):
        self.case = case
        self.last: list[str | None] = [None] * len(case.speeds)
        slowest = min(case.speeds) if wait_for_all else 0.0
        # When each may run its first test: a heap of the next to be free.
        self.free = [(case.collection / (slowest or speed), worker) for worker, speed in enumerate(case.speeds)]
        heapq.heapify(self.free)

    def run(self, worker: int, test: int) -> float:
        path = self.case.path_of[test]
        again = self.last[worker] != path
        self.last[worker] = path
        setup = self.case.setups[path] if again else 0.0
        return (self.case.times[test] + setup) / self.case.speeds[worker]


def fixed(case: Case, lists: list[list[int]]) -> float:
    workers = Workers(case)
    return max(at + sum(workers.run(worker, i) for i in sorted(lists[worker])) for at, worker in workers.free)


def by_count(case: Case) -> float:
    total, parts = len(case.times), len(case.speeds)
    return fixed(case, [list(range(total * i // parts, total * (i + 1) // parts)) for i in range(parts)])


def by_duration(case: Case) -> float:
    guesses, lists = case.guesses(), [[] for _ in case.speeds]
    heap = [(0.0, i) for i in range(len(lists))]
    for test in sorted(range(len(guesses)), key=lambda i: -guesses[i]):
        load, part = heapq.heappop(heap)
        lists[part].append(test)
        heapq.heappush(heap, (load + guesses[test], part))
    return fixed(case, lists)


def next_to_who_is_free(workers: Workers, units: Iterable[list[int]]) -> float:
    for unit in units:
        at, worker = heapq.heappop(workers.free)
        heapq.heappush(workers.free, (at + sum(workers.run(worker, i) for i in unit), worker))
    return max(at for at, _ in workers.free)


def central_queue(case: Case) -> float:
    return next_to_who_is_free(Workers(case), ([i] for i in range(len(case.times))))


def xdist_loadfile(case: Case) -> float:
    files: dict[str, list[int]] = {}
    for test, path in enumerate(case.path_of):
        files.setdefault(path, []).append(test)
    # Larger files first, as pytest-xdist orders its scopes.
    return next_to_who_is_free(Workers(case, wait_for_all=True), sorted(files.values(), key=len, reverse=True))


def xdist_load(case: Case) -> float:
    """LoadScheduling: a first batch of a quarter, then top-ups when fewer than two are pending."""
    workers, rest = len(case.speeds), list(range(len(case.times)))[::-1]
    runs = Workers(case, wait_for_all=True)
    queues: list[list[int]] = [[] for _ in range(workers)]

    def send(worker: int, count: int) -> None:
        for _ in range(min(count, len(rest))):
            queues[worker].append(rest.pop())

    for worker in range(workers):
        send(worker, max(len(case.times) // (4 * workers), 2))
    heap, end = runs.free, 0.0
    while heap:
        at, worker = heapq.heappop(heap)
        end = max(end, at)
        if len(queues[worker]) < max(2, len(rest) // workers // 4):
            send(worker, max(2, len(rest) // workers // 2) - len(queues[worker]))
        if queues[worker]:
            heapq.heappush(heap, (at + runs.run(worker, queues[worker].pop(0)), worker))
    return end


def xdist_worksteal(case: Case) -> float:
    """WorkStealingScheduling: even shares, then half of the longest queue."""
    workers, total = len(case.speeds), len(case.times)
    queues = [list(range(total * i // workers, total * (i + 1) // workers)) for i in range(workers)]
    runs = Workers(case, wait_for_all=True)
    heap, end = runs.free, 0.0
    while heap:
        at, worker = heapq.heappop(heap)
        end = max(end, at)
        if not queues[worker]:
            victim = max(range(workers), key=lambda i: len(queues[i]))
            keep = max(2, len(queues[victim]) - len(queues[victim]) // 2)
            queues[worker], queues[victim] = queues[victim][keep:], queues[victim][:keep]
        if queues[worker]:
            heapq.heappush(heap, (at + runs.run(worker, queues[worker].pop(0)), worker))
    return end


POLICIES = {"dagz": dagz, "xdist load": xdist_load, "xdist worksteal": xdist_worksteal,
            "xdist loadfile": xdist_loadfile, "split by durations": by_duration,
            "split by count": by_count, "central queue": central_queue}


def cell(ratios: list[float], full: bool) -> str:
    mean = f"{statistics.mean(ratios):.3f}"
    if len(ratios) == 1:
        return mean
    if full:
        return f"{mean} ({min(ratios):.3f} to {max(ratios):.3f})"
    return f"{mean} ± {statistics.stdev(ratios) / math.sqrt(len(ratios)):.3f}"


def main() -> None:
    names = sorted(file.name.removesuffix(".txt.gz") for file in RECORDED.glob("*.txt.gz"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", default="2,8,32,128,256")
    parser.add_argument("--known", default="exact,noise,noise50,unknown,none,late,dying,setup,fresh")
    parser.add_argument("--draws", type=int)
    parser.add_argument("--collection", action="store_true", help="count what it takes to collect, too")
    parser.add_argument("--timeline", action="store_true", help="what each worker did, of dagz only")
    parser.add_argument("suites", nargs="*", default=[*names, "tail"])
    options = parser.parse_args()
    subprocess.run(["cmake", "--build", "--preset", "release", "--target", "dagz_sim"], cwd=ROOT,
                   check=True, stdout=subprocess.DEVNULL)
    if options.timeline:
        for suite, known, workers in itertools.product(options.suites, options.known.split(","), options.workers.split(",")):
            case = Case(suite_of(suite), known, int(workers), collects=options.collection)
            print(f"{suite}, {known}, {workers} workers, bound {case.bound:.3f}:", simulated(case, "--timeline"), sep="\n")
        return
    print("times the bound\n\n| suite | known | workers | bound s |", " | ".join(POLICIES), "|")
    print("|---" * (4 + len(POLICIES)) + "|")
    for suite in options.suites:
        files = suite_of(suite)
        for known in options.known.split(","):
            for workers in map(int, options.workers.split(",")):
                draws = options.draws
                if draws is None:
                    draws = 0 if known not in ("unknown", "none", "fresh") else 20 if workers <= 32 else 8
                cases = [Case(files, known, workers, draw, options.collection)
                         for draw in (range(1, draws + 1) if draws else [0])]
                if known in ("late", "dying") and not any(cases[0].starts + cases[0].deaths):
                    continue  # one node
                # The rules of the peers know of no nodes that come or go.
                policies = [dagz] if any(cases[0].starts + cases[0].deaths) else POLICIES.values()
                cells = [cell([policy(case) / case.bound for case in cases], options.draws is not None)
                         for policy in policies]
                cells += [""] * (len(POLICIES) - len(cells))
                note = ", one test" if cases[0].one_test else ""
                bound = statistics.mean(case.bound for case in cases)
                print(f"| {suite} | {known} | {workers} | {bound:.2f}{note} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    sys.exit(main())
