"""Where statements end, as the worker remembers it: never another answer than pytest's own."""

import importlib.util
import pathlib

import pytest
from _pytest._code import code
from _pytest._code.source import Source, getstatementrange_ast

RUNNERS = pathlib.Path(__file__).resolve().parents[2] / "sched" / "runners"


@pytest.fixture
def statements():
    spec = importlib.util.spec_from_file_location("statements", RUNNERS / "pytest_statements.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Counting:
    def __init__(self):
        self.calls = 0

    def __call__(self, *arguments):
        self.calls += 1
        return getstatementrange_ast(*arguments)


def test_the_answers_are_those_of_pytest(statements):
    text = (RUNNERS / "pytest_connection.py").read_text(encoding="utf-8")
    counting = Counting()
    remembered = statements.Statements(counting)
    tree = getstatementrange_ast(0, Source(text))[0]
    for lineno in [*range(0, len(text.splitlines()), 3)] * 2:
        wanted = getstatementrange_ast(lineno, Source(text), astnode=tree)[1:]
        assert remembered(lineno, Source(text), astnode=tree)[1:] == wanted
    assert counting.calls == len(range(0, len(text.splitlines()), 3))


def test_a_file_that_changes_is_another(statements):
    remembered = statements.Statements(getstatementrange_ast)
    assert remembered(0, Source("f(1,\n  2)\ng()"))[1:] == (0, 2)
    assert remembered(0, Source("f(1)\ng(2)\ng()"))[1:] == (0, 1)


def test_what_is_not_python_is_an_error_each_time(statements):
    remembered = statements.Statements(getstatementrange_ast)
    for _ in range(2):
        with pytest.raises(SyntaxError):
            remembered(0, Source("f(1"))


def test_only_the_last_files_are_kept(statements):
    remembered = statements.Statements(getstatementrange_ast)
    for number in range(3 * statements.FILES_MAX):
        remembered(0, Source("f(%d)" % number))
    assert len(remembered.files) == statements.FILES_MAX


def test_tracebacks_are_the_same(statements, monkeypatch):
    def failing(value):
        assert value == {
            "a": 1,
        }

    def shown():
        with pytest.raises(AssertionError) as caught:
            failing(2)
        return str(caught.getrepr(style="long"))

    wanted = shown()
    monkeypatch.setattr(code, "getstatementrange_ast", getstatementrange_ast)
    statements.remember_statements()
    assert isinstance(code.getstatementrange_ast, statements.Statements)
    assert [shown(), shown()] == [wanted, wanted]
    assert '"a": 1' in wanted
