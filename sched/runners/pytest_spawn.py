"""Workers that are started afresh, where a fork of the zygote would be unsafe. PYTEST_DONT_REWRITE

Such a worker is the user's command once more, with a word in its environment that makes it no zygote: it
configures and collects by itself, looks its tests up by id among those that the zygote has told the agent,
and then lives as a forked worker does. What differs from process to process is reported as missing.

It is written beside dagz_pytest_driver.py as dagz_pytest_spawn.py.
"""

import collections
import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from dagz_pytest_process import die_with
from dagz_pytest_reports import mute, replace_reporter
from dagz_pytest_session import DriverSession
from dagz_pytest_worker import run_and_exit

ORDER = "DAGZ_DRIVER_WORKER"  # in the environment: what such a worker has to know, as JSON


# ---- in the zygote -------------------------------------------------------------------------------


def _command():
    """What this process was started with, the options of the interpreter included."""
    argv = getattr(sys, "orig_argv", None)
    if argv is None:  # before Python 3.10
        with open("/proc/self/cmdline", "rb") as file:
            argv = [os.fsdecode(arg) for arg in file.read().split(b"\0")[:-1]]
    return [sys.executable, *argv[1:]]


class Spawner:
    def __init__(self, zygote):
        self.zygote = zygote
        self.catalog = os.path.join(os.path.dirname(zygote.path), "catalog.json")
        shared = zygote.collection.files is not None
        files = (
            list(zygote.collection.files)
            if shared
            else [[item.nodeid for item in items] for items in zygote.catalog]
        )
        with open(self.catalog, "w", encoding="ascii") as file:
            json.dump({"shared": shared, "files": files}, file)

    def start(self, message, name, reports):
        """Starts the worker that the agent has asked for. Returns its Popen; OSError if it cannot start."""
        zygote = self.zygote
        order = {
            "slot": message["slot"], "number": message.get("number", 0), "log": message.get("log"),
            "tickets": message["tickets"], "workerinput": message["workerinput"],
            "name": name, "parent": os.getpid(), "reports": reports.fileno(), "catalog": self.catalog,
            "wanted": sorted(zygote.wanted), "basetemp": str(zygote.basetemp or ""), "job": zygote.seed.job,
        }  # fmt: skip
        shared = zygote.collection.files is not None
        env = self._environment(order, message.get("env", {}), "shared" if shared else "whole")
        with open(message.get("log") or os.devnull, "ab") as log:
            return subprocess.Popen(
                _command(), env=env, cwd=str(zygote.config.invocation_params.dir), pass_fds=[reports.fileno()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def _environment(self, order, extra, mode):
        """As the agent made it for the zygote."""
        env = dict(os.environ, **extra)
        here = os.path.dirname(os.path.abspath(__file__))
        for name, first, separator in (
            ("PYTHONPATH", here, os.pathsep),
            ("PYTEST_PLUGINS", "dagz_pytest_driver", ","),
        ):
            original = env.get(name)
            if original is not None:
                env["DAGZ_ORIGINAL_" + name] = original
            env[name] = first + separator + original if original else first
        env.update({"DAGZ_SOCKET": self.zygote.path, "DAGZ_DRIVER_COLLECT": mode, ORDER: json.dumps(order)})
        return env


# ---- in the worker -------------------------------------------------------------------------------


def take_order():
    """What this process was started for, None if not as a worker; from then on it is nobody's business."""
    text = os.environ.pop(ORDER, None)
    if text is None:
        return None
    order = json.loads(text)
    os.setpgid(0, 0)
    die_with(order["parent"])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the zygote ignores it
    os.set_inheritable(order["reports"], False)
    return order


class Spawned(DriverSession):
    def __init__(self, config, path, mode, order):
        super().__init__(config, path, mode)
        self.order = order
        self.wanted = set(order["wanted"])

    def configured(self, config):
        replace_reporter(config, mute)
        factory = getattr(config, "_tmp_path_factory", None)
        if factory is not None and self.order["basetemp"]:
            self.basetemp = type(config.rootpath)(self.order["basetemp"])
            factory._given_basetemp = self.basetemp / self.order["name"]

    def about_to_collect(self):
        self.seed.settle(self.config, lambda: self.order["job"])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        with open(self.order["catalog"], encoding="ascii") as file:
            catalog = json.load(file)
        files = self.collection.files
        if (files is not None) != catalog["shared"]:
            raise pytest.UsageError("this process collects otherwise than the first one: " + self.collection.why)
        if files is None:
            self.catalog = _by_id(session.items, catalog["files"])
        else:
            absent = set(catalog["files"]).difference(files)
            if absent:
                raise pytest.UsageError("this process does not find files that the first one found: %s" % absent)
            self.collection.files = {path: files[path] for path in catalog["files"]}
        self.settle_heap()
        if self.order["log"]:
            os.truncate(self.order["log"], 0)  # only tests' output is of interest from now on
        run_and_exit(self, self.order, self.order["name"], socket.socket(fileno=self.order["reports"]))

    def finish_worker(self):
        """This process has configured and started a session of its own."""
        try:
            status = 1 if self.session.testsfailed else 0
            self.config.hook.pytest_sessionfinish(session=self.session, exitstatus=status)
        finally:
            self.config._ensure_unconfigure()


def _by_id(items, files):
    """These ids as items, None for those that are not here. An id may occur more than once."""
    here = collections.defaultdict(collections.deque)
    for item in items:
        here[item.nodeid].append(item)
    return [[here[nodeid].popleft() if here[nodeid] else None for nodeid in ids] for ids in files]
