"""What all processes of the driver in which pytest collects have in common. PYTEST_DONT_REWRITE

It is written beside dagz_pytest_driver.py as dagz_pytest_session.py.
"""

import gc
import os

import pytest
import dagz_pytest_heap as heap
from dagz_pytest_collect import Collection
from dagz_pytest_marks import register_markers
from dagz_pytest_coverage import Coverage
from dagz_pytest_process import run_cleanups
from dagz_pytest_plugins import SharedSeed, SuiteProperties, XdistFixtures, forget_stepwise, set_options


class DriverSession:
    """A plug-in that lets pytest configure and collect as the user's command says, for dagz to run the tests."""

    def __init__(self, config, path, mode):
        heap.be_honest()
        self.config = config
        self.path = path  # of the agent's socket
        self.collection = Collection(mode)
        self.coverage = Coverage(config, os.path.dirname(path))
        self.seed = SharedSeed(config)
        self.suite_properties = SuiteProperties()
        self.session = None
        self.catalog = []  # items by file, where everything is collected beforehand
        self.wanted = set()  # of the workers' reports: see reports_wanted
        self.basetemp = None  # of all workers
        self.maxfail = 0
        self.user_threshold = None

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config):
        self.maxfail = config.getoption("maxfail") or 0
        # One bad file or one failed test must not end the session: the agent decides for the whole job.
        set_options(config, maxfail=0, continue_on_collection_errors=True)
        config.pluginmanager.register(self.collection, "dagz-collection")
        config.pluginmanager.register(self.coverage, "dagz-coverage")
        forget_stepwise(config)
        register_markers(config)
        if not config.pluginmanager.hasplugin("xdist"):
            config.pluginmanager.register(XdistFixtures(), "dagz-xdist-fixtures")
        if config.pluginmanager.hasplugin("junitxml"):
            config.pluginmanager.register(self.suite_properties, "dagz-suite-properties")
        self.configured(config)

    def configured(self, config):
        """Whatever else is due when everything is configured."""

    def pytest_sessionstart(self, session):
        self.session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self):
        if gc.isenabled() and gc.get_threshold()[0]:
            self.user_threshold = gc.get_threshold()
            gc.set_threshold(heap.THRESHOLD, *self.user_threshold[1:])
        self.about_to_collect()

    def about_to_collect(self):
        """Whatever else is due before anything is collected."""

    def finish_worker(self):
        """At the end of a worker, after its last teardown: ends what began in that process, and no more. A forked
        one has not configured, nor started the session: what ends these runs in the zygote, once."""
        run_cleanups(self.config)

    def settle_heap(self):
        """All that stays is there."""
        heap.freeze()
        if self.user_threshold is not None:
            if gc.get_threshold()[0] == heap.THRESHOLD:
                gc.set_threshold(*self.user_threshold)
