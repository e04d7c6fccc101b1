"""How other plug-ins are brought to live with workers that are forked from one process. PYTEST_DONT_REWRITE

It is written beside dagz_pytest_driver.py as dagz_pytest_plugins.py.
"""

import hashlib
import sys
import types

import pytest
from _pytest.terminal import getreportopt
from dagz_pytest_reports import is_conftest


class XdistFixtures:
    """What suites written for pytest-xdist expect, where it is not installed."""

    @pytest.fixture(scope="session")
    def worker_id(self, request):
        """The worker's id: gw0, gw1, ..."""
        return request.config.workerinput["workerid"]

    @pytest.fixture(scope="session")
    def testrun_uid(self, request):
        """The same in all workers of a test run."""
        return request.config.workerinput["testrunuid"]


def worker_input(env, number):
    """config.workerinput, as pytest-xdist fills it."""
    return {
        "workerid": env.get("PYTEST_XDIST_WORKER") or "gw%d" % number,
        "workercount": int(env.get("PYTEST_XDIST_WORKER_COUNT") or 1),
        "testrunuid": env.get("PYTEST_XDIST_TESTRUNUID") or "",
        "mainargv": sys.argv,
    }


class WorkerNode:
    """What a conftest that knows pytest-xdist is given for a worker, in the process that starts it."""

    def __init__(self, config, message):
        self.config = config
        self.workerinput = worker_input(message.get("env", {}), message.get("number", 0))
        self.gateway = types.SimpleNamespace(id=self.workerinput["workerid"])

    def tell_conftests(self, name, **more):
        """Calls a hook of pytest-xdist where conftest files implement it. What plug-ins do in theirs is between them
        and pytest-xdist itself."""
        manager = self.config.pluginmanager
        caller = getattr(self.config.hook, name, None)
        if caller is None:
            return
        others = [impl.plugin for impl in caller.get_hookimpls() if not is_conftest(impl.plugin)]
        manager.subset_hook_caller(name, others)(node=self, **more)


class SuiteProperties:
    """In a worker: what is recorded of the whole suite goes with the test that runs, for the job's JUnit file."""

    def __init__(self):
        self.keep = lambda name, value: None  # set by a worker

    @pytest.fixture(scope="session")
    def record_testsuite_property(self, record_testsuite_property):
        """pytest's own, whose value is kept as well."""

        def record(name, value):
            __tracebackhide__ = True
            record_testsuite_property(name, value)
            self.keep(name, value)

        return record


def set_options(config, **values):
    """Sets those options that exist with another value; returns the names of those it changed."""
    changed = []
    for name, value in values.items():
        if getattr(config.option, name, value) != value:
            setattr(config.option, name, value)
            changed.append(name)
    return changed


def neutralise(config):
    """Turns off what would run tests in its own way; returns a note for each."""
    notes = []
    if getattr(config.option, "looponfail", False):
        config.option.looponfail = False
        notes.append("pytest-xdist's --looponfail is ignored")
    if getattr(config.option, "numprocesses", None) or getattr(config.option, "tx", None):
        notes.append("pytest-xdist's -n/--tx is ignored: dagz distributes the tests itself")
    set_options(config, numprocesses=None, dist="no", distload=False, tx=[], px=[])
    if set_options(config, usepdb=False, trace=False):
        notes.append("--pdb and --trace are ignored: workers have no terminal; run the test with pytest alone")
    if getattr(config.option, "capture", "fd") in ("no", "tee-sys"):
        notes.append(
            "-s and --capture=tee-sys show nothing while tests run: what a failing test prints is shown with its failure; "
            "to see that of others, run them with pytest alone"
        )
    if getattr(config.option, "setupshow", False):
        notes.append("--setup-show shows nothing: run the test with pytest alone")
    if any(getattr(config.option, name, False) for name in ("failedfirst", "newfirst")):
        notes.append("--ff and --nf do not decide what begins first, long tests do; --lf runs only what failed")
    asked = set(getreportopt(config)) if hasattr(config.option, "reportchars") else set()
    if asked & set("pP"):
        notes.append("-rp, -rP and -rA tell nothing of tests that passed: `dagz run --junit` lists them, without output")
    if asked & set("sxX"):
        notes.append(
            "-r prints no reasons of skipped tests and expected failures: `dagz report --format json` has them"
        )
    if any(getattr(config.option, name, False) for name in ("stepwise", "stepwise_skip", "stepwise_reset")):
        notes.append(
            "--stepwise is ignored: it needs one process that runs the tests in their order; -x stops at the first "
            "failure, --lf runs what failed"
        )
    return notes


def forget_stepwise(config):
    """Once all is configured. The option stays: without it pytest itself would clear what is remembered."""
    plugin = config.pluginmanager.getplugin("stepwiseplugin")
    if plugin is not None:
        config.pluginmanager.unregister(plugin)


class SharedSeed:
    """pytest-randomly draws a seed where none is given: here from the name of the job, so that all nodes
    have the same one, and the next job another."""

    def __init__(self, config):
        module = sys.modules.get("pytest_randomly")
        drawn = ("default", getattr(module, "default_seed", "default"))
        self.job = None  # its name, once that is needed and known
        self.module = module if getattr(config.option, "randomly_seed", None) in drawn else None

    def settle(self, config, name_of_job):
        """Before anything is collected. Returns what to tell the user."""
        if self.module is None:
            return []
        self.job = name_of_job()
        if self.job is not None:
            seed = int(hashlib.blake2b(self.job.encode(), digest_size=4).hexdigest(), 16)
            config.option.randomly_seed = seed
            if getattr(config, "cache", None) is not None:
                config.cache.set("randomly_seed", seed)  # for --randomly-seed=last
            self.module._reseed(config)
        return ["pytest-randomly: --randomly-seed=%d" % config.option.randomly_seed]
