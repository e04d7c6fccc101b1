"""What the driver tells of marks."""

import importlib
import json
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_agent import Agent, write_driver  # noqa: E402


def needs_of(agent, *names):
    """By test, unless they say nothing."""
    found = {}
    for _, message in agent.messages:
        for need in message.get("needs", ()):
            for k in need["k"]:
                name = agent.ids[message["f"], k].split("::", 1)[1]
                found[name] = tuple(need[one] for one in names)
    return found


def test_marks_of_tests_classes_and_modules(write):
    suite = write(
        pytest_dot_ini="[pytest]\naddopts = --strict-markers\n",
        test_m="""
        import pytest
        @pytest.mark.dagz(exclusive=True)
        def test_alone(): pass
        @pytest.mark.dagz(weight=2)
        class TestHeavy:
            def test_two(self): pass
            @pytest.mark.dagz(weight=3, mutex="port")
            def test_three(self): pass
            @pytest.mark.dagz(exclusive=False)
            def test_still_two(self): pass
        def test_plain(): pass
        @pytest.mark.dagz()
        def test_empty(): pass
        @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.dagz(mutex="one")), 2])
        def test_param(x): pass
        """,
        test_n="""
        import pytest
        pytestmark = pytest.mark.dagz(mutex="database")
        def test_database(): pass
        @pytest.mark.dagz(mutex="port")
        @pytest.mark.xdist_group("g")
        def test_port(): pass
        """,
    )
    agent = Agent(suite, "-q").run()
    assert agent.collected["errors"] == []
    assert needs_of(agent, "exclusive", "weight", "mutex") == {
        "test_alone": (True, 1, ""),
        "TestHeavy::test_two": (False, 2, ""),
        "TestHeavy::test_three": (False, 3, "port"),
        "TestHeavy::test_still_two": (False, 2, ""),
        "test_param[1]": (False, 1, "one"),
        "test_database": (False, 1, "database"),
        "test_port": (False, 1, "port"),
    }
    assert agent.groups == {1: {"g": [1]}}
    assert set(agent.outcomes().values()) == {"passed"}


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ("weight=0", "weight must be a whole number from 1, not 0"),
        ("weight=True", "weight must be a whole number from 1, not True"),
        ("weight=1.5", "weight must be a whole number from 1, not 1.5"),
        ("mutex=''", "mutex must be a name, not ''"),
        ("alone=True", "takes exclusive=, weight= and mutex=, not alone"),
        ("7", "takes exclusive=, weight= and mutex=, not 7"),
    ],
)
def test_a_mark_that_makes_no_sense_is_an_error_of_its_test(write, arguments, sentence):
    suite = write(
        test_bad="""
        import pytest
        @pytest.mark.dagz(%s)
        def test_bad(): pass
        def test_good(): pass
        """
        % arguments
    )
    agent = Agent(suite, "-q").run()
    (error,) = agent.collected["errors"]
    assert error["path"] == "test_bad.py::test_bad"
    assert sentence in error["text"]
    assert agent.outcomes() == {"test_bad": "passed", "test_good": "passed"}


def test_what_a_mark_gets_wrong_on_many_tests_is_one_error(write):
    suite = write(
        test_bad="""
        import pytest
        pytestmark = pytest.mark.dagz(weight=0)
        @pytest.mark.parametrize("x", range(12_000))
        def test_i(x): pass
        @pytest.mark.dagz(exlusive=True)
        def test_other(): pass
        """
    )
    agent = Agent(suite, "-q", order=lambda agent: []).run()
    first, second = agent.collected["errors"]
    assert first["path"] == "test_bad.py::test_i[0]"
    assert first["text"] == (
        "the mark dagz: weight must be a whole number from 1, not 0\n(the same for 11999 more of this file)"
    )
    assert second["path"] == "test_bad.py::test_other" and "not exlusive" in second["text"]


@pytest.mark.parametrize("most", [640 * 1024, 32 * 1024 * 1024])
def test_many_errors_fit_into_one_message(tmp_path, monkeypatch, most):
    write_driver(tmp_path / "driver")
    monkeypatch.syspath_prepend(str(tmp_path / "driver"))
    few_errors = importlib.import_module("dagz_pytest_collect").few_errors
    short = [("test_%d.py" % i, "error") for i in range(9000)]
    assert most == 640 * 1024 or len(few_errors(short, most)) == 9000
    errors = [("test_%d.py" % i, "\x00" * 70_000 if i % 2 else "error") for i in range(30_000)]
    told = few_errors(errors, most)
    assert len(json.dumps(told)) < most + 64 * 1024 and 3 < len(told) <= 10_000
    assert [error["path"] for error in told] == [path for path, _ in errors[: len(told)]]
    assert told[-1]["text"].endswith("\n(%d more errors are left out)" % (30_000 - len(told)))
    assert few_errors([], most) == []


def test_marks_that_foretell_a_long_test(write):
    suite = write(
        pytest_dot_ini="[pytest]\nmarkers = slow\n",
        test_m="""
        import sys
        import pytest
        @pytest.mark.slow
        def test_slow(): pass
        @pytest.mark.slow
        @pytest.mark.dagz(weight=2)
        def test_slow_and_heavy(): pass
        @pytest.mark.slow
        @pytest.mark.dagz(weight=0)
        def test_slow_and_wrong(): pass
        @pytest.mark.slow
        @pytest.mark.parametrize("x", range(5))
        def test_together(x): pass
        @pytest.mark.slow
        class TestMany:
            @pytest.mark.parametrize("x", range(60))
            def test_one(self, x): pass
        @pytest.mark.parametrize("x", [1, pytest.param(2, marks=pytest.mark.xfail)])
        def test_fails(x): assert x == 1
        @pytest.mark.xfail
        @pytest.mark.slow
        def test_both(): assert False
        @pytest.mark.xfail(False, reason="not here")
        def test_not_here(): pass
        @pytest.mark.xfail(condition=False, reason="nor here")
        def test_nor_here(): pass
        @pytest.mark.xfail(run=False)
        def test_not_run(): pass
        @pytest.mark.slow
        @pytest.mark.skip
        def test_skipped(): pass
        @pytest.mark.slow
        @pytest.mark.skipif(sys.version_info > (3,), reason="new")
        def test_skipped_here(): pass
        @pytest.mark.slow
        @pytest.mark.skipif(condition=True, reason="always")
        def test_always_skipped(): pass
        @pytest.mark.slow
        @pytest.mark.skipif(False, reason="old")
        def test_not_skipped(): pass
        def test_plain(): pass
        """,
    )
    agent = Agent(suite, "-q").run()
    assert needs_of(agent, "weight", "times") == {
        "test_slow": (1, 50),
        "test_slow_and_heavy": (2, 50),
        "test_slow_and_wrong": (1, 50),
        **{"test_together[%d]" % x: (1, 10) for x in range(5)},
        "test_fails[2]": (1, 10),
        "test_both": (1, 50),
        "test_not_skipped": (1, 50),
    }
