"""Runs `dagz run` nodes of one job, on loopback and in directories of their own."""

from __future__ import annotations

import itertools
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("DAGZ_BINARY", str(ROOT / "build" / "dagz"))
PATIENCE = 90

PROGRESS = re.compile(
    r"^\d\d:\d\d:\d\d\.\d{3} █{9} \[(\d+)\+(\d+)\+(\d+)\+(\d+)=(\d+)\] (\w+) \S+s "
    r"lag=[+-]\d+\.\d{3}s (.*) %cpu=\d+% worker #(\d+)$"
)


class Node:
    """One process of the job; its output is read as it comes."""

    def __init__(self, place: pathlib.Path, suite: pathlib.Path, options: list[str],
                 command: list[str], extra: dict[str, str]):
        place.mkdir(parents=True)
        environment = {
            name: value for name, value in os.environ.items()
            if not name.startswith(("DAGZ_", "CI", "GITHUB_", "GITLAB_", "PYTEST_", "SLURM_"))
        }
        for name in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "TMPDIR"):
            folder = place.parent / "shared" if name != "TMPDIR" else place / "tmp"
            folder.mkdir(exist_ok=True, mode=0o700)
            environment[name] = str(folder)
        environment.update(extra)
        self.state = place / "state"
        self.process = subprocess.Popen(
            [BINARY, "run", "--state-dir", str(self.state), *options, "--", *command],
            cwd=suite, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
        )
        self.environment = environment
        self.lines: list[str] = []
        self.errors = ""
        self._news = threading.Condition()
        self._readers = [threading.Thread(target=self._read_out), threading.Thread(target=self._read_err)]
        for reader in self._readers:
            reader.start()

    def _read_out(self) -> None:
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()

    def _read_err(self) -> None:
        self.errors = self.process.stderr.read()

    def wait_for_progress(self, count: int = 1) -> None:
        """Until so many tests have been told."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.progress()) >= count, PATIENCE), self.lines

    def progress(self) -> list[re.Match[str]]:
        return [match for match in map(PROGRESS.match, self.lines) if match]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        try:
            code = self.process.wait(PATIENCE)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            for reader in self._readers:
                reader.join(PATIENCE)
        return code

    def report(self) -> list[str]:
        """The lines of the job report, both rules included."""
        starts = [i for i, line in enumerate(self.lines) if line.startswith("═══ DAGZ job report")]
        assert starts, "\n".join(self.lines) + self.errors
        return self.lines[starts[-1]:]

    def summary(self) -> str:
        return next(line for line in self.report() if re.match(r"j\d{4}\.\d+ ", line))


class Job:
    """Starts nodes that share one suite and one job key."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.suite = folder / "suite"
        self.suite.mkdir()
        (self.suite / "pytest.ini").write_text("[pytest]\n")
        self.key = uuid.uuid4().hex
        self._numbers = itertools.count()
        self.nodes: list[Node] = []

    def write(self, name: str, text: str) -> None:
        (self.suite / name).write_text(text)

    def start(self, *options: str, pytest: list[str] | None = None,
              command: list[str] | None = None, **extra: str) -> Node:
        if command is None:
            command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *(pytest or [])]
        node = Node(self.folder / f"node-{next(self._numbers)}", self.suite,
                    ["--job", self.key, *options], command, extra)
        self.nodes.append(node)
        return node

    def run(self, count: int, *options: str, **more) -> list[int]:
        nodes = [self.start(*options, **more) for _ in range(count)]
        return [node.wait() for node in nodes]

    def end(self) -> None:
        for node in self.nodes:
            if node.process.poll() is None:
                node.process.kill()
                node.wait()
