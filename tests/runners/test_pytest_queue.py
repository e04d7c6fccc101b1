"""How workers deal with their queue: what is torn down when, what comes again, what is taken back."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_agent import Agent  # noqa: E402

SCOPES = """
    import pytest, os
    def note(text):
        with open("log", "a") as log:
            log.write("%s %d\\n" % (text, os.getpid()))
    @pytest.fixture(scope="session", autouse=True)
    def session():
        note("session+"); yield; note("session-")
    @pytest.fixture(scope="module", autouse=True)
    def module(request):
        note("module+ " + request.module.__name__); yield; note("module- " + request.module.__name__)
    @pytest.fixture(scope="class", autouse=True)
    def cls():
        note("class+"); yield; note("class-")
"""
CLASSES = """
    class TestOne:
        def test_a(self): pass
        def test_b(self): pass
    class TestTwo:
        def test_c(self): pass
        def test_d(self): pass
"""


@pytest.mark.parametrize("window", [1, 3])
def test_fixtures_survive_a_queue_of_one(write, window):
    suite = write(conftest=SCOPES, test_a=CLASSES, test_b=CLASSES)
    agent = Agent(suite, "-q", window=window).run()
    assert set(agent.outcomes().values()) == {"passed"} and len(agent.done) == 8
    log = (suite / "log").read_text()
    assert log.count("session+") == log.count("session-") == 1
    assert log.count("module+") == log.count("module-") == 2
    assert log.count("class+") == log.count("class-") == 4
    kinds = [kind for kind in agent.kinds(0) if kind != "hello"]
    assert kinds[:3] == ["want", "want", "done"] if window == 1 else ["want", "done", "done"]
    assert kinds[-1] == "bye"


def test_fixtures_with_two_workers(write):
    suite = write(conftest=SCOPES, test_a=CLASSES, test_b=CLASSES)
    agent = Agent(suite, "-q", workers=2).run()
    assert len(agent.done) == 8
    log = (suite / "log").read_text()
    workers = {line.split()[-1] for line in log.splitlines()}  # one may have been too late for any
    assert log.count("session+") == log.count("session-") == len(workers)
    assert log.count("class+") == log.count("class-")
    assert [status for _, status, _ in agent.exits] == [0, 0]


class Dripping(Agent):
    """Answers every other question with nothing, and comes back later without being asked again."""

    turn = 0

    def on_want(self, worker):
        self.turn += 1
        if self.turn % 2 == 0:
            worker.send("run", tests=[])
        else:
            super().on_want(worker)

    def on_done(self, worker):
        if worker is not None and self.pending and not worker.assigned:
            super().on_want(worker)
        else:
            super().on_done(worker)


def test_an_empty_answer_tears_down_and_waits(write):
    suite = write(conftest=SCOPES, test_a=CLASSES)
    agent = Dripping(suite, "-q").run()
    assert len(agent.done) == 4
    kinds = [kind for kind in agent.kinds(0) if kind in ("want", "done")]
    assert all(pair != ("want", "want") for pair in zip(kinds[1:], kinds[2:]))
    log = (suite / "log").read_text()
    # The session waits with it: it is set up and torn down once.
    assert log.count("session+") == log.count("session-") == 1
    assert log.count("module-") > 1


class Reclaiming(Agent):
    """Takes back what waits behind a test that has begun, and hands it out in another order."""

    back = None

    def _step(self, listener, timeout):
        if self.back is None and (self.directory / "begun").exists():
            worker = self.slots[0]
            self.back = [self.ids[test].rsplit("::")[-1] for test in worker.assigned[1:]]
            self.pending = (worker.take_back() + self.pending)[::-1]
            assert worker.take_back() == []
            self.window = 2
            (self.directory / "go").touch()
        return super()._step(listener, timeout)


def test_what_has_not_begun_can_be_taken_back(write):
    suite = write(
        conftest=SCOPES,
        test_a="""
        import pathlib, time
        def test_a():
            pathlib.Path("begun").touch()
            while not pathlib.Path("go").exists():
                time.sleep(0.001)
        def test_b(): pass
        def test_c(): pass
        def test_d(): pass
        def test_e(): pass
        """,
    )
    agent = Reclaiming(suite, "-q", window=4).run()
    assert agent.back == ["test_b", "test_c", "test_d"]
    assert list(agent.outcomes()) == ["test_a", "test_e", "test_d", "test_c", "test_b"], agent.output
    log = (suite / "log").read_text()
    assert log.count("module+") == log.count("session+") == 1  # the next test was known in time


def test_one_test_may_come_again(write):
    suite = write(
        conftest=SCOPES,
        test_a="""
        import pytest
        @pytest.fixture
        def mine():
            open("mine", "a").write("+"); yield; open("mine", "a").write("-")
        def test_a(mine): pass
        """,
    )
    for window in (1, 3):
        agent = Agent(suite, "-q", order=lambda agent: [(0, 0)] * 3, window=window).run()
        assert [message["o"] for _, message in agent.done] == ["passed"] * 3
    assert (suite / "mine").read_text() == "+-" * 6
    assert (suite / "log").read_text().count("module+") == 2


@pytest.mark.parametrize("window", [1, 3])
def test_hooks_are_told_the_same_next_test_as_fixtures(write, window):
    """Plug-ins tear down by themselves what the next test does not need: never under a fixture that stays."""
    suite = write(
        conftest="""
        import pytest
        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_teardown(item, nextitem):
            with open("hooks", "a") as log:
                log.write("%s > %s\\n" % (item.name, nextitem and nextitem.name))
        @pytest.fixture(scope="class", autouse=True)
        def cls(): open("hooks", "a").write("class+\\n")
        """,
        test_a=CLASSES,
    )
    agent = Agent(suite, "-q", window=window).run()
    assert len(agent.done) == 4
    assert (suite / "hooks").read_text().split("\n") == [
        "class+", "test_a > test_b", "test_b > test_c", "class+", "test_c > test_d", "test_d > None", "",
    ]  # fmt: skip


def test_a_test_that_comes_again_is_its_own_next_test(write):
    suite = write(
        conftest="""
        def pytest_runtest_teardown(item, nextitem):
            open("hooks", "a").write("%s\\n" % (nextitem and nextitem.name))
        """,
        test_a="def test_a(): pass\n",
    )
    Agent(suite, "-q", order=lambda agent: list(agent.ids) * 2).run()
    assert (suite / "hooks").read_text() == "test_a\nNone\n"
