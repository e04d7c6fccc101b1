"""The pytest side of dagz: configure once, collect once, fork workers on demand. PYTEST_DONT_REWRITE

pytest loads this module as a plug-in because dagz names it in PYTEST_PLUGINS. Without DAGZ_SOCKET in
the environment it does nothing. With it, the process becomes the *zygote*: it lets pytest configure
and collect as the user's command says, freezes the heap, and forks workers when the agent (the C++
side, which listens on the Unix stream socket DAGZ_SOCKET) asks for them. It needs the standard
library, pytest and its own dagz_pytest_*.py: CPython 3.9 and later, pytest 7.2 and later.

dagz_pytest_connection.py has the protocol between these processes.
"""

import collections
import contextlib
import os
import select
import signal
import socket
import sys
import time
import traceback
import warnings

import pytest
import dagz_pytest_heap as heap
from dagz_pytest_collect import ZYGOTE_ERRORS_MAX, few_errors, send_file, send_found
from dagz_pytest_connection import Connection
from dagz_pytest_coverage import kept_until_the_end
from dagz_pytest_fork import other_threads, why_not_fork
from dagz_pytest_plugins import WorkerNode, neutralise
from dagz_pytest_process import flush, load_libc, own_basetemp
from dagz_pytest_reports import (
    FrameReader, bounded, crash_report, exit_reason, keep_durations, packed, quiet, replace_reporter, record_of_suite,
    reports_wanted, skip_message, skip_notes, unpacked_warning, update_lastfailed,
)  # fmt: skip
from dagz_pytest_session import DriverSession
from dagz_pytest_spawn import Spawned, Spawner, take_order
from dagz_pytest_worker import VERSION, run_forked

NAME_PATIENCE = 2  # seconds for nodes to agree on the name of their job; a node alone knows it at once
ARGUMENTS_MAX = 256  # what the agent takes
ARGUMENTS_BYTES_MAX = 64 << 10
POLL_MS = 20  # how often to fetch reports, and to look for dead workers where the system has no pidfd

# pytest runs none of its tests with these, so there is nothing to serve.
_INSPECTION_OPTIONS = (
    "collectonly", "help", "version", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow",
    "setuponly", "setupplan",
)  # fmt: skip

FILES_AND_DIRECTORIES = (pytest.File, getattr(pytest, "Directory", pytest.File))


def _take_settings():
    """Returns the socket's path, how to collect and how to start workers; hides dagz from everything that this
    process starts."""
    path = os.environ.pop("DAGZ_SOCKET", None)
    mode = os.environ.pop("DAGZ_DRIVER_COLLECT", "whole")
    method = os.environ.pop("DAGZ_DRIVER_START", "auto")
    if path is None:
        return None, mode, method
    for name in ("PYTHONPATH", "PYTEST_PLUGINS"):
        original = os.environ.pop("DAGZ_ORIGINAL_" + name, None)
        if original is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = original
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here or not entry]
    return path, mode, method


_socket_path, _mode, _start_method = _take_settings()
_order = take_order()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config):
    if _socket_path is None:
        yield
        return
    with kept_until_the_end(early_config.known_args_namespace):
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    global _socket_path
    path, _socket_path = _socket_path, None  # one session: a second pytest.main() is an ordinary one
    if path is not None and _order is None and os.path.exists(path + ".taken"):
        path = None  # so is a second pytest of the command
    if path is None:
        return
    if any(getattr(config.option, name, None) for name in _INSPECTION_OPTIONS):
        # The agent sees only the command line, not pytest's own settings.
        with contextlib.suppress(OSError):
            open(path + ".text", "w").close()
        return
    notes = neutralise(config)
    plugin = Zygote(config, path, _mode, notes) if _order is None else Spawned(config, path, _mode, _order)
    config.pluginmanager.register(plugin, "dagz-session")


def arguments_of(config):
    """What pytest was given, and of that what names no tests. Nothing if that is not clear (a test has the name
    of an option's value, pytest's settings name tests), or if it is more than anybody would paste."""
    given = [str(arg) for arg in config.invocation_params.args]
    named = getattr(config.option, "file_or_dir", None)
    text = "".join(given)
    if named is None or len(given) > ARGUMENTS_MAX or len(text) > ARGUMENTS_BYTES_MAX or not text.isprintable():
        return {}
    if any(given.count(one) != named.count(one) for one in named):
        return {}
    to_root = os.path.relpath(config.rootpath, config.invocation_params.dir)
    return {
        "arguments": {
            "all": given, "options": [arg for arg in given if arg not in named],
            "to_root": "" if to_root == "." else to_root + "/",
        }
    }  # fmt: skip


class Child:
    """A worker as the zygote knows it."""

    def __init__(self, slot, pid, name, reports, node, process=None):
        self.node = node
        self.process = process  # of one that was started afresh
        self.slot = slot
        self.pid = pid
        self.name = name
        self.reports = reports
        self.reader = FrameReader()
        self.running = None
        try:
            self.pidfd = os.pidfd_open(pid)
        except (AttributeError, TypeError, OSError):
            self.pidfd = None

    def close(self):
        """After its end."""
        if self.process is not None:
            self.process.returncode = 0  # or it would wait for the process once more
        if self.reports is not None:
            self.reports.close()
        if self.pidfd is not None:
            os.close(self.pidfd)


class Zygote(DriverSession):
    def __init__(self, config, path, mode, notes):
        super().__init__(config, path, mode)
        self.notes = notes
        self.greeted = False
        self.errors = []
        self.skipped = []  # ids of files and why they skipped themselves
        self.started = time.perf_counter()
        self.collecting = False
        self.children = {}
        self.uses = collections.Counter()
        self.replay_broken = False
        self.imports_warned = set()  # what warnings said that came up while workers imported other files
        self.libc = None
        self.interrupt_handler = None  # what the suite does about SIGINT, while this process ignores it
        self.spawner = None  # where workers are not forked
        try:
            self.connection = Connection(path)
        except OSError as error:
            raise pytest.UsageError("dagz does not answer on its socket %s: %s" % (path, error)) from error

    # -- hooks, in the order in which pytest calls them

    def configured(self, config):
        own_basetemp(config)
        self.libc = load_libc()
        self._say_hello(config)

    def _say_hello(self, config):
        self.greeted = True
        self.connection.send(
            "hello", v=VERSION, role="zygote", pid=os.getpid(), python=sys.version.split()[0],
            pytest=pytest.__version__, rootdir=str(config.rootpath), notes=self.notes,
            **arguments_of(config),
        )  # fmt: skip

    def about_to_collect(self):
        self.started = time.perf_counter()
        self.collecting = True
        self.notes = self.seed.settle(self.config, self._name_of_job)

    def _name_of_job(self):
        message = self.connection.wait_for("job", NAME_PATIENCE)
        return message and message["name"]

    def pytest_collectstart(self, collector):
        # Workers are forked with this plug-in, and may collect.
        if self.collecting and isinstance(collector, FILES_AND_DIRECTORIES):
            self.connection.send("collecting", text=bounded(collector.nodeid or "."))

    def pytest_collectreport(self, report):
        if report.failed:
            self.errors.append((report.nodeid, bounded(report.longreprtext)))
        elif report.skipped:
            self.skipped.append((report.nodeid, skip_message(report)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        try:
            self._serve(session)
        except Exception:
            self._kill_children()
            try:
                self.connection.send("failed", text=bounded(traceback.format_exc()))
            except OSError:
                pass
            raise
        return True

    def pytest_keyboard_interrupt(self, excinfo):
        if not isinstance(excinfo.value, pytest.exit.Exception):
            return
        if not self.greeted:  # a conftest ended it while it configured
            self._say_hello(self.config)
        self._request_exit(excinfo.value)

    def _request_exit(self, error):
        with contextlib.suppress(OSError):  # the agent is gone
            self.connection.send("exit_requested", reason=exit_reason(error), status=2)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self):
        if self.session is not None:
            try:
                self.connection.send("finished", status=int(self.session.exitstatus))
            except OSError:
                pass  # the agent is gone; the exit status still tells

    # -- the catalog

    def _send_catalog(self):
        files = {}
        for item in self.session.items:
            path = item.nodeid.split("::", 1)[0]
            files.setdefault(path, []).append(item)
        for f, (path, items) in enumerate(files.items()):
            self.catalog.append(items)
            send_file(self.connection, f, path, items, self.errors)

    # -- serving

    def _serve(self, session):
        self.collecting = False
        files = self.collection.files
        if files is None:
            self._send_catalog()
        else:
            send_found(self.connection, files)
        seconds = time.perf_counter() - self.started
        self.wanted = reports_wanted(self.config)
        replace_reporter(self.config, quiet)
        self.settle_heap()
        if _start_method == "spawn":
            self.spawner = Spawner(self)
        elif _start_method == "auto":
            unsafe = why_not_fork([self.connection.sock.fileno()])
            if unsafe is not None:
                self.notes.append(unsafe + ": workers are started afresh, and collect by themselves")
                self.spawner = Spawner(self)
        told = len(self.skipped)
        self.connection.send(
            "collected", files=len(self.catalog if files is None else files),
            tests=len(session.items), skipped=len(self.skipped),
            seconds=round(seconds, 6), maxfail=self.maxfail, threads=other_threads(),
            replay=bool(self.wanted), errors=few_errors(self.errors, ZYGOTE_ERRORS_MAX),
            shared=files is not None, why=self.collection.why, notes=self.notes + skip_notes(self.skipped),
        )  # fmt: skip
        self.interrupt_handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            finish = self._loop()
        finally:
            if self.interrupt_handler is not None:
                signal.signal(signal.SIGINT, self.interrupt_handler)
        self._kill_children()
        heap.stop_searching()
        for note in skip_notes(sorted(self.skipped[told:])):  # by workers: those that come with all else went before
            sys.stderr.write("dagz: %s\n" % note)
        self.coverage.gather(finish)
        for option, name, others in (
            ("xmlpath", "--junitxml", "`dagz run --junit` writes all"),
            ("durations", "--durations", "`dagz report --format json` has all"),
        ):
            if finish.get("elsewhere") and getattr(self.config.option, option, None) is not None:
                sys.stderr.write(
                    "dagz: pytest's %s holds the tests of this node; %d ran elsewhere, and %s\n"
                    % (name, finish["elsewhere"], others)
                )
        # The session must look as if it had run the tests of the whole job itself.
        failed = finish.get("failed", [])
        session.testsfailed = len({*failed, *(nodeid for nodeid, _ in self.errors)})
        if files is not None:
            session.testscollected = finish.get("tests", 0)
        if finish.get("ran", True):
            update_lastfailed(self.config, session.items, files, failed, finish.get("unfinished", []))
        else:
            self.config.option.collectonly = True

    def _loop(self):
        """Serves the agent until it says finish; returns that message."""
        while True:
            poll = select.poll()
            poll.register(self.connection.sock, select.POLLIN)
            timeout = 0 if self.connection.early else None
            for child in self.children.values():
                # Reports are fetched from time to time: being woken by each would cost as much as
                # a short test. Warnings alone are rare.
                if (child.reports is not None and self.wanted) or child.pidfd is None:
                    timeout = POLL_MS
                elif child.reports is not None:
                    poll.register(child.reports, select.POLLIN)
                if child.pidfd is not None:
                    poll.register(child.pidfd, select.POLLIN)
            ready = {fd for fd, _ in poll.poll(timeout)}
            for child in list(self.children.values()):
                self._read_reports(child)
                if child.pidfd is None or child.pidfd in ready:
                    self._reap(child)
            if self.connection.sock.fileno() in ready or self.connection.early:
                messages = self.connection.receive(block=True)
                if messages is None:
                    self._kill_children()
                    os._exit(3)
                for message in messages:
                    if message["t"] == "fork":
                        self._start_worker(message)
                    elif message["t"] == "finish":
                        return message

    def _start_worker(self, message):
        slot = message["slot"]
        name = self._worker_name(message)
        here, there = socket.socketpair()
        here.setblocking(False)
        start = self._fork if self.spawner is None else self._spawn
        node = WorkerNode(self.config, message)
        try:
            node.tell_conftests("pytest_configure_node")
            pid, process = start(dict(message, workerinput=node.workerinput), name, here, there)
        except Exception as error:
            here.close()
            text = "cannot start a worker: %s" % (error if isinstance(error, OSError) else traceback.format_exc())
            self.connection.send("exit", slot=slot, pid=0, status=3 << 8, text=text)
            return
        finally:
            there.close()
        self.children[pid] = Child(slot, pid, name, here, node, process)
        self.connection.send("forked", slot=slot, pid=pid)

    def _fork(self, message, name, here, there):
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            flush(stream)
        parent = os.getpid()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of threads at a fork: "collected" tells the agent
            pid = os.fork()
        if pid == 0:
            here.close()
            run_forked(self, message, name, there, parent)  # never returns
        try:
            os.setpgid(pid, pid)  # the child does it too: whoever comes first
        except OSError:
            pass
        return pid, None

    def _spawn(self, message, name, _here, there):
        process = self.spawner.start(message, name, there)
        return process.pid, process

    def _worker_name(self, message):
        """Names the worker's directory: one that no worker before it had, since number may come again."""
        name = message.get("env", {}).get("PYTEST_XDIST_WORKER") or "gw%d" % message.get("number", 0)
        if self.basetemp is None:
            factory = getattr(self.config, "_tmp_path_factory", None)
            try:
                self.basetemp = factory.getbasetemp() if factory is not None else False
            except Exception:  # a test that needs it will say why
                self.basetemp = False
        uses = self.uses[name]
        self.uses[name] += 1
        return "%s-%d" % (name, uses) if uses else name

    def _read_reports(self, child):
        """Replays what has come of one worker's reports."""
        while child.reports is not None:
            try:
                data = child.reports.recv(1 << 18)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                child.reports.close()
                child.reports = None
                return
            if child.reader is None:
                continue
            try:
                for kind, *fields in child.reader.feed(data):
                    self._heed_report(child, kind, fields)
            except Exception:  # a test has written into the descriptor: what comes after it means nothing
                child.reader = None
                sys.stderr.write("dagz: reports of worker %r are garbled, and lost to plug-ins\n" % child.name)

    def _heed_report(self, child, kind, fields):
        if kind == "start":
            nodeid, location = fields
            child.running = nodeid, location
        elif kind == "warning":
            self._replay_warning(*fields)
        elif kind == "skipped":
            nodeid, reason = fields
            self.skipped.append((nodeid, reason))
        elif kind == "recorded":
            record_of_suite(self.config, fields)
        elif kind == "took":
            child.running = None
            keep_durations(self.config, *fields)
        else:
            nodeid, location, reports = fields
            child.running = None
            self._replay(nodeid, location, reports)

    def _replay(self, nodeid, location, reports):
        """Gives the reports of one test to the plug-ins of this process, as if it had run here."""
        hook = self.config.hook
        try:
            hook.pytest_runtest_logstart(nodeid=nodeid, location=location)
            for data in reports:
                report = hook.pytest_report_from_serializable(config=self.config, data=data)
                hook.pytest_runtest_logreport(report=report)
            hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)
        except pytest.exit.Exception as error:
            self._request_exit(error)
        except Exception:
            self._say_replay_broken()

    def _replay_warning(self, when, collected, nodeid, location, data):
        """Passes a warning on to pytest's summary and to plug-ins, as if it had come up here. `collected` is the
        file that was collected then. What that one imports each worker imports anew; one process would warn
        of it once."""
        if when == "collect" and data[3] != collected:
            if data in self.imports_warned:
                return
            self.imports_warned.add(data)
        try:
            self.config.hook.pytest_warning_recorded.call_historic(
                kwargs=dict(
                    warning_message=unpacked_warning(data), when=when, nodeid=nodeid, location=location
                )
            )
        except Exception:
            self._say_replay_broken()

    def _say_replay_broken(self):
        if not self.replay_broken:  # a plug-in's fault costs its own output, not the job
            sys.stderr.write("dagz: a plug-in failed on a report:\n" + traceback.format_exc())
        self.replay_broken = True

    def _reap(self, child):
        try:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
        except ChildProcessError:  # the suite ignores SIGCHLD, or waits for any child: how it ended is not known
            pid, status = child.pid, 0
        if pid == 0:
            return
        self._read_reports(child)
        if child.running is not None and status != 0:
            self._replay_crash(child)
        child.close()
        del self.children[pid]
        try:
            child.node.tell_conftests("pytest_testnodedown", error="crashed" if status else None)
        except Exception:
            sys.stderr.write("dagz: a conftest failed on the end of a worker:\n" + traceback.format_exc())
        self.connection.send("exit", slot=child.slot, pid=pid, status=status)

    def _replay_crash(self, child):
        nodeid, location = child.running
        text = "worker %r crashed while running %r" % (child.name, nodeid)
        report = crash_report(nodeid, location, text)
        self._replay(nodeid, location, packed(self.config, [report]))

    def _kill_children(self):
        for child in self.children.values():
            for kill in (os.killpg, os.kill):
                try:
                    kill(child.pid, signal.SIGKILL)
                except OSError:
                    pass
            try:
                os.waitpid(child.pid, 0)
            except OSError:
                pass
            child.close()
        self.children.clear()
