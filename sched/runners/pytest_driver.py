"""The pytest side of dagz: configure once, collect once, fork workers on demand. PYTEST_DONT_REWRITE

pytest loads this module as a plug-in because dagz names it in PYTEST_PLUGINS. Without DAGZ_SOCKET in
the environment it does nothing. With it, the process becomes the *zygote*: it lets pytest configure
and collect as the user's command says, freezes the heap, and forks workers when the agent (the C++
side, which listens on the Unix stream socket DAGZ_SOCKET) asks for them. It needs the standard
library, pytest and its own dagz_pytest_*.py: CPython 3.9 and later, pytest 7.2 and later.

dagz_pytest_connection.py has the protocol between these processes.
"""

import collections
import gc
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
import warnings

import pytest
from dagz_pytest_collect import (
    GC_THRESHOLD, Collection, Files, is_order, register_markers, send_file, send_found,
)  # fmt: skip
from dagz_pytest_connection import Connection
from dagz_pytest_coverage import Coverage, kept_until_the_end
from dagz_pytest_leaks import Leaks
from dagz_pytest_plugins import SharedSeed, XdistFixtures, neutralise, set_options
from dagz_pytest_process import flush, other_threads, own_basetemp, redirect, span_of, thread_notes
from dagz_pytest_reports import (
    MESSAGE_MAX, FrameReader, bounded, crash_report, frame, is_marked, mute, packed, packed_warning, quiet,
    replace_reporter, reports_wanted, unpacked_warning, update_lastfailed, verdict,
)  # fmt: skip

WANT = b'{"t":"want"}\n'
VERSION = 1
POLL_MS = 20  # how often to fetch reports, and to look for dead workers where the system has no pidfd

# pytest runs none of its tests with these, so there is nothing to serve.
_INSPECTION_OPTIONS = (
    "collectonly", "help", "version", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow",
)  # fmt: skip


def _take_settings():
    """Returns the socket's path and how to collect; hides dagz from everything that this process starts."""
    path = os.environ.pop("DAGZ_SOCKET", None)
    mode = os.environ.pop("DAGZ_DRIVER_COLLECT", "whole")
    if path is None:
        return None, mode
    for name in ("PYTHONPATH", "PYTEST_PLUGINS"):
        original = os.environ.pop("DAGZ_ORIGINAL_" + name, None)
        if original is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = original
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here or not entry]
    return path, mode


_socket_path, _mode = _take_settings()


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
    if path is None or any(getattr(config.option, name, None) for name in _INSPECTION_OPTIONS):
        return
    config.pluginmanager.register(Zygote(config, path, _mode, neutralise(config)), "dagz-zygote")


class Child:
    """A worker as the zygote knows it."""

    def __init__(self, slot, pid, name, reports):
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
        if self.reports is not None:
            self.reports.close()
        if self.pidfd is not None:
            os.close(self.pidfd)


class Zygote:
    def __init__(self, config, path, mode, notes):
        self.config = config
        self.path = path
        self.collection = Collection(mode)
        self.coverage = Coverage(config, os.path.dirname(path))
        self.notes = notes
        self.seed = SharedSeed(config)
        self.session = None
        self.catalog = []
        self.errors = []
        self.deselected = 0
        self.skipped = 0
        self.maxfail = 0
        self.started = time.perf_counter()
        self.user_threshold = None
        self.children = {}
        self.uses = collections.Counter()
        self.wanted = set()  # of the workers' reports: see reports_wanted
        self.replay_broken = False
        self.basetemp = None
        self.libc = None
        try:
            self.connection = Connection(path)
        except OSError as error:
            raise pytest.UsageError("dagz does not answer on its socket %s: %s" % (path, error)) from error

    # -- hooks, in the order in which pytest calls them

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config):
        self.maxfail = config.getoption("maxfail") or 0
        # One bad file or one failed test must not end the session: the agent decides for the whole job.
        set_options(config, maxfail=0, continue_on_collection_errors=True)
        config.pluginmanager.register(self.collection, "dagz-collection")
        config.pluginmanager.register(self.coverage, "dagz-coverage")
        register_markers(config)
        own_basetemp(config)
        if not config.pluginmanager.hasplugin("xdist"):
            config.pluginmanager.register(XdistFixtures(), "dagz-xdist-fixtures")
        try:
            import ctypes

            self.libc = ctypes.CDLL(None)
        except (ImportError, OSError):
            pass
        self.connection.send(
            "hello", v=VERSION, role="zygote", pid=os.getpid(), python=sys.version.split()[0],
            pytest=pytest.__version__, rootdir=str(config.rootpath), notes=self.notes,
        )  # fmt: skip

    def pytest_sessionstart(self, session):
        self.session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self):
        self.started = time.perf_counter()
        if gc.isenabled() and gc.get_threshold()[0]:
            self.user_threshold = gc.get_threshold()
            gc.set_threshold(GC_THRESHOLD, *self.user_threshold[1:])
        self.notes = self.seed.settle(self.config, self.connection)

    def pytest_collectreport(self, report):
        if report.failed:
            self.errors.append({"path": report.nodeid, "text": bounded(report.longreprtext)})
        elif report.skipped:
            self.skipped += 1

    def pytest_deselected(self, items):
        self.deselected += len(items)

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

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self):
        if self.session is not None:
            try:
                self.connection.send("finished", status=int(self.session.exitstatus))
            except OSError:
                pass  # the agent is gone; the exit status still tells

    # -- the catalog

    def _send_catalog(self):
        files, errors = {}, []
        for item in self.session.items:
            path = item.nodeid.split("::", 1)[0]
            files.setdefault(path, []).append(item)
        for f, (path, items) in enumerate(files.items()):
            self.catalog.append(items)
            send_file(self.connection, f, path, items, errors)
        self.errors += [{"path": nodeid, "text": text} for nodeid, text in errors]

    def _settle_heap(self):
        """What was collected lives as long as the process: no garbage collection need look at it again."""
        gc.collect()
        gc.freeze()
        if self.user_threshold is not None:
            if gc.get_threshold()[0] == GC_THRESHOLD:
                gc.set_threshold(*self.user_threshold)

    # -- serving

    def _serve(self, session):
        files = self.collection.files
        if files is None:
            self._send_catalog()
        else:
            send_found(self.connection, files)
        seconds = time.perf_counter() - self.started
        self.wanted = reports_wanted(self.config)
        replace_reporter(self.config, quiet)
        self._settle_heap()
        self.connection.send(
            "collected", files=len(self.catalog if files is None else files),
            tests=len(session.items), deselected=self.deselected, skipped=self.skipped,
            seconds=round(seconds, 6), maxfail=self.maxfail, threads=other_threads(),
            replay=bool(self.wanted), errors=self.errors, shared=files is not None,
            why=self.collection.why, notes=self.notes + thread_notes(),
        )  # fmt: skip
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            finish = self._loop()
        finally:
            if before is not None:
                signal.signal(signal.SIGINT, before)
        self._kill_children()
        self.coverage.gather(finish)
        # The session must look as if it had run the tests of the whole job itself.
        failed = finish.get("failed", [])
        session.testsfailed = len({*failed, *(error["path"] for error in self.errors)})
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
                        self._fork(message)
                    elif message["t"] == "finish":
                        return message

    def _fork(self, message):
        slot = message["slot"]
        name = self._worker_name(message)
        here, there = socket.socketpair()
        here.setblocking(False)
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            flush(stream)
        parent = os.getpid()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of threads at a fork: "collected" tells the agent
                pid = os.fork()
        except OSError as error:
            self.connection.send("exit", slot=slot, pid=0, status=3 << 8, text="cannot fork: %s" % error)
            return
        if pid == 0:
            here.close()
            _worker_process(self, message, name, there, parent)  # never returns
        try:
            os.setpgid(pid, pid)  # the child does it too: whoever comes first
        except OSError:
            pass
        there.close()
        self.children[pid] = Child(slot, pid, name, here)
        self.connection.send("forked", slot=slot, pid=pid)

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
            for kind, *fields in child.reader.feed(data):
                if kind == "start":
                    child.running = fields
                elif kind == "warning":
                    self._replay_warning(*fields)
                else:
                    child.running = None
                    self._replay(*fields)

    def _replay(self, nodeid, location, reports):
        """Gives the reports of one test to the plug-ins of this process, as if it had run here."""
        hook = self.config.hook
        try:
            hook.pytest_runtest_logstart(nodeid=nodeid, location=location)
            for data in reports:
                report = hook.pytest_report_from_serializable(config=self.config, data=data)
                hook.pytest_runtest_logreport(report=report)
            hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)
        except Exception:
            self._say_replay_broken()

    def _replay_warning(self, nodeid, location, data):
        """Passes a warning on to pytest's summary and to plug-ins, as if it had come up here."""
        try:
            self.config.hook.pytest_warning_recorded.call_historic(
                kwargs=dict(
                    warning_message=unpacked_warning(data), when="runtest", nodeid=nodeid, location=location
                )
            )
        except Exception:
            self._say_replay_broken()

    def _say_replay_broken(self):
        if not self.replay_broken:  # a plug-in's fault costs its own output, not the job
            sys.stderr.write("dagz: a plug-in failed on a report:\n" + traceback.format_exc())
        self.replay_broken = True

    def _reap(self, child):
        pid, status = os.waitpid(child.pid, os.WNOHANG)
        if pid == 0:
            return
        self._read_reports(child)
        if child.running is not None and status != 0:
            self._replay_crash(child)
        child.close()
        del self.children[pid]
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


# ---- a worker ----------------------------------------------------------------------------------


def _worker_process(zygote, message, name, reports, parent):
    """The whole life of a forked process."""
    status = 3
    try:
        os.setpgid(0, 0)
        if zygote.libc is not None and sys.platform == "linux":
            zygote.libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(3)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        zygote.connection.sock.close()
        for child in zygote.children.values():
            child.close()
        redirect(zygote.config, message.get("log") or os.devnull)
        os.environ.update(message.get("env", {}))
        _become_worker(zygote, message, name)
        zygote.coverage.divert()
        Worker(zygote, message["slot"], reports).run()
        status = 0
    except BaseException:
        try:
            os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))
        except BaseException:
            pass
    finally:
        flush(sys.stdout)
        flush(sys.stderr)
        os._exit(status)


def _become_worker(zygote, message, name):
    """Makes the configuration look as it does in a worker of pytest-xdist."""
    config = zygote.config
    env = os.environ
    config.workerinput = {
        "workerid": env.get("PYTEST_XDIST_WORKER") or "gw%d" % message.get("number", 0),
        "workercount": int(env.get("PYTEST_XDIST_WORKER_COUNT") or 1),
        "testrunuid": env.get("PYTEST_XDIST_TESTRUNUID") or "",
        "mainargv": sys.argv,
    }
    config.workeroutput = {}
    manager = config.pluginmanager
    replace_reporter(config, mute)
    for plugin_name in ("lfplugin", "nfplugin", "stepwiseplugin", "terminalprogress-plugin", "dagz-zygote"):
        if manager.hasplugin(plugin_name):
            manager.unregister(name=plugin_name)
    for plugin in list(manager.get_plugins()):
        kind = type(plugin)
        # These gather reports for a file that only the zygote writes.
        if kind.__module__ == "_pytest.junitxml" or kind.__module__.startswith("pytest_html."):
            manager.unregister(plugin)
    factory = getattr(config, "_tmp_path_factory", None)
    if factory is not None and zygote.basetemp:
        factory._given_basetemp = zygote.basetemp / name
        factory._basetemp = None


class Worker:
    def __init__(self, zygote, slot, reports):
        self.session = zygote.session
        self.config = zygote.config
        self.catalog = zygote.catalog
        files = zygote.collection.files
        self.files = None if files is None else Files(zygote.session, files)
        self.pid = os.getpid()
        self.queue = collections.deque()
        self.draining = False
        self.cancelled = False
        self.asked = False  # since the last test began
        self.guessed = False  # what comes next, when the last test was torn down
        self.answered = True
        self.waited = 0.0  # for the agent, during this test
        self.current = None
        self.last = None
        self.seen = []
        self.relay = reports.sendall
        self.wanted = bool(zygote.wanted)
        self.marks = None if "" in zygote.wanted else tuple(zygote.wanted)
        self.node = os.environ.get("DAGZ_NODE", "")
        # Kept here, where clocks and functions that tests replace are not looked for.
        self.clock = time.perf_counter
        self.cpu_clock = time.process_time
        self.usage = resource.getrusage
        self.getpid = os.getpid
        self.connection = Connection(zygote.path)
        self.cpu = self._cpu_used()
        self.leaks = Leaks()
        self.save = zygote.coverage.save
        self.connection.send("hello", v=VERSION, role="worker", slot=slot, pid=self.pid)

    # -- life

    def run(self):
        listener = _Listener(self)
        self.config.pluginmanager.register(listener, "dagz-worker")
        listener.hears = True
        state = self.session._setupstate
        self.teardown_original = state.teardown_exact
        state.teardown_exact = self._teardown_exact
        try:
            self._work()
        except KeyboardInterrupt:  # between two tests
            if not self._is_cancelled():
                raise
        if self.cancelled:
            self.connection.send("cancelled")
        try:
            self.teardown_original(None)
        except BaseException as error:
            self._say_late_error(error)
        self.save()
        flush(sys.stdout)
        flush(sys.stderr)
        self.connection.send("bye")

    def _say_late_error(self, error):
        """As pytest has it, the last test answers for fixtures of the session that fail to be torn
        down; it has been told as done, so this is a second word on it."""
        text = traceback.format_exc()
        sys.stderr.write(text)
        if self.last is not None:
            message = ("%s: %s" % (type(error).__name__, error)).splitlines()[0][:MESSAGE_MAX]
            f, k = self.last
            self.connection.send("done", f=f, k=k, o="error", m=message, x=bounded(text))

    def _work(self):
        """Runs tests until the agent or a test says that it is enough."""
        self.connection.send_bytes(WANT)
        while True:
            while not self.queue:
                if self.draining:
                    return
                self._receive(block=True)
            if len(self.queue) == 1:
                self._receive(block=False)
            entry = self.queue.popleft()
            collects = is_order(entry)
            reason = self._collect(entry) if collects else self._run_one(entry)
            if reason is not None:
                self.connection.send("exit_requested", reason=reason)
                return
            # What follows a collection is sent without a question.
            if not self.queue and not self.asked and not collects:
                self._ask()

    # -- the queue

    def _receive(self, block):
        messages = self.connection.receive(block)
        if messages is None:
            os._exit(3)
        for message in messages:
            if message["t"] == "run":
                self.queue.extend(message["tests"])
                self.answered = True
            elif message["t"] == "drain":
                self.draining = True
            elif message["t"] == "cancel":
                self.cancelled = self.draining = True
                self.queue.clear()

    def _is_cancelled(self):
        """Whether an interrupt is the agent's: then the test that it hit is of no use any more."""
        self._receive(block=False)
        return self.cancelled

    def _ask(self):
        """Says that the queue is empty and waits for the answer, which may be: nothing now."""
        self._receive(block=False)
        if self.queue or self.draining:
            return
        self.asked = True
        self.answered = False
        self.connection.send_bytes(WANT)
        start = self.clock()
        while not (self.answered or self.draining):
            self._receive(block=True)
        self.waited += self.clock() - start

    def _next_item(self):
        return self._item(self.queue[0]) if self.queue else None

    def _item(self, entry):
        """The test that an entry of the queue names; None if it asks for a collection, or is not here."""
        if is_order(entry):
            return None
        return self.catalog[entry[0]][entry[1]] if self.files is None else self.files.item(entry)

    def _teardown_exact(self, nextitem):
        """Finds out what comes next as late as possible: only now is it decided what to tear down."""
        if self.getpid() == self.pid and self.current is not None and nextitem is None:
            if not (self.session.shouldstop or self.session.shouldfail):
                if not self.queue and not self.asked:
                    self._ask()
                nextitem = self._next_item()
                if nextitem is self.current:  # once more: it must be torn down, what is around it stays
                    nextitem = nextitem.parent
                elif nextitem is None and self.queue:
                    nextitem = self.files.above(self.queue[0])
                    self.guessed = True
                elif nextitem is None and not self.draining:
                    # Nothing now, but the job goes on: what belongs to the session stays, so that
                    # it is set up and torn down once per worker.
                    nextitem = self.session
        self.teardown_original(nextitem)

    def _leave_for(self, item):
        """The file for which something stayed set up held no test, and this one is somewhere else."""
        self.guessed = False
        try:
            self.teardown_original(item)
        except BaseException as error:
            self._say_late_error(error)

    def _collect(self, entry):
        """Collects a file. Returns why the run should end, if the file asked for that."""
        try:
            self.files.collect(self.connection, entry)
        except (KeyboardInterrupt, pytest.exit.Exception) as error:
            return ("%s: %s" % (type(error).__name__, error)).rstrip(": ")
        if self.getpid() != self.pid:
            os._exit(1)  # a process that the file forked has lost its way into this loop
        self.leaks.forgive()
        return None

    # -- one test

    def _cpu_used(self):
        children = self.usage(resource.RUSAGE_CHILDREN)
        return self.cpu_clock() + children.ru_utime + children.ru_stime

    def _run_one(self, entry):
        """Runs one test and reports it. Returns why the run should end, if the test asked for that."""
        f, k = entry[:2]
        item = self._item(entry)
        if item is None:
            self.connection.send("missing", f=f, k=k)
            return None
        if self.guessed:
            self._leave_for(item)
        os.environ["DAGZ_SPAN"] = span_of(self.node, item.nodeid, entry[2] if len(entry) > 2 else 1)
        if self.marks is None:
            self.relay(frame(("start", item.nodeid, item.location)))
        self.current = item
        self.asked = False
        self.waited = 0.0
        seen = self.seen
        seen.clear()
        nextitem = self._next_item()
        broken = reason = None
        start = self.clock()
        try:
            item.config.hook.pytest_runtest_protocol(
                item=item, nextitem=None if nextitem is item else nextitem
            )
        except (KeyboardInterrupt, pytest.exit.Exception) as error:
            if isinstance(error, KeyboardInterrupt) and self.getpid() == self.pid and self._is_cancelled():
                raise
            reason = ("%s: %s" % (type(error).__name__, error)).rstrip(": ")
            broken = (reason, traceback.format_exc())
        except BaseException as error:
            broken = ("internal error: %s: %s" % (type(error).__name__, error), traceback.format_exc())
        if self.getpid() != self.pid:
            os._exit(1)  # a process that the test forked has lost its way into this loop
        elapsed = self.clock() - start - self.waited
        before, self.cpu = self.cpu, self._cpu_used()
        if broken is not None:
            self._clear_setup()
        self._say_done(f, k, elapsed, self.cpu - before, broken)
        if self.wanted:
            self._pass_on(item, broken)
        self.current = None
        if reason is None:
            reason = self.session.shouldstop or self.session.shouldfail or None
        return None if reason is None else str(reason)

    def _pass_on(self, item, broken):
        """Sends the reports to the plug-ins of the zygote, if one of them wants these."""
        if broken is not None:
            self.seen.append(crash_report(item.nodeid, item.location, broken[1]))
        if self.marks is None or any(is_marked(report, self.marks) for report in self.seen):
            self.relay(frame(("test", item.nodeid, item.location, packed(self.config, self.seen))))

    def _say_done(self, f, k, elapsed, cpu, broken):
        self.last = (f, k)
        setup = teardown = 0.0
        for report in self.seen:
            if report.when == "setup":
                setup += report.duration
            elif report.when == "teardown":
                teardown += report.duration
        teardown = max(0.0, teardown - self.waited)
        outcome, message, text = verdict(self.seen)
        if broken is not None:
            outcome, message = "error", broken[0].splitlines()[0][:MESSAGE_MAX]
            text = bounded("%s\n%s" % (text, broken[1]) if text else broken[1])
        left = self.leaks.since()
        if left and text:
            text = bounded("%s\n%s" % (text.rstrip("\n"), left))
        elif left:
            message = ("%s; %s" % (message, left) if message else left)[:MESSAGE_MAX]
        line = '{"t":"done","f":%d,"k":%d,"o":"%s","d":%.6f,"s":%.6f,"e":%.6f,"c":%.6f' % (
            f, k, outcome, elapsed, setup, teardown, cpu,
        )  # fmt: skip
        if message:
            line += ',"m":' + self.connection._dumps(message)
        if text:
            line += ',"x":' + self.connection._dumps(text)
        self.connection.send_bytes((line + "}\n").encode("ascii"))

    def _clear_setup(self):
        """After a protocol that did not end: the next test must find nothing that was set up."""
        self.current = None
        try:
            self.teardown_original(None)
        except BaseException:
            traceback.print_exc()
            self.session._setupstate.stack.clear()


class _Listener:
    """Keeps the reports of the running test, and passes its warnings on."""

    hears = False  # on registration pytest repeats the warnings that came before

    def __init__(self, worker):
        self._keep = worker.seen.append
        self._relay = worker.relay
        self._forgive = worker.leaks.forgive

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        yield
        if fixturedef.scope != "function":
            self._forgive()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report):
        self._keep(report)

    def pytest_warning_recorded(self, warning_message, when, nodeid, location):
        if self.hears and when == "runtest":
            self._relay(frame(("warning", nodeid, location, packed_warning(warning_message))))
