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
from collections.abc import Iterable

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("DAGZ_BINARY", str(ROOT / "build" / "dagz"))
PATIENCE = 90

PROGRESS = re.compile(
    r"^\d\d:\d\d:\d\d\.\d{3} █{9} \[(\d+)\+(\d+)\+(\d+)\+(\d+)=(\d+)\] (\w+) \S+s "
    r"lag=[+-]\d+\.\d{3}s (.*) %cpu=\d+% worker #(\d+)$"
)
STATUS = re.compile(
    r"^\d\d:\d\d:\d\d\.\d{3} Worker #(?P<worker>\d+) "
    r"\[(?P<state>Active|Idle|WorkSent|Disconnected|Failed|NotConnected)\] "
    r"progress=(?P<done>\d+)\+(?P<left>\d+)/(?P<all>\d+) actual_delta=[+-]\d+\.\ds "
    r"last_finished=\d+\.\ds q=\w+ batch #\d+ time_left=\d+\.\ds "
    r"stolen=\d+,\d+finished reconnects=\d+(?: (?P<test>.*))?$"
)
KEPT_VARIABLES = re.compile(r"PATH|LANG|LC_\w+|TZ|PYTHONDONTWRITEBYTECODE|[A-Z]+SAN_OPTIONS")


def clean_environment(folder: pathlib.Path) -> dict[str, str]:
    """Nothing of the caller's CI, user or settings; the user's directories are below `folder`."""
    kept = {name: value for name, value in os.environ.items() if KEPT_VARIABLES.fullmatch(name)}
    kept.setdefault("LANG", "C.UTF-8")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        kept[name] = str(folder)
    return kept


def report_of(lines: list[str]) -> list[str]:
    """The last job report in these lines, both rules included."""
    starts = [i for i, line in enumerate(lines) if line.startswith("═══ DAGZ job report")]
    return lines[starts[-1] :] if starts else []


class Node:
    """One process of the job; its output is read as it comes."""

    def __init__(
        self,
        place: pathlib.Path,
        suite: pathlib.Path,
        key: str,
        options: list[str],
        command: list[str],
        extra: dict[str, str],
        stdout: int | None = None,
        prefix: Iterable[str] = (),
        state: pathlib.Path | None = None,
    ):
        temporary = place / "tmp"
        temporary.mkdir(parents=True)
        self.state = state or place / "state"
        self.suite = suite
        self.key = key
        # One user on one host: the nodes of a job share what belongs to the user.
        self.environment = clean_environment(place.parent / "user")
        self.environment.update({"TMPDIR": str(temporary), **extra})
        self.process = subprocess.Popen(
            [*prefix, BINARY, "run", *(["--job", key] if key else []), "--state-dir", str(self.state), *options, "--", *command],
            cwd=suite,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self.lines: list[str] = []
        self.error_lines: list[str] = []
        self._news = threading.Condition()
        streams = [(self.process.stdout, self.lines), (self.process.stderr, self.error_lines)]
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines))
            for stream, lines in streams
            if stream is not None
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Iterable[str], into: list[str]) -> None:
        for line in stream:
            with self._news:
                into.append(line.rstrip("\n"))
                self._news.notify_all()

    @property
    def errors(self) -> str:
        return "\n".join(self.error_lines)

    def everything(self) -> str:
        return "\n".join([*self.lines, "--- stderr:", *self.error_lines])

    def wait_for_progress(self, count: int = 1) -> None:
        """Until so many tests have been told."""
        with self._news:
            enough = self._news.wait_for(lambda: len(self.progress()) >= count, PATIENCE)
        assert enough, self.everything()

    def wait_for_error(self, pattern: str) -> re.Match[str]:
        """The first diagnostic with this pattern in it, as soon as it is there."""

        def look() -> re.Match[str] | None:
            found = (re.search(pattern, line) for line in self.error_lines)
            return next(filter(None, found), None)

        with self._news:
            match = self._news.wait_for(look, PATIENCE)
        assert match, self.everything()
        return match

    def address(self) -> str:
        """Where the node listens, as it says itself."""
        return self.wait_for_error(r"^dagz: job .* node \w+ at (\S+:\d+)")[1]

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
        lines = report_of(self.lines)
        assert lines, self.everything()
        return lines

    def summary(self) -> str:
        return next(line for line in self.report() if re.match(r"j\d{4}\.\d+ ", line))

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command of dagz, as this node's user in the same project."""
        return subprocess.run(
            [BINARY, *arguments],
            cwd=self.suite,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE,
        )


    def kept_report(self, form: str = "text") -> str:
        """What `dagz report` says of the job, live or from this node's history."""
        where = ["--job", self.key, "--state-dir", str(self.state), "--no-beacon"]
        answer = self.ask("report", *where, "--format", form)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout


class Job:
    """Starts nodes that share one suite and one job key."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.suite = folder / "suite"
        self.suite.mkdir()
        self.write("pytest.ini", "[pytest]\n")
        self.key = uuid.uuid4().hex
        self._numbers = itertools.count()
        self.nodes: list[Node] = []

    def write(self, name: str, text: str) -> None:
        path = self.suite / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def start(
        self,
        *options: str,
        pytest: list[str] | None = None,
        command: list[str] | None = None,
        stdout: int | None = None,
        prefix: Iterable[str] = (),
        state: pathlib.Path | None = None,
        **extra: str,
    ) -> Node:
        """Starts a node; `extra` goes into its environment. `stdout`: a descriptor instead of a pipe;
        `prefix`: a command that starts the node; `state`: another directory than its own."""
        if command is None:
            command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *(pytest or [])]
        place = self.folder / f"node-{next(self._numbers)}"
        node = Node(place, self.suite, self.key, list(options), command, extra, stdout, prefix, state)
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


def same_report(nodes: list[Node]) -> list[str]:
    """The report of these nodes, which must be the same lines on all of them."""
    reports = [node.report() for node in nodes]
    assert all(report == reports[0] for report in reports), reports
    return reports[0]
