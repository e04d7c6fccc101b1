"""The life of a worker: what it is when its first test begins, and what it ends when the last one is over."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_agent import Agent  # noqa: E402


def test_signals_and_group(write):
    suite = write(
        test_s="""
        import os, signal, sys
        def test_s():
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
            assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
            assert os.getpgid(0) == os.getpid()
        """
    )
    assert Agent(suite, "-q").run().outcomes() == {"test_s": "passed"}


def test_what_the_suite_does_about_signals_stays(write):
    suite = write(
        conftest="""
        import signal
        seen = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: seen.append(number))
        """,
        test_s="""
        import conftest, os, pytest, signal
        @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
        def test_s(number):
            os.kill(os.getpid(), number)
            assert conftest.seen.pop() == number
        """,
    )
    assert set(Agent(suite, "-q").run().outcomes().values()) == {"passed"}


ENDS = """
    import os, threading
    def note(text):
        with open("ends", "a") as ends:
            ends.write("%s %d\\n" % (text, os.getpid()))
    def pytest_configure(config):
        config.add_cleanup(lambda: note("configured"))
        if os.path.exists("threads.on"):
            threading.Thread(target=threading.Event().wait, daemon=True).start()
    def pytest_sessionfinish(session): note("session")
    def pytest_unconfigure(config): note("unconfigure")
"""
CLEANS_UP = """
    from conftest import note
    def test_a(request): request.config.add_cleanup(lambda: note("test"))
"""


def ends_of(suite):
    """By process, in order of their ends."""
    ends = {}
    for line in (suite / "ends").read_text().splitlines():
        name, pid = line.split()
        ends.setdefault(pid, []).append(name)
    return list(ends.values())


def test_a_forked_worker_ends_only_what_began_in_it(write):
    suite = write(conftest=ENDS, test_a=CLEANS_UP)
    Agent(suite, "-q").run()
    assert ends_of(suite) == [["test"], ["session", "unconfigure", "configured"]]


def test_a_worker_that_was_started_afresh_ends_its_session(write):
    suite = write(conftest=ENDS, test_a=CLEANS_UP, threads_dot_on="")
    Agent(suite, "-q").run()
    whole = ["session", "unconfigure", "configured"]
    assert ends_of(suite) == [whole[:2] + ["test"] + whole[2:], whole]


UNRAISABLE = """
import threading, tracemalloc  # else pytest imports that in the middle of the finalizer
class Bad:
    def __del__(self): raise ValueError("a bad finalizer")
def test_it():
    bad = Bad()
    bad.itself = bad
@pytest.fixture(scope="session", autouse=True)
def around():
    yield
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
"""


@pytest.mark.skipif(pytest.version_tuple < (8, 4), reason="looks for them in tests alone")
@pytest.mark.parametrize("strict", [False, True])
def test_what_nobody_could_raise_is_told_at_the_end(write, strict):
    suite = write(test_u="import pytest" + UNRAISABLE)
    agent = Agent(suite, "-q", *(["-W", "error"] if strict else [])).run()
    assert agent.outcomes() == {"test_it": "passed"}
    words = ["ValueError: a bad finalizer", "ZeroDivisionError"]
    if strict:
        ((_, late),) = agent.late
        assert late["o"] == "error" and late["m"].startswith("PytestUnraisableExceptionWarning: Exception ignored in")
        assert all(word in late["x"] for word in words)
    else:
        assert not agent.late and all(word in agent.output for word in words)
