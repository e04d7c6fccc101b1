"""Tests and plug-ins that end the run: pytest.exit, KeyboardInterrupt, session.shouldstop and shouldfail."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_agent import Agent  # noqa: E402


@pytest.mark.parametrize(
    "body, reason",
    [
        ("pytest.exit('enough')", "Exit: enough"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("os.kill(os.getpid(), 2)", "KeyboardInterrupt"),
        ("request.session.shouldstop = 'a plug-in says so'", "a plug-in says so"),
        ("request.session.shouldfail = 'a plug-in says so'", "a plug-in says so"),
        ("request.session.shouldstop, request.session.shouldfail = 'no', 'this'", "this"),
    ],
)
def test_requests_to_stop(write, body, reason):
    suite = write(
        test_e="""
        import os, pytest
        @pytest.fixture(autouse=True, scope="module")
        def m():
            yield
            open("down", "w").close()
        def test_1(): pass
        def test_2(request): %s
        def test_3(): pass
        """
        % body
    )
    agent = Agent(suite, "-q", window=3).run()
    assert agent.exit_reasons == [reason]
    assert agent.exit_statuses == [1 if "shouldfail" in body else 2]
    expected = "passed" if "session.should" in body else "stopped"
    assert agent.outcomes() == {"test_1": "passed", "test_2": expected}
    assert agent.kinds(0)[-3:] == ["exit_requested", "done", "bye"]
    assert agent.exits[0][1] == 0
    assert (suite / "down").exists()


def test_who_ends_the_run_is_told_with_its_own_frames_only(write):
    suite = write(
        test_e="""
        import pytest
        @pytest.fixture
        def database():
            pytest.exit("no database", returncode=7)
        def test_it(database): pass
        """
    )
    message = Agent(suite, "-q").run().of("test_it")
    assert (message["o"], message["m"]) == ("stopped", "Exit: no database")
    assert 'pytest.exit("no database", returncode=7)' in message["x"]
    assert "dagz_pytest" not in message["x"] and "pluggy" not in message["x"]


@pytest.mark.parametrize("text, outcome", [
    ("import pytest\n@pytest.fixture\ndef f():\n    yield\n    pytest.exit('enough')\ndef test_it(f): pass\n", "passed"),
    ("def test_it(): assert 0\n", "failed"),
])
def test_who_ends_the_run_after_a_result_keeps_it(write, text, outcome):
    suite = write(
        conftest="""
        import pytest
        def pytest_runtest_logreport(report):
            if report.failed:
                pytest.exit("enough")
        """,
        test_e=text,
    )
    agent = Agent(suite, "-q").run()
    assert agent.of("test_it")["o"] == outcome
    assert set(agent.exit_reasons) == {"Exit: enough"}


@pytest.mark.parametrize("hook", ["configure", "sessionstart", "collection", "collection_modifyitems"])
def test_an_exit_before_all_is_collected_is_told(write, hook):
    suite = write(
        conftest="import pytest\ndef pytest_%s(): pytest.exit('no database', returncode=7)\n" % hook,
        test_e="def test_it(): pass\n",
    )
    agent = Agent(suite, "-q").run()
    assert agent.kinds("zygote")[:1] == ["hello"]
    assert agent.exit_reasons == ["Exit: no database"]
    assert (agent.collected, agent.returncode) == (None, 7)


def test_a_plug_in_of_the_session_may_end_the_run(write):
    """One that sees the reports of all workers."""
    suite = write(
        conftest="""
        import pytest
        seen = []
        def pytest_runtest_logreport(report):
            seen.append(report)
            if len(seen) == 6:
                pytest.exit("enough")
        """,
        test_e="import pytest\n@pytest.mark.parametrize('i', range(4))\ndef test_it(i): pass\n",
    )

    class OneEach(Agent):
        def on_want(self, worker):
            worker.give([self.pending.pop(0)] if self.pending and not worker.given else [])
            self.drain_if_over()

        def drain_if_over(self):
            for peer in self.slots.values():
                if not peer.assigned and (peer.given or self.stopping):
                    peer.send("drain")

    agent = OneEach(suite, "-q", workers=4).run()
    assert agent.exit_reasons == ["Exit: enough"]
    assert set(agent.outcomes().values()) == {"passed"} and agent.finished is not None
