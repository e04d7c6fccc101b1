"""Warnings of tests, which come up in the workers, in pytest's own summary and limit."""

import pytest

from job import ROOT

SUITE = """
import warnings
class Odd(UserWarning):
    def __str__(self): return "odd " + self.args[0]
warnings.warn("while collecting")
def test_warns(): warnings.warn("careful", DeprecationWarning)
def test_warns_oddly(): warnings.warn(Odd("enough"))
def test_warns_of_what_nobody_else_knows():
    class Late(UserWarning): pass
    warnings.warn("too late", Late)
def test_is_silent(): pass
"""

SUMMARY = """\
=============================== warnings summary ===============================
test_it.py:5
  {file}:5: UserWarning: while collecting
    warnings.warn("while collecting")

test_it.py::test_warns
  {file}:6: DeprecationWarning: careful
    def test_warns(): warnings.warn("careful", DeprecationWarning)

test_it.py::test_warns_oddly
  {file}:7: Odd: odd enough
    def test_warns_oddly(): warnings.warn(Odd("enough"))

test_it.py::test_warns_of_what_nobody_else_knows
  {file}:10: Late: too late
    warnings.warn("too late", Late)

-- Docs: """


@pytest.mark.parametrize("collect", ["whole", "shared"])
@pytest.mark.parametrize("which", ["venv", "venv-oldest", "venv-newest"])
def test_warnings_are_summed_up_as_pytest_does_it(job, which, collect):
    python = ROOT / "build" / which / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no {which} here")
    job.write("test_it.py", SUITE)
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider"]
    node = job.start("-n", "1", "--collect", collect, command=command)
    assert node.wait() == 0
    assert SUMMARY.format(file=job.suite / "test_it.py") in "\n".join(node.lines)
    assert node.lines.index("test_it.py::test_warns") < node.lines.index(node.summary())


@pytest.mark.parametrize("options", [["--disable-warnings"], ["-p", "no:warnings"], ["-W", "ignore"]])
def test_warnings_that_nobody_wants_are_not_shown(job, options):
    job.write("test_it.py", SUITE)
    node = job.start("-n", "2", pytest=options)
    assert node.wait() == 0
    assert "warnings summary" not in "\n".join(node.lines)


@pytest.mark.parametrize("limit, code", [("3", 6), ("4", 0)])
def test_too_many_warnings_are_an_exit_code_of_their_own(job, limit, code):
    job.write("test_it.py", SUITE)
    node = job.start("-n", "2", pytest=["--max-warnings", limit])
    assert node.wait() == code, node.everything()
    assert ("maximum allowed warnings exceeded: 4 > 3" in "\n".join(node.lines)) == (code == 6)
    assert " PASSED: " in node.summary()


def test_a_failed_test_comes_before_too_many_warnings(job):
    job.write("test_it.py", SUITE + "def test_fails(): assert 0\n")
    assert job.run(1, "-n", "2", pytest=["--max-warnings", "0"]) == [1]


# Two workers, both of which collect each of these files if it is cut; and what they import warns only once.
COLLECTED = {
    "helper.py": "import warnings\nwarnings.warn('of the helper')\n",
    "test_one.py": """
import helper, pytest, time, warnings
for i in range(2): warnings.warn("old", DeprecationWarning)
@pytest.mark.nobody_knows
@pytest.mark.parametrize("i", range(40))
def test_i(i): time.sleep(0.02)
class TestInit:
    def __init__(self): pass
    def test_a(self): pass
""",
    "sub/test_two.py": """
import helper, pytest, time, warnings
warnings.warn("first")
@pytest.mark.parametrize("i", range(40))
def test_i(i): time.sleep(0.02)
""",
}


@pytest.mark.parametrize("collect", ["whole", "shared"])
def test_warnings_of_collection_count_once(job, collect):
    job.write("pytest.ini", "[pytest]\npythonpath = .\n")
    for name, text in COLLECTED.items():
        job.write(name, text)
    node = job.start("-n", "2", "--collect", collect, pytest=["--max-warnings", "5"])
    assert node.wait() == 6, node.everything()
    text = "\n".join(node.lines)
    assert "maximum allowed warnings exceeded: 6 > 5" in text
    for kind, count in [("PytestUnknownMarkWarning", 1), ("PytestCollectionWarning", 1),
                        ("UserWarning: of the helper", 1), ("UserWarning: first", 1)]:
        assert text.count(kind) == count, text
