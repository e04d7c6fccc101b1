"""How other plug-ins are brought to live with workers that are forked from one process. PYTEST_DONT_REWRITE

It is written beside dagz_pytest_driver.py as dagz_pytest_plugins.py.
"""

import pytest


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
        notes.append("--pdb and --trace are ignored: workers have no terminal")
    return notes


