"""Every outcome that pytest knows: the same tests, words and exit code as plain pytest, run once."""

import collections
import json
import re

from job import same_report
from parity import Outcomes, compare, run_dagz, run_plain

OUTCOMES = r'''
import os, unittest, pytest

@pytest.mark.parametrize("word", ["a", "b"], ids=["same", "same"])
def test_of_one_name(word): pass

@pytest.mark.parametrize("value", [None, 1.5, True, b"\xff", "", object()])
def test_values(value): pass

def test_fails(): assert 1 == 2
def test_fails_in_words(): pytest.fail("only words", pytrace=False)
def test_leaves_python(): raise SystemExit(3)

@pytest.fixture
def broken(): raise ValueError("no set-up")
@pytest.fixture
def leaky():
    yield
    raise ValueError("no tear-down")

def test_no_setup(broken): pass
def test_no_fixture(of_this_name): pass
def test_no_teardown(leaky): pass
def test_fails_and_has_no_teardown(leaky): assert 0
def test_skips_and_has_no_teardown(leaky): pytest.skip("now")

@pytest.mark.skip(reason="not today")
def test_skipped(): pass
@pytest.mark.skipif(True, reason="not here")
def test_skipped_if(broken): pass
def test_skips_itself(): pytest.skip("after all")

@pytest.mark.xfail
def test_xfails(): assert 0
@pytest.mark.xfail
def test_xfails_in_setup(broken): pass
@pytest.mark.xfail(run=False)
def test_xfails_unrun(): os._exit(9)
@pytest.mark.xfail(raises=KeyError)
def test_xfails_otherwise(): raise ValueError
def test_xfails_itself(): pytest.xfail("known")
@pytest.mark.xfail
def test_xpasses(): pass
@pytest.mark.xfail(strict=True)
def test_xpasses_strictly(): pass

class TestNested:
    class TestInner:
        def test_method(self): pass

class Case(unittest.TestCase):
    def test_subtests(self):
        for i in range(3):
            with self.subTest(i=i): self.assertNotEqual(i, 1)
    def test_skipping_subtest(self):
        for i in range(3):
            with self.subTest(i=i):
                if i == 1: self.skipTest("one")
    @unittest.expectedFailure
    def test_expected(self): self.fail()
    @unittest.expectedFailure
    def test_unexpected(self): pass
    @unittest.skip("not today")
    def test_skipped(self): pass

class NoClass(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise RuntimeError("no class")
    def test_one(self): pass
    def test_two(self): pass
'''

MODULES = {
    "test_skipped_module.py": "import pytest\npytest.importorskip('no_such_module')\n",
    "test_no_module_setup.py": "def setup_module(): 1 / 0\ndef test_a(): pass\ndef test_b(): pass\n",
    "deep/er/test_far.py": "def test_far(): pass\n",
    "test_many.py": "import pytest\n"
    "@pytest.mark.parametrize('i', range(40))\ndef test_i(i): assert i % 20\n",
}

# Any text in names: pytest escapes it unless it is told not to.
UNICODE = r'''
import pytest
WORDS = ["é", "e\u0301", "日本", "\U0001f600", "a b", "a::b", "x/y", "]a[", "<&>'\"", "\\", "tab\t",
         "line\nline", "\r", "\x1b[31m", "\x7f\x85", "\u2028", "\u202eabc", "\ufffe"]
@pytest.mark.parametrize("word", WORDS)
def test_word(word): pass
@pytest.mark.parametrize("word", WORDS)
def test_bad_word(word): assert not word
def test_größe(): assert 0
class TestÄhnlich:
    def test_名前(self): pass
'''
UNESCAPED = "disable_test_id_escaping_and_forfeit_all_rights_to_community_support = true\n"


def outcomes_of(job, nodes):
    arguments = ["-q", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    plain = run_plain(arguments, job.folder, job.suite)
    return plain, run_dagz(arguments, job.folder, job.suite, nodes, workers=2)


def test_all_outcomes_are_those_of_plain_pytest(job):
    job.write("test_outcomes.py", OUTCOMES)
    for name, text in MODULES.items():
        job.write(name, text)
    plain, ours = outcomes_of(job, nodes=2)
    assert compare(plain, ours) == {}
    assert ours.repeated == []
    # What would make the comparison worth nothing.
    assert set(plain.words.values()) == {
        "passed",
        "failed",
        "error",
        "skipped",
        "xfailed",
        "xpassed",
    }
    assert len(plain.words) == 77 and plain.code == 1


def test_any_unicode_in_ids(job):
    job.write("pytest.ini", "[pytest]\n" + UNESCAPED)
    job.write("test_ünï_日本.py", UNICODE)
    job.write("test_escaped.py", "")
    plain, ours = outcomes_of(job, nodes=1)
    assert compare(plain, ours) == {}
    assert "test_ünï_日本.py::test_word[line\nline]" in plain.words


def test_control_characters_of_ids_stay_out_of_the_console(job):
    job.write("pytest.ini", "[pytest]\n" + UNESCAPED)
    job.write("test_ünï_日本.py", UNICODE)
    node = job.start("-n", "1", "--retries", "0")
    assert node.wait() == 1
    assert re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e]", "\n".join(node.lines)) == []
    told = [match[7] for match in node.progress()]
    assert len(told) == len(set(told)) == 38
    assert "test_ünï_日本.py::test_word[日本]" in told
    assert r"test_ünï_日本.py::test_word[line\x0aline]" in told


LOGGING = """
import os, pytest
@pytest.fixture(autouse=True)
def written_down(request):
    line = request.node.nodeid + "\\n"
    file = os.open(os.path.dirname(__file__) + "/ran", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, line.encode())
    os.close(file)
"""

ENDING_BADLY = """
import os, signal, pytest
def test_exits(): os._exit(7)
def test_segfaults(): os.kill(os.getpid(), signal.SIGSEGV)
def test_kills_itself(): os.kill(os.getpid(), signal.SIGKILL)
def test_fails(): assert 0
@pytest.fixture
def broken(): raise ValueError("no set-up")
def test_error(broken): pass
"""


def test_every_test_runs_exactly_once_on_three_nodes(job):
    job.write("conftest.py", LOGGING)
    job.write("test_ending_badly.py", ENDING_BADLY)
    for number in range(6):
        job.write(
            f"test_{number}.py",
            "import pytest, time\n@pytest.mark.parametrize('i', range(25))\n"
            "def test_i(i): time.sleep(0.01)\n",
        )
    assert job.run(3, "-n", "2", "--retries", "0") == [1, 1, 1]
    same_report(job.nodes)
    ran = collections.Counter((job.suite / "ran").read_text().splitlines())
    assert len(ran) == 155 and set(ran.values()) == {1}, ran.most_common(3)
    report = json.loads(job.nodes[1].kept_report("json"))
    assert {test["id"] for test in report["tests"]} == set(ran)
    assert report["counts"]["passed"] == 150 and report["counts"]["unfinished"] == 0
    crashed = {
        test["id"]: test["attempts"][0]["message"]
        for test in report["tests"]
        if test["verdict"] == "CRASHED"
    }
    assert len(crashed) == 3
    assert "SIGSEGV" in crashed["test_ending_badly.py::test_segfaults"]
    assert "SIGKILL" in crashed["test_ending_badly.py::test_kills_itself"]


TALKING = r"""
import logging, os, subprocess, sys, warnings
def test_talks():
    print("printed é 日本")
    sys.stderr.write("to stderr\n")
    logging.getLogger("a").warning("logged")
    os.write(1, b"raw \xff\xfe bytes\n")
    subprocess.run(["echo", "from a child"])
    assert "left" == "right"
def test_floods():
    for i in range(200_000): print("line", i)
    assert 0
def test_quiet(): print("never shown")
"""


def test_the_output_of_failures_is_shown_on_every_node(job):
    job.write("test_talking.py", TALKING)
    assert job.run(2, "-n", "1", "--retries", "0") == [1, 1]
    same_report(job.nodes)
    for node in job.nodes:
        for line in ["printed é 日本", "to stderr", "raw \ufffd\ufffd bytes", "from a child"]:
            assert line in node.lines
        assert any(re.match(r"WARNING +a:test_talking.py:\d+ logged", x) for x in node.lines)
        assert "    def test_talks():" in node.lines
        assert any(re.match(r"E +AssertionError: assert 'left' == 'right'", x) for x in node.lines)
        # A flood keeps its head and its tail, within bounds.
        assert "line 0" in node.lines and "line 199999" in node.lines
        assert len(node.lines) < 20_000
        assert "never shown" not in node.lines


def test_comparing_sees_a_difference():
    plain = Outcomes(1, {"a": "passed", "b": "failed", "c": "passed"})
    ours = Outcomes(0, {"a": "passed", "b": "passed", "d": "passed"})
    assert list(compare(plain, ours)) == ["b", "c", "d", ""]


def test_a_limit_of_a_node_that_does_not_schedule_is_not_in_force(job):
    job.write("conftest.py", "import time\ntime.sleep(1)\n")
    job.write("test_it.py", "import pytest, time\n@pytest.mark.parametrize('i', range(12))\n"
              "def test_it(i):\n    time.sleep(0.2)\n    assert 0\n")
    first = job.start("-n", "1", "--retries", "0")
    first.address()
    second = job.start("-n", "1", "--retries", "0", "-x", "--deadline", "1s")
    assert [first.wait(), second.wait()] == [1, 1]
    for option in ("--max-fail", "--deadline"):
        assert f"{option} is not in force: the node that scheduled the job did without it" in second.errors
    assert "not in force" not in first.errors
