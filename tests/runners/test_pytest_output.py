"""What the driver tells of a failure: which parts, in which order, and what was printed."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_agent import Agent  # noqa: E402


def test_several_failures_of_one_test_are_told_apart(write):
    suite = write(
        test_t="""
        import pytest
        @pytest.fixture
        def bad_teardown():
            yield
            raise ValueError("in tear-down")
        class TestC:
            def test_both(self, bad_teardown): raise KeyError("in call")
        def test_down(bad_teardown): pass
        """
    )
    agent = Agent(suite, "-q").run()
    lines = agent.of("test_both")["x"].splitlines()
    heads = [line for line in lines if line.startswith("_ ")]
    assert heads == ["_ TestC.test_both _", "_ ERROR at teardown of TestC.test_both _"]
    assert [line.split(":")[-1] for line in lines if line.startswith("E ")] == [" 'in call'", " in tear-down"]
    assert agent.of("test_both")["m"] == "KeyError: 'in call'"
    assert "\n_ " not in "\n" + agent.of("test_down")["x"]


@pytest.mark.parametrize("method", ["fd", "sys", "tee-sys", "no"])
def test_streams_that_were_bound_at_import_are_those_of_the_test(write, method):
    bound = """
        import logging, sys
        from sys import stderr, stdout
        logger = logging.getLogger("bound")
        logger.addHandler(logging.StreamHandler(sys.stdout))
        """
    suite = write(
        conftest=bound,
        test_b=bound
        + """
        import conftest
        print("while it is collected")
        def test_same():
            assert stdout is sys.stdout and conftest.stderr is sys.stderr
            print("of another test")
        def test_fails():
            print("printed")
            logger.warning("logged")
            print("to the bound one", file=conftest.stderr)
            assert 0
        """,
    )
    agent = Agent(suite, "-q", "--capture=" + method, workers=2, window=2).run()
    assert agent.outcomes() == {"test_same": "passed", "test_fails": "failed"}, agent.done
    text = agent.of("test_fails")["x"]
    assert "printed" in text and "logged" in text and "to the bound one" in text
    assert "Logging error" not in text and "of another test" not in text and "while it is" not in text


def test_a_failure_has_what_pytest_did_not_capture(write):
    suite = write(
        test_o="""
        import os, subprocess, sys
        def test_before(): print("of another test", end="")
        def test_fails():
            print("begin é", end="")
            sys.stderr.write(" to stderr ")
            os.write(2, b"from fd \\xff\\n")
            subprocess.run(["echo", "from child"])
            print("end", end="")
            assert 0
        def test_floods():
            for i in range(100_000): print("line", i)
            assert 0
        """
    )
    for options in (["-s"], ["--capture=no"], ["-p", "no:capture"]):
        agent = Agent(suite, "-q", *options, window=3).run()
        expected = "----- Uncaptured output -----\nbegin é to stderr from fd \ufffd\nfrom child\nend"
        assert agent.of("test_fails")["x"].endswith(expected), agent.of("test_fails")["x"]
        flood = agent.of("test_floods")["x"]
        assert len(flood) < 34_000 and flood.count("bytes cut") == 1 and flood.endswith("line 99999\n")
        assert "----- Uncaptured output -----\nline 0\nline 1\n" in flood
    text = Agent(suite, "-q", "--capture=sys").run().of("test_fails")["x"]
    assert "Captured stdout call -----\nbegin é" in text
    assert text.endswith("----- Uncaptured output -----\nfrom fd \ufffd\nfrom child\n")
    assert "Uncaptured" not in Agent(suite, "-q").run().of("test_fails")["x"]


SHOWN = """
import logging, os, sys
import pytest
@pytest.fixture
def leaky():
    yield
    raise ValueError("torn")
def test_fails(leaky):
    print("on stdout")
    sys.stderr.write("on stderr\\n")
    logging.warning("logged")
    assert 1 == 2
"""


@pytest.mark.parametrize(
    "options, there",
    [
        ([], "on stdout,on stderr,logged,E ,test_s"),
        (["--show-capture=no"], "E ,test_s"),
        (["--show-capture=stderr"], "on stderr,E ,test_s"),
        (["--show-capture=log", "-s"], "logged,E ,test_s"),
        (["--show-capture=no", "-s"], "E ,test_s"),
        (["--show-capture=stdout", "-s"], "on stdout,on stderr,E ,test_s"),
        (["--tb=no"], ""),
        (["--tb=no", "-s"], "on stdout,on stderr"),
        (["--tb=line"], "on stdout,on stderr,logged,test_s"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_of_a_failure_is_told_what_is_wanted(write, options, there):
    suite = write(test_s=SHOWN)
    done = Agent(suite, "-q", *options).run().of("test_fails")
    assert (done["o"], done["m"]) == ("failed", "assert 1 == 2")
    lines = [line for line in done.get("x", "").splitlines() if not line.startswith(("    ", ">", "_"))]
    looked_for = ["on stdout", "on stderr", "logged", "E ", "test_s"]
    assert [word for word in looked_for if any(word in line for line in lines)] == [
        word for word in there.split(",") if word
    ], done
    if "--tb=line" in options:
        assert lines[:2] == ["%s/test_s.py:%d: %s" % (suite, n, what) for n, what in
                             ((12, "assert 1 == 2"), (7, "ValueError: torn"))]  # fmt: skip


def test_exit_functions_of_tests_run_and_those_of_the_session_only_there(write):
    suite = write(
        conftest="""
        import atexit, os, tempfile
        def note(word):
            with open("exits", "a") as file: print(word, os.getpid(), file=file)
        atexit.register(note, "session")
        kept = tempfile.TemporaryDirectory(dir=".", prefix="session-")
        """,
        test_e="""
        import atexit, conftest, os, tempfile
        own = tempfile.TemporaryDirectory(dir=".", prefix="worker-")
        kept = []
        def test_registers():
            assert os.path.isdir(conftest.kept.name)
            atexit.register(conftest.note, "test")
            kept.append(tempfile.TemporaryDirectory(dir=".", prefix="test-"))
        def test_raises():
            def broken(): raise ValueError("broken at exit")
            atexit.register(broken)
        """,
    )
    agent = Agent(suite, "-q", workers=2).run()
    assert agent.outcomes() == {"test_registers": "passed", "test_raises": "passed"}
    lines = [line.split() for line in (suite / "exits").read_text().splitlines()]
    assert sorted(word for word, _ in lines) == ["session", "test"]
    assert len({pid for _, pid in lines}) == 2
    assert not [path.name for path in suite.iterdir() if path.name.startswith(("session-", "test-"))]


def test_what_is_recorded_of_the_suite_comes_with_its_test(write):
    suite = write(
        test_r="""
        import pytest
        @pytest.fixture(scope="session", autouse=True)
        def database(record_testsuite_property):
            record_testsuite_property("database", 8)
            return record_testsuite_property
        def test_1(record_property): record_property("tries", 1)
        def test_2(): pass
        def test_3(database): database("late", "yes")
        """
    )
    agent = Agent(suite, "-q", "--junitxml", "own.xml").run()
    assert agent.of("test_1")["p"] == [["tries", "1"], ["database", "8", "testsuite"]]
    assert "p" not in agent.of("test_2")
    assert agent.of("test_3")["p"] == [["late", "yes", "testsuite"]]
    assert '<property name="database" value="8" />' in (suite / "own.xml").read_text().replace('"/>', '" />')
    many = write(test_r="""
        import pytest
        def test_1(record_property, record_testsuite_property):
            for i in range(100):
                record_property("a%d" % i, i)
                record_testsuite_property("b%d" % i, i)
        """)
    assert len(Agent(many, "-q").run().of("test_1")["p"]) == 64
