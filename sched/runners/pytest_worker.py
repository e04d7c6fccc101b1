"""A worker: the life of a process that runs tests, forked or started afresh. PYTEST_DONT_REWRITE

It is written beside dagz_pytest_driver.py as dagz_pytest_worker.py.
"""

import collections
import gc
import os
import resource
import signal
import sys
import time
import traceback

import pytest
import dagz_pytest_heap as heap
from dagz_pytest_collect import Files, is_order, traceback_of, warnings_caught
from dagz_pytest_connection import Connection
from dagz_pytest_leaks import Leaks
from dagz_pytest_process import (
    Uncaptured, die_with, flush, forget_cleanups, forget_exit_functions, redirect, run_exit_functions, span_of,
)  # fmt: skip
from dagz_pytest_reports import (
    DURATIONS, MESSAGE_MAX, UNCAPTURED_MAX, Shown, bounded, crash_report, durations, exit_reason, frame, has_result,
    is_marked, least_shown, mute, packed, packed_warning, properties, replace_reporter, repr_failure, skip_message,
    verdict,
)  # fmt: skip
from dagz_pytest_statements import remember_statements

VERSION = 1
SETUP_MIN = 1e-4  # seconds; less is not worth a word
WANT = b'{"t":"want"}\n'


def run_forked(zygote, message, name, reports, parent):
    """The whole life of a process that was forked from the zygote."""
    try:
        os.setpgid(0, 0)
        die_with(parent, zygote.libc)
        forget_exit_functions()
        forget_cleanups(zygote.config)
        handler = zygote.interrupt_handler  # the zygote ignores it
        signal.signal(signal.SIGINT, handler if callable(handler) else signal.default_int_handler)
        zygote.connection.sock.close()
        for child in zygote.children.values():
            child.close()
        os.environ.update(message.get("env", {}))
    except BaseException:
        _say_why()
        os._exit(3)
    run_and_exit(zygote, message, name, reports)


def run_and_exit(driver, message, name, reports):
    """All that is left of the life of this process, in which `driver`, a DriverSession, has collected.
    `message` is the agent's wish for a worker; `name` is that of the worker's directory."""
    status = 3
    try:
        redirect(driver.config, message.get("log") or os.devnull)
        _become_worker(driver, message, name)
        driver.coverage.divert()
        Worker(driver, message, reports).run()
        status = 0
    except BaseException:
        _say_why()
    finally:
        flush(sys.stdout)
        flush(sys.stderr)
        os._exit(status)


def _say_why():
    try:
        os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))
    except BaseException:
        pass


def _become_worker(driver, message, name):
    """Makes the configuration look as it does in a worker of pytest-xdist."""
    config = driver.config
    config.workerinput = message["workerinput"]
    config.workeroutput = {}
    manager = config.pluginmanager
    replace_reporter(config, mute)
    for plugin_name in ("lfplugin", "nfplugin", "terminalprogress-plugin", "dagz-session"):
        if manager.hasplugin(plugin_name):
            manager.unregister(name=plugin_name)
    for plugin in list(manager.get_plugins()):
        kind = type(plugin)
        # These gather reports for a file that only the zygote writes.
        if kind.__module__ == "_pytest.junitxml" or kind.__module__.startswith("pytest_html."):
            manager.unregister(plugin)
    factory = getattr(config, "_tmp_path_factory", None)
    if factory is not None and driver.basetemp and factory._given_basetemp != driver.basetemp / name:
        factory._given_basetemp = driver.basetemp / name
        factory._basetemp = None
    remember_statements()


class Worker:
    def __init__(self, driver, message, reports):
        self.session = driver.session
        self.config = driver.config
        self.catalog = driver.catalog
        files = driver.collection.files
        self.files = None if files is None else Files(driver.session, files)
        self.pid = os.getpid()
        self.tickets = os.open(message["tickets"], os.O_RDONLY | os.O_NONBLOCK)
        self.told = collections.deque()  # the queue, as far as nothing of it was drawn
        self.first = 0  # the number of its first entry
        self.queue = []  # what was drawn: one at most
        self.draining = False
        self.cancelled = False
        self.asked = False  # since the last test began
        self.guessed = False  # what comes next, when the last test was torn down
        self.answered = True
        self.waited = 0.0  # for the agent, during this test
        self.shared_setup = 0.0  # of fixtures that outlive this test, all of it
        self.group_setup = 0.0  # without those of the session
        self.current = None
        self.likely = None  # what comes after it, as told to plug-ins when it began
        self.settled = False  # what comes after it, for the hooks of one teardown
        self.next = None  # what they were told then
        self.stays = None  # the node for which what is set up stays
        self.last = None
        self.seen = []
        self.of_suite = []  # recorded since the last result was told
        self.relay = reports.sendall
        self.wanted = bool(driver.wanted)
        self.marks = None if "" in driver.wanted else tuple(driver.wanted - {DURATIONS})
        self.least_shown = least_shown(self.config) if DURATIONS in driver.wanted else None
        self.node = os.environ.get("DAGZ_NODE", "")
        # Kept here, where clocks and functions that tests replace are not looked for.
        self.clock = time.perf_counter
        self.cpu_clock = time.process_time
        self.usage = resource.getrusage
        self.getpid = os.getpid
        self.read = os.read
        self.collecting = None  # the path of a file that no worker has collected before
        self.connection = Connection(driver.path)
        self.cpu = self._cpu_used()
        self.shown = Shown(self.config)
        self.uncaptured = Uncaptured(self.config, message.get("log") if self.shown.uncaptured else None)
        self.leaks = Leaks()
        self.save = driver.coverage.save
        self.finish = driver.finish_worker
        driver.suite_properties.keep = self._keep_of_suite
        self.connection.send("hello", v=VERSION, role="worker", slot=message["slot"], pid=self.pid)

    # -- life

    def run(self):
        listener = _Listener(self)
        self.config.pluginmanager.register(listener, "dagz-worker")
        listener.hears = True
        state = self.session._setupstate
        self.teardown_original = state.teardown_exact
        state.teardown_exact = self._teardown_exact
        caller = self.config.hook.pytest_runtest_teardown
        self.call_teardown_hooks = caller._hookexec
        caller._hookexec = self._teardown_hooks
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
        self._tell_unraisable()
        self.save()
        for end in (self.finish, run_exit_functions):
            try:
                end()
            except BaseException:
                traceback.print_exc()
        flush(sys.stdout)
        flush(sys.stderr)
        self.connection.send("bye")

    def _tell_unraisable(self):
        """What pytest looks for once more at the end of its session: exceptions of finalizers, also of what is garbage
        by now, and of threads. They are warnings, or raised if -W makes them errors."""
        heap.stop_searching()
        gc.collect()
        errors = []
        for name, function in (
            ("unraisableexception", "collect_unraisable"), ("threadexception", "collect_thread_exception"),
        ):  # fmt: skip
            plugin = self.config.pluginmanager.getplugin(name)
            if not hasattr(plugin, function):  # before pytest 8.4
                continue
            try:
                with warnings_caught(self.config, "runtest"):
                    getattr(plugin, function)(self.config)
            except BaseException as error:
                errors.append(error)
        if errors:
            self._say_late_error(*errors)

    def _say_late_error(self, *errors):
        """As pytest has it, the last test answers for fixtures of the session that fail to be torn
        down; it has been told as done, so this is a second word on it."""
        text = "\n".join(map(traceback_of, errors))
        sys.stderr.write(text)
        if self.last is not None:
            message = ("%s: %s" % (type(errors[0]).__name__, errors[0])).splitlines()[0][:MESSAGE_MAX]
            f, k = self.last
            self.connection.send("done", f=f, k=k, o="error", m=message, x=bounded(text))

    def _work(self):
        """Runs tests until the agent or a test says that it is enough."""
        self.connection.send_bytes(WANT)
        while True:
            while not self._draw():
                if self.draining:
                    return
                self._receive(block=True)
            entry = self.queue.pop()
            collects = is_order(entry)
            ends = self._collect(entry) if collects else self._run_one(entry)
            if ends:
                return
            # What follows a collection is sent without a question.
            if not self.asked and not collects and not self._draw():
                self._ask()

    # -- the queue

    def _receive(self, block):
        messages = self.connection.receive(block)
        if messages is None:
            os._exit(3)
        for message in messages:
            if message["t"] == "run":
                self.told.extend(message["tests"])
                self.answered = True
            elif message["t"] == "drain":
                self.draining = True
            elif message["t"] == "cancel":
                self.cancelled = self.draining = True
                self.queue.clear()

    def _draw(self):
        """Whether a test comes next: from now on that one cannot be taken back."""
        if self.queue or self.cancelled:
            return bool(self.queue)
        try:
            ticket = self.read(self.tickets, 4)
        except BlockingIOError:
            return False
        except OSError:
            os._exit(3)
        number = int.from_bytes(ticket, "little")
        if len(ticket) < 4 or number < self.first:
            os._exit(3)
        while self.first <= number:
            while not self.told:
                self._receive(block=True)
            entry = self.told.popleft()
            self.first += 1
        self.queue.append(entry)
        return True

    def _is_cancelled(self):
        """Whether an interrupt is the agent's: then the test that it hit is of no use any more."""
        self._receive(block=False)
        return self.cancelled

    def _ask(self):
        """Says that nothing comes next and waits for the answer, which may be: nothing now."""
        self._receive(block=False)
        if self._draw() or self.draining:
            return
        self.asked = True
        self.answered = False
        self.connection.send_bytes(WANT)
        start = self.clock()
        while not (self.answered or self.draining):
            self._receive(block=True)
        self.waited += self.clock() - start

    def _likely_next(self):
        """What comes next unless it is taken back, for plug-ins that want to know at the start of a test."""
        if not self.told:
            self._receive(block=False)
        return self._item(self.told[0]) if self.told else None

    def _next_item(self):
        return self._item(self.queue[0]) if self._draw() else None

    def _item(self, entry):
        """The test that an entry of the queue names; None if it asks for a collection, or is not here."""
        if is_order(entry):
            return None
        return self.catalog[entry[0]][entry[1]] if self.files is None else self.files.item(entry)

    def _teardown_hooks(self, name, implementations, arguments, *rest):
        """Calls all that implement pytest_runtest_teardown, with the same next test."""
        nextitem = arguments.get("nextitem")
        if self._is_open(nextitem):
            arguments["nextitem"] = self._settle()
        try:
            return self.call_teardown_hooks(name, implementations, arguments, *rest)
        finally:
            self.settled = False

    def _teardown_exact(self, nextitem):
        if not self.settled and self._is_open(nextitem):  # by a plug-in, around the hooks
            nextitem = self._settle()
        if self.settled and nextitem is self.next:
            nextitem = self.stays
        self.settled = False
        self.teardown_original(nextitem)

    def _is_open(self, nextitem):
        """Whether this is no plug-in's own decision on what comes after the test."""
        undecided = nextitem is None or nextitem is self.likely
        stops = self.session.shouldstop or self.session.shouldfail
        return undecided and not stops and self.getpid() == self.pid and self.current is not None

    def _settle(self):
        """Finds out what comes next as late as possible: only now is it decided what to tear down. Returns the test;
        None if there is none, or none that is here."""
        if not self.asked and not self._draw():
            self._ask()
        self.settled = True
        self.next = self.stays = self._next_item()
        if self.next is None and self.queue and self.files is not None:
            self.stays = self.files.above(self.queue[0])
            self.guessed = True
        elif self.next is None and not self.draining:
            # Nothing now, or a test that is not here, but the job goes on: what belongs to the
            # session stays, so that it is set up and torn down once per worker.
            self.stays = self.session
        elif self.next is self.current:  # once more: it must be torn down, what is around it stays
            self.stays = self.current.parent
        return self.next

    def _leave_for(self, item):
        """The file for which something stayed set up held no test, and this one is somewhere else."""
        self.guessed = False
        try:
            self.teardown_original(item)
        except BaseException as error:
            self._say_late_error(error)

    def _request_exit(self, reason):
        """Asks for the end of the run, before any word on the test that does: it is not to run elsewhere meanwhile."""
        # As plain pytest would exit: the session failed, or was interrupted.
        status = 1 if reason is self.session.shouldfail else 2
        self.connection.send("exit_requested", reason=str(reason), status=status)

    def _collect(self, entry):
        """Collects a file. Returns whether the run ends, as the file asked for that."""
        try:
            if len(entry) == 1:
                self.collecting = self.files.path(entry[0])
            self.files.collect(self.connection, entry)
        except (KeyboardInterrupt, pytest.exit.Exception) as error:
            self._request_exit(exit_reason(error))
            return True
        finally:
            self.collecting = None
        if self.getpid() != self.pid:
            os._exit(1)  # a process that the file forked has lost its way into this loop
        self.leaks.forgive()
        return False

    # -- one test

    def _keep_of_suite(self, name, value):
        self.of_suite.append((name, value))
        self.relay(frame(("recorded", *properties([], [(name, value)])[0][:2])))

    def _cpu_used(self):
        children = self.usage(resource.RUSAGE_CHILDREN)
        return self.cpu_clock() + children.ru_utime + children.ru_stime

    def _run_one(self, entry):
        """Runs one test and reports it. Returns whether the run ends, as the test asked for that."""
        f, k = entry[:2]
        item = self._item(entry)
        if item is None:
            self.connection.send("missing", f=f, k=k)
            return False
        if self.guessed:
            self._leave_for(item)
        os.environ["DAGZ_SPAN"] = span_of(self.node, item.nodeid, entry[2] if len(entry) > 2 else 1)
        if self.marks is None:
            self.relay(frame(("start", item.nodeid, item.location)))
        self.current = item
        self.asked = False
        self.waited = self.shared_setup = self.group_setup = 0.0
        seen = self.seen
        seen.clear()
        likely = self._likely_next()
        self.likely = nextitem = None if likely is item else likely
        broken = reason = None  # broken: outcome, message and text of a protocol that did not end
        recorded = len(item.user_properties)
        self.uncaptured.begin()
        start = self.clock()
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        except (KeyboardInterrupt, pytest.exit.Exception) as error:
            if isinstance(error, KeyboardInterrupt) and self.getpid() == self.pid and self._is_cancelled():
                raise
            reason = exit_reason(error)
            broken = ("stopped", reason, repr_failure(item))
        except BaseException as error:
            message = "internal error: %s: %s" % (type(error).__name__, error)
            broken = ("error", message, traceback.format_exc())
        if self.getpid() != self.pid:
            os._exit(1)  # a process that the test forked has lost its way into this loop
        elapsed = self.clock() - start - self.waited
        before, self.cpu = self.cpu, self._cpu_used()
        if broken is not None:
            self._clear_setup()
        reason = reason or self.session.shouldfail or self.session.shouldstop  # in the order of pytest
        if reason:
            self._request_exit(reason)
        self._say_done(f, k, elapsed, self.cpu - before, broken)
        if self.wanted:
            self._pass_on(item, broken)
        del item.user_properties[recorded:]  # it may run once more
        self.current = None
        return bool(reason)

    def _pass_on(self, item, broken):
        """Sends the reports to the plug-ins of the zygote, if one of them wants these."""
        if broken is not None and broken[0] == "error":
            self.seen.append(crash_report(item.nodeid, item.location, broken[2]))
        if self.marks is None or any(is_marked(report, self.marks) for report in self.seen):
            self.relay(frame(("test", item.nodeid, item.location, packed(self.config, self.seen))))
        elif self.least_shown is not None:
            self.relay(frame(("took", item.nodeid, *durations(self.seen, self.least_shown))))

    def _say_done(self, f, k, elapsed, cpu, broken):
        self.last = (f, k)
        outcome, message, text = verdict(self.seen, self.shown)
        # What asked for the end after the test had a result takes nothing from that.
        if broken is not None and (broken[0] == "error" or not has_result(self.seen)):
            outcome, message = broken[0], broken[1].splitlines()[0][:MESSAGE_MAX]
            text = bounded("%s\n%s" % (text, broken[2]) if text else broken[2])
        written = self.uncaptured.since(UNCAPTURED_MAX) if outcome in ("failed", "error") else ""
        if written:
            text = bounded("%s\n----- Uncaptured output -----\n%s" % (text.rstrip("\n"), written)).lstrip("\n")
        left = self.leaks.since()
        if left and text:
            text = bounded("%s\n%s" % (text.rstrip("\n"), left))
        elif left:
            message = ("%s; %s" % (message, left) if message else left)[:MESSAGE_MAX]
        line = '{"t":"done","f":%d,"k":%d,"o":"%s","d":%.6f,"c":%.6f' % (f, k, outcome, elapsed, cpu)
        if self.shared_setup > SETUP_MIN:
            line += ',"s":%.6f,"g":%.6f' % (self.shared_setup, self.group_setup)
        if message:
            line += ',"m":' + self.connection._dumps(message)
        if text:
            line += ',"x":' + self.connection._dumps(text)
        recorded = getattr(self.seen[-1], "user_properties", None) if self.seen else None
        if recorded or self.of_suite:
            line += ',"p":' + self.connection._dumps(properties(recorded or [], self.of_suite))
            self.of_suite.clear()
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
    """Keeps the reports of the running test, and passes its warnings on, and those of files that are collected."""

    hears = False  # on registration pytest repeats the warnings that came before

    def __init__(self, worker):
        self._worker = worker
        self._sets_up = False  # a fixture that outlives the test
        self._clock = worker.clock
        self._keep = worker.seen.append
        self._relay = worker.relay
        self._forgive = worker.leaks.forgive

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        if fixturedef.scope == "function":
            yield
            return
        outer, self._sets_up = self._sets_up, True
        start = self._clock()
        yield
        self._sets_up = outer
        self._forgive()
        if not outer:
            took = self._clock() - start
            self._worker.shared_setup += took
            if fixturedef.scope != "session":
                self._worker.group_setup += took

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report):
        self._keep(report)

    def pytest_collectreport(self, report):
        if self.hears and report.skipped and self._worker.collecting:
            self._relay(frame(("skipped", report.nodeid, skip_message(report))))

    def pytest_warning_recorded(self, warning_message, when, nodeid, location):
        if self.hears and (when == "runtest" or (when == "collect" and self._worker.collecting)):
            data = packed_warning(warning_message)
            self._relay(frame(("warning", when, self._worker.collecting, nodeid, location, data)))
