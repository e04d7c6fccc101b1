"""What keeps a process from being forked: threads, connections and databases that are open when all is collected."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_agent import Agent  # noqa: E402

TEST = "def test_it(): pass\n"
OPENS = {
    "thread": (
        """
        import threading
        threading.Thread(target=threading.Event().wait, daemon=True, name="beat").start()
        """,
        "1 thread (beat), started by ",
    ),
    "connection": (
        """
        import os, socket, subprocess, sys
        server = subprocess.Popen(
            [sys.executable, "-c", "import socket; s = socket.create_server(('127.0.0.1', 0));"
             "print(s.getsockname()[1], flush=True); c = s.accept()[0]; c.recv(1)"],
            stdout=subprocess.PIPE,
        )
        kept = socket.create_connection(("127.0.0.1", int(server.stdout.readline())))
        """,
        "1 connection (127.0.0.1:",
    ),
    "database": (
        """
        import sqlite3
        kept = sqlite3.connect("some.db")
        kept.execute("create table if not exists t (a)")
        """,
        "1 database file (some.db), opened by ",
    ),
}
HARMLESS = """
    import asyncio, socket, sqlite3
    pair = socket.socketpair()
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    accepted = listener.accept()
    loop = asyncio.new_event_loop()
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    memory = sqlite3.connect(":memory:")
    closed = sqlite3.connect("closed.db")
    closed.execute("create table if not exists t (a)")
    closed.close()
    text = open("closed.db", "rb")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.parametrize("kind", OPENS)
def test_what_a_fork_would_share_or_lose_is_named(write, kind):
    conftest, said = OPENS[kind]
    agent = Agent(write(conftest=conftest, test_a=TEST), "-q").run()
    (note,) = agent.collected["notes"]
    assert note.startswith(said) and note.endswith("workers are started afresh, and collect by themselves")
    assert agent.outcomes() == {"test_it": "passed"}


def test_what_a_fork_can_stand_is_not(write):
    agent = Agent(write(conftest=HARMLESS, test_a=TEST), "-q").run()
    assert agent.collected["notes"] == [] and agent.outcomes() == {"test_it": "passed"}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_user_decides_otherwise(write, method):
    test = """
        import os, conftest
        def test_it(): assert (os.getpid() == conftest.pid) == (os.environ["METHOD"] == "spawn")
    """
    conftest = "import os, sqlite3\npid = os.getpid()\n"
    if method == "fork":
        conftest += "kept = sqlite3.connect('some.db')\nkept.execute('create table if not exists t (a)')\n"
    env = {"DAGZ_DRIVER_START": method, "METHOD": method}
    agent = Agent(write(conftest=conftest, test_a=test), "-q", env=env).run()
    assert agent.collected["notes"] == [] and agent.outcomes() == {"test_it": "passed"}
