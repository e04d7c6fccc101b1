"""Plays the agent: listens on a Unix socket, starts pytest with the driver, hands out tests one by one."""

import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path

RUNNERS = Path(__file__).resolve().parents[2] / "sched" / "runners"
MODULES = sorted(path.stem[len("pytest_") :] for path in RUNNERS.glob("pytest_*.py"))
LIMIT = 25.0  # seconds after which a run is given up


def write_driver(directory):
    directory.mkdir()
    for name in MODULES:
        shutil.copy(RUNNERS / ("pytest_%s.py" % name), directory / ("dagz_pytest_%s.py" % name))


class Peer:
    """One connection: the zygote or a worker."""

    def __init__(self, sock):
        self.sock = sock
        self.role = None
        self.slot = None
        self.assigned = []
        self.tickets = None  # of a worker: a pipe
        self.given = 0  # tickets
        self._rest = b""

    def send(self, kind, **fields):
        try:
            self.sock.sendall(json.dumps(dict(t=kind, **fields)).encode("ascii") + b"\n")
        except OSError:
            pass  # gone; its exit will be told

    def give(self, tests, entries=None):
        """Tells a worker of tests, in these words if not in the usual ones, with their tickets."""
        numbers = range(self.given, self.given + len(tests))
        os.write(self.tickets, b"".join(number.to_bytes(4, "little") for number in numbers))
        self.given += len(tests)
        self.assigned += tests
        self.send("run", tests=entries or tests)

    def take_back(self):
        """Which of its tests a worker has not begun, and will not run."""
        try:
            count = len(os.read(self.tickets, 4096)) // 4
        except BlockingIOError:
            return []
        self.assigned, back = self.assigned[:-count], self.assigned[-count:]
        return back

    def receive(self):
        try:
            data = self.sock.recv(1 << 20)
        except ConnectionError:
            data = b""
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]


class Agent:
    """Runs one pytest command to its end. Override the on_* methods for other policies."""

    def __init__(self, directory, *args, workers=1, window=1, order=None, env=None, plugins=False):
        self.directory = Path(directory)
        self.args = [str(arg) for arg in args]
        self.workers = workers
        self.window = window
        self.order = order
        self.env = env or {}
        self.plugins = plugins  # whether those that happen to be installed are loaded
        self.temp = Path(tempfile.mkdtemp(prefix="dagz-"))  # short: it holds a socket
        weakref.finalize(self, shutil.rmtree, str(self.temp), ignore_errors=True)
        self.logs = self.temp / "logs"
        self.messages = []  # (role or slot, message) as they came
        self.ids = {}
        self.paths = {}
        self.groups = {}
        self.done = []  # (id, message)
        self.late = []  # the same, of second words
        self.exits = []  # (slot, status, tests that it still had)
        self.pending = []
        self.zygote = None
        self.slots = {}
        self.tickets = {}  # by slot
        self.live = set()
        self.hello = self.collected = self.finished = None
        self.failed_texts = []
        self.exit_reasons = []
        self.exit_statuses = []
        self.finishing = False
        self.stopping = False
        self.next_slot = 0
        self.output = ""
        self.returncode = None
        self.first_test = self.last_test = None

    # -- what a test asks for

    def of(self, name):
        """The done message of the only test whose id ends so."""
        found = [message for test, message in self.done if test.endswith(name)]
        assert len(found) == 1, (name, found)
        return found[0]

    def outcomes(self):
        return {test.split("::", 1)[-1]: message["o"] for test, message in self.done}

    def log_text(self, slot=0):
        return (self.logs / ("%d.log" % slot)).read_text(errors="replace")

    def kinds(self, source):
        return [message["t"] for role, message in self.messages if role == source]

    # -- policy

    def on_collected(self):
        self.pending = sorted(self.ids) if self.order is None else self.order(self)
        if not self.pending:
            self.finish()
        for _ in range(min(self.workers, len(self.pending))):
            self.fork()

    def on_want(self, worker):
        batch = [self.pending.pop(0) for _ in range(min(self.window, len(self.pending)))]
        worker.give(batch)
        if not batch:
            self.drain_if_over()

    def on_done(self, worker):
        self.drain_if_over()

    def drain_if_over(self):
        if not self.pending and not any(peer.assigned for peer in self.slots.values()):
            for peer in self.slots.values():
                peer.send("drain")

    def on_exit(self, slot, clean):
        if self.pending and not clean and not self.stopping:
            self.fork()

    def finish_fields(self):
        return {"failed": sorted({t for t, m in self.done if m["o"] in ("failed", "error")})}

    # -- mechanics

    def fork(self):
        slot = self.next_slot
        self.next_slot += 1
        env = {
            "DAGZ_WORKER": str(slot + 3),
            "PYTEST_XDIST_WORKER": "gw%d" % (slot + 3),
            "PYTEST_XDIST_WORKER_COUNT": "7",
            "PYTEST_XDIST_TESTRUNUID": "run-uid",
        }
        self.live.add(slot)
        log = str(self.logs / ("%d.log" % slot))
        tickets = str(self.temp / ("%d.tickets" % slot))
        if slot in self.tickets:
            os.close(self.tickets[slot])
            os.unlink(tickets)
        os.mkfifo(tickets)
        self.tickets[slot] = os.open(tickets, os.O_RDWR | os.O_NONBLOCK)
        self.zygote.send("fork", slot=slot, number=slot + 3, log=log, tickets=tickets, env=env)

    def finish(self):
        if not self.finishing:
            self.finishing = True
            self.zygote.send("finish", **self.finish_fields())

    def run(self):
        self.logs.mkdir()
        driver = self.temp / "driver"
        write_driver(driver)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.temp / "s"))
        listener.listen(64)
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ)
        process = self._start(driver)
        deadline = time.monotonic() + LIMIT
        try:
            while process.poll() is None:
                assert time.monotonic() < deadline, self.messages[-20:]
                self._step(listener, 0.02)
            while self._step(listener, 0):
                pass
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            self.returncode = process.wait()
            for key in list(self.selector.get_map().values()):
                key.fileobj.close()
            self.selector.close()
            for tickets in self.tickets.values():
                os.close(tickets)
        self.output = (self.temp / "output").read_text(errors="replace")
        return self

    def _start(self, driver):
        env = dict(os.environ)
        for name in [n for n in env if n.startswith(("PYTEST_", "DAGZ_"))]:
            del env[name]
        if not self.plugins:
            env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        env.update(self.env)
        for name, value, joiner in (
            ("PYTHONPATH", str(driver), os.pathsep),
            ("PYTEST_PLUGINS", "dagz_pytest_driver", ","),
        ):
            if name in env:
                env["DAGZ_ORIGINAL_" + name] = env[name]
                value += joiner + env[name]
            env[name] = value
        env["DAGZ_SOCKET"] = str(self.temp / "s")
        with open(self.temp / "output", "wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "pytest", *self.args], cwd=self.directory, env=env,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def _step(self, listener, timeout):
        events = self.selector.select(timeout)
        for key, _ in events:
            if key.fileobj is listener:
                sock, _ = listener.accept()
                self.selector.register(sock, selectors.EVENT_READ, Peer(sock))
                continue
            peer = key.data
            messages = peer.receive()
            if messages is None:
                self.selector.unregister(peer.sock)
                peer.sock.close()
                continue
            for message in messages:
                self._take(peer, message)
        return bool(events)

    def _take(self, peer, message):
        kind = message["t"]
        if kind == "hello":
            peer.role, peer.slot = message["role"], message.get("slot")
            if peer.role == "zygote":
                self.zygote, self.hello = peer, message
            else:
                self.slots[peer.slot] = peer
                peer.tickets = self.tickets[peer.slot]
        self.messages.append(("zygote" if peer is self.zygote else peer.slot, message))
        getattr(self, "_take_" + kind, lambda *_: None)(peer, message)

    def _take_file(self, peer, message):
        f = message["f"]
        known = sum(1 for test in self.ids if test[0] == f)
        self.paths[f] = message["path"]
        for k, test in enumerate(message["ids"], known):
            self.ids[f, k] = test
        for name, tests in message.get("groups", {}).items():
            self.groups.setdefault(f, {}).setdefault(name, []).extend(tests)

    def _take_collected(self, peer, message):
        self.collected = message
        self.on_collected()

    def _take_want(self, peer, message):
        self.on_want(peer)

    def _take_done(self, peer, message):
        now = time.monotonic()
        self.first_test = self.first_test or now
        self.last_test = now
        test = (message["f"], message["k"])
        if test not in peer.assigned:
            self.late.append((self.ids[test], message))
            return
        peer.assigned.remove(test)
        self.done.append((self.ids[test], message))
        self.on_done(peer)

    def _take_exit(self, peer, message):
        slot = message["slot"]
        worker = self.slots.pop(slot, None)
        while worker is not None:  # what it said before it died is still in its socket
            messages = worker.receive() if worker.sock.fileno() >= 0 else None
            if messages is None:
                break
            for late in messages:
                self._take(worker, late)
        left = [self.ids[test] for test in worker.assigned] if worker else []
        self.exits.append((slot, message["status"], left))
        self.live.discard(slot)
        self.on_exit(slot, message["status"] == 0)
        if not self.live:
            self.finish()
        elif not self.pending:
            self.on_done(None)

    def _take_exit_requested(self, peer, message):
        self.exit_reasons.append(message["reason"])
        self.exit_statuses.append(message["status"])
        self.stopping = True
        self.pending.clear()

    def _take_finished(self, peer, message):
        self.finished = message["status"]

    def _take_failed(self, peer, message):
        self.failed_texts.append(message["text"])
