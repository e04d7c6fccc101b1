"""Coverage: what forked workers measured comes back into the zygote, and from there into one file for all
nodes that share a directory. PYTEST_DONT_REWRITE

Whoever started coverage.py in the zygote (pytest-cov, or `coverage run`) finds there what it would have
measured if all tests of this node had run in its own process, and goes on from that. Each worker writes a
file of its own into the folder of the node; the zygote takes these into its own data before plug-ins look.

pytest-cov writes one data file into the user's directory, and clears it when it starts. Another node of the
job may live in that directory, or have ended there. So it is not cleared at the start but at the end, under
a lock, and only of what other jobs have left: data files say which job they are of.

It is written beside dagz_pytest_driver.py as dagz_pytest_coverage.py.
"""

import contextlib
import fcntl
import glob
import os
import sqlite3
import sys
import time
import traceback

import pytest

JOB_KEY = "dagz_job"  # in the data file's table of facts about itself, where coverage.py ignores it
LOCK_PATIENCE = 60  # seconds; a node that was stopped must not hold up all others for good
SPARED = 2  # seconds; what other jobs left is at least so much older than this one


@contextlib.contextmanager
def kept_until_the_end(options):
    """While pytest-cov starts, it finds that earlier data shall be kept."""
    clears = getattr(options, "cov_append", None) is False
    if clears:
        options.cov_append = True
    try:
        yield
    finally:
        if clears:
            options.cov_append = False


def job_of(path):
    """Which job a data file is of; None if that is not known."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as data:
            row = data.execute("select value from meta where key = ?", (JOB_KEY,)).fetchone()
    except sqlite3.Error:
        return None
    return row[0] if row else None


def say_job(path, job):
    with contextlib.closing(sqlite3.connect(path)) as data, data:
        data.execute("insert or replace into meta (key, value) values (?, ?)", (JOB_KEY, job))


def lock(folder):
    """Returns a descriptor that holds the lock, or None where there is none to be had (network file systems)."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
        except OSError:
            pass
        os.close(fd)
        return None


class Coverage:
    """What measures in the zygote, if anything does; a plug-in of the session that is a no-op otherwise."""

    def __init__(self, config, folder):
        module = sys.modules.get("coverage")
        measuring = module.Coverage.current() if hasattr(module, "Coverage") else None
        self.cov = measuring
        self.make_data = getattr(module, "CoverageData", None)
        self.plugin = config.pluginmanager.getplugin("_cov")
        self.folder = folder
        self.directory = os.getcwd()
        self.started = time.time()
        self.job = ""
        self.held = None
        self.notes = []

    # -- in a worker

    def divert(self):
        """From now on this process writes into a file of its own."""
        if self.cov is not None:
            data = self.make_data(basename=os.path.join(self.folder, "coverage-%d" % os.getpid()))
            self.cov._data = data
            self.cov._collector.use_data(data, self.cov.config.context)
            self.cov._warn_unimported_source = False  # others may import it

    def save(self):
        if self.cov is None:
            return
        try:
            os.chdir(self.directory)  # where names of files are relative to
            self.cov.stop()
            self.cov.save()
        except Exception:  # costs what was measured, not the tests
            traceback.print_exc()

    # -- in the zygote, when all workers are gone

    def gather(self, finish):
        """Takes in what workers wrote. `finish` is the agent's word on the job that is over."""
        if self.cov is None:
            return
        ours = self.plugin is not None and getattr(self.plugin, "cov_controller", None) is not None
        if ours and not finish.get("ran", True):
            self._write_nothing()
            return
        self.job = finish.get("job") or ""
        if ours:
            self._clear(min(self.started, finish.get("began", self.started)) - SPARED)
            self._heed_others(finish.get("elsewhere", 0))
        data = self.cov.get_data()
        for path in sorted(glob.glob(os.path.join(glob.escape(self.folder), "coverage-*"))):
            part = self.make_data(basename=path)
            try:
                part.read()
                data.update(part)
            except Exception as error:  # the worker was killed while it wrote
                self.notes.append("what a worker measured is lost: %s" % error)

    def _write_nothing(self):
        self.plugin.cov_controller = None
        self.plugin.options.cov_report = {}
        self.plugin.options.cov_fail_under = None

    def _target(self):
        return self.plugin.cov_controller.combining_cov.config.data_file

    def _clear(self, before):
        """What pytest-cov clears at the start, unless it is of this job."""
        target = self._target()
        self.held = lock(os.path.dirname(target))
        if self.plugin.options.cov_append:
            return
        old = [path for path in glob.glob(glob.escape(target) + ".*") if os.stat(path).st_mtime < before]
        if not self.job or job_of(target) != self.job:
            old.append(target)
        for path in old:
            with contextlib.suppress(OSError):
                os.unlink(path)

    def _heed_others(self, elsewhere):
        if not elsewhere:
            return
        self.notes.append(
            "%d test%s ran elsewhere: nodes in this directory add to the same data file, `coverage combine` "
            "puts the files of others to it" % (elsewhere, "s" if elsewhere > 1 else "")
        )
        if self.plugin.options.cov_fail_under:
            self.notes.append(
                "so this node does not judge --cov-fail-under: `coverage report --fail-under` does, after that"
            )
        self.plugin.options.cov_fail_under = None

    # -- hooks of the session: around and after pytest-cov's own

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtestloop(self):
        yield
        if self.held is None:
            return
        try:
            if self.job:
                say_job(self._target(), self.job)
        except sqlite3.Error as error:
            self.notes.append("the data file does not say which job it is of: %s" % error)
        finally:
            os.close(self.held)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter):
        for note in self.notes:
            terminalreporter.write_line("dagz: coverage: " + note)
