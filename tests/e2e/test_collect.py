"""Files that are collected where they run: the same tests, words and exit code as plain pytest."""

import json

import pytest
from job import same_report
from parity import compare, run_dagz, run_plain

# Every way in which what stands above a file can matter to its tests.
SUITE = {
    "pytest.ini": "[pytest]\nmarkers =\n    slow\naddopts = --doctest-glob=*.rst\n",
    "conftest.py": """
import pytest
def pytest_addoption(parser): parser.addoption("--size", type=int, default=2)
def pytest_generate_tests(metafunc):
    if "size" in metafunc.fixturenames:
        metafunc.parametrize("size", range(metafunc.config.getoption("size")))
def pytest_collection_modifyitems(items):
    for item in items:
        if "slow" in item.keywords: item.add_marker(pytest.mark.skip(reason="slow"))
def pytest_itemcollected(item): item.user_properties.append(("seen", True))
class Yaml(pytest.File):
    def collect(self):
        yield YamlItem.from_parent(self, name="good")
        yield YamlItem.from_parent(self, name="bad")
class YamlItem(pytest.Item):
    def runtest(self): assert self.name == "good"
def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".yaml": return Yaml.from_parent(parent, path=file_path)
@pytest.fixture(scope="session")
def base(): return []
""",
    "data.yaml": "",
    "doc.rst": ">>> 1 + 1\n3\n",
    "test_top.py": """
import pytest, unittest
def test_seen(request): assert request.node.user_properties == [("seen", True)]
def test_size(size): assert size < 2
@pytest.mark.slow
def test_slow(): assert 0
@pytest.mark.parametrize("word", ["a", "b"], ids=["same", "same"])
def test_of_one_name(word): pass
class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls): cls.value = 1
    def test_method(self): self.assertEqual(self.value, 1)
    @unittest.skip("not now")
    def test_skipped(self): pass
class TestParams:
    @pytest.fixture(params=[1, 2], scope="class")
    def number(self, request): return request.param
    def test_one(self, number): pass
    def test_two(self, number): assert number == 1
""",
    "pack/__init__.py": "",
    "pack/conftest.py": """
import pytest
@pytest.fixture(scope="package")
def pack(base): base.append("pack"); yield base; base.remove("pack")
@pytest.fixture(autouse=True)
def word(monkeypatch): monkeypatch.setenv("WORD", "pack")
""",
    "pack/test_one.py": "import os\ndef test_pack(pack): assert os.environ['WORD'] == 'pack'\n",
    "pack/test_two.py": "from . import helper\ndef test_pack(pack): assert helper.VALUE == pack.count('pack')\n",
    "pack/helper.py": "VALUE = 1\n",
    "pack/deep/__init__.py": "",
    "pack/deep/conftest.py": "import pytest\n@pytest.fixture\ndef deep(pack): return pack\n",
    "pack/deep/test_deep.py": "def test_deep(deep): assert deep == ['pack']\n",
    "plain/conftest.py": "import pytest\n@pytest.fixture\ndef near(): return 1\n",
    "plain/test_near.py": "def test_near(near): assert near\ndef test_far(deep): pass\n",
    "test_skips.py": "import pytest\npytest.importorskip('no_such_module')\ndef test_a(): pass\n",
    "test_empty.py": "",
    "test_ignored_class.py": "class TestInit:\n    def __init__(self): pass\n    def test_a(self): pass\n",
    "test_many.py": "import pytest\n@pytest.mark.parametrize('i', range(60))\ndef test_i(i): assert i % 20\n",
}


def write_suite(job, files=SUITE):
    for name, text in files.items():
        job.write(name, text)


def both(job, *arguments, nodes=2, workers=2):
    arguments = ["-q", "-p", "no:cacheprovider", "-p", "no:asyncio", *arguments]
    plain = run_plain(arguments, job.folder, job.suite)
    return plain, run_dagz(arguments, job.folder, job.suite, nodes, workers, "shared")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-k", "pack or test_i or same"],
        ["-m", "slow"],
        ["--doctest-modules", "--size=3"],
        ["--import-mode=importlib"],
        ["pack", "plain", "pack/test_one.py", "pack/test_one.py"],
        ["--pyargs", "pack", "test_top.py"],
        ["test_top.py::TestParams", "pack/test_one.py::test_pack", "doc.rst"],
        ["--deselect", "test_many.py::test_i[20]", "--ignore=pack/deep", "."],
        ["--rootdir=pack", "pack", "test_top.py"],
    ],
    ids=lambda arguments: " ".join(arguments) or "all",
)
def test_the_same_as_plain_pytest(job, arguments):
    write_suite(job)
    plain, ours = both(job, *arguments)
    assert compare(plain, ours) == {}
    assert ours.repeated == [] and plain.words


def test_all_kinds_of_the_suite_are_there(job):
    write_suite(job)
    plain, ours = both(job)
    assert len(plain.words) == 80 and compare(plain, ours) == {}


def test_it_is_said_how_and_why(job):
    write_suite(job)
    for number in range(50):
        job.write(f"test_more_{number}.py", "def test_a(): pass\n")
    node = job.start("-n", "2", "--retries", "0")
    assert node.wait() == 1
    node.wait_for_error(r"^dagz: collection: shared, 61 files, each collected where it runs$")
    job.write("conftest.py", "def pytest_collection_modifyitems(items): items.reverse()\n")
    node = job.start("-n", "2", "--retries", "0")
    node.wait()
    node.wait_for_error(r"^dagz: collection: whole, pytest_collection_modifyitems of conftest.py may")


ERRORS = {
    "test_good.py": "def test_a(): pass\n",
    "test_import.py": "print('said at import')\nimport no_such_module\n",
    "test_syntax.py": "def test_a(:\n",
    "test_half.py": "class TestA:\n    def test_a(self): pass\n"
    "import pytest\n@pytest.mark.parametrize('x', [1], ids=1)\ndef test_b(x): pass\n",
}


def test_collection_errors_count_once_and_the_rest_runs(job):
    write_suite(job, ERRORS)
    assert job.run(3, "-n", "2", "--collect", "shared") == [1, 1, 1]
    same_report(job.nodes)
    report = json.loads(job.nodes[0].kept_report("json"))
    whole = job.start("-n", "2", "--collect", "whole")
    assert whole.wait() == 1
    kept = json.loads(whole.kept_report("json"))
    assert report["counts"] == kept["counts"]
    assert report["counts"]["errors"] == 3 and report["counts"]["passed"] >= 1
    assert any("ModuleNotFoundError: No module named 'no_such_module'" in x for x in job.nodes[2].lines)


SKIPPING = "import pytest\npytest.importorskip('no_such_module')\ndef test_a(): pass\n"


@pytest.mark.parametrize("collect", ["whole", "shared"])
def test_files_that_skip_themselves_are_told(job, collect):
    job.write("test_all.py", "import pytest\npytest.skip('not today', allow_module_level=True)\n")
    for number in range(22):
        job.write(f"sub/test_{number:02}.py", SKIPPING)
    job.write("test_runs.py", "def test_a(): pass\n")
    node = job.start("-n", "2", "--collect", collect)
    assert node.wait() == 0
    told = [line for line in node.error_lines + node.lines if "skipped" in line and line.startswith("dagz: ")]
    assert told[0].startswith("dagz: sub/test_00.py skipped itself: could not import 'no_such_module'")
    assert len(told) == 21 and told[-1] == "dagz: 3 more files skipped themselves"
    assert "1 passed" in node.summary()


def test_filters_of_warnings_hold_at_import(job):
    job.write("pytest.ini", "[pytest]\nfilterwarnings = error::RuntimeWarning\n")
    job.write("test_warns.py", "import warnings\nwarnings.warn('old', RuntimeWarning)\ndef test_a(): pass\n")
    job.write("test_good.py", "def test_a(): pass\n")
    assert job.run(1, "-n", "1", "--collect", "shared") == [1]
    counts = json.loads(job.nodes[0].kept_report("json"))["counts"]
    assert (counts["passed"], counts["errors"]) == (1, 1)


def test_a_file_that_takes_its_process_down_is_an_error(job):
    job.write("test_dies.py", "import os\nos.abort()\n")
    for number in range(4):
        job.write(f"test_{number}.py", "def test_a(): pass\n")
    assert job.run(2, "-n", "1", "--collect", "shared") == [1, 1]
    same_report(job.nodes)
    counts = json.loads(job.nodes[0].kept_report("json"))["counts"]
    assert (counts["passed"], counts["errors"], counts["unfinished"]) == (4, 1, 0)
    assert any("SIGABRT" in line for line in job.nodes[1].lines)


def test_nothing_found_is_exit_code_5(job):
    job.write("test_empty.py", "")
    assert job.run(2, "-n", "1", "--collect", "shared") == [5, 5]


def test_the_work_of_a_killed_node_is_done_by_another(job):
    for number in range(12):
        job.write(
            f"test_{number}.py",
            "import pytest, time\ntime.sleep(0.2)\n@pytest.mark.parametrize('i', range(20))\n"
            "def test_i(i): time.sleep(0.02)\n",
        )
    nodes = [job.start("-n", "1", "--collect", "shared") for _ in range(2)]
    nodes[0].wait_for_progress(30)
    nodes[0].process.kill()
    assert nodes[1].wait() == 0
    counts = json.loads(nodes[1].kept_report("json"))["counts"]
    assert counts["total"] == counts["passed"] == 240


def test_a_package_is_left_although_its_last_file_holds_no_test(job):
    job.write("a/__init__.py", "")
    job.write(
        "a/conftest.py",
        "import pytest\n@pytest.fixture(scope='package', autouse=True)\n"
        "def around():\n    yield\n    raise ValueError('left')\n",
    )
    job.write("a/test_1.py", "def test_a(): pass\n")
    job.write("a/test_2.py", "")
    job.write("b/test_3.py", "def test_b(): pass\n")
    plain, ours = both(job, nodes=1, workers=1)
    assert compare(plain, ours) == {}
    assert plain.words == {"a/test_1.py::test_a": "error", "b/test_3.py::test_b": "passed"}


# Ids that differ from process to process: only the process that collected first can run them.
FICKLE = """
import pytest, time, uuid
@pytest.mark.parametrize("i", [str(uuid.uuid4()) for _ in range(60)])
def test_i(i): time.sleep(0.02)
"""


def test_ids_that_differ_from_process_to_process(job):
    job.write("test_fickle.py", FICKLE)
    assert job.run(2, "-n", "2", "--collect", "shared") == [0, 0]
    same_report(job.nodes)
    counts = json.loads(job.nodes[0].kept_report("json"))["counts"]
    assert counts["total"] == counts["passed"] == 60


def test_session_fixtures_are_set_up_once_in_a_worker(job):
    job.write(
        "conftest.py",
        "import os, pytest\n@pytest.fixture(scope='session', autouse=True)\ndef once():\n"
        "    open(os.path.dirname(__file__) + '/set-up', 'a').write('x')\n    yield\n"
        "    open(os.path.dirname(__file__) + '/torn-down', 'a').write('x')\n",
    )
    for number in range(8):
        job.write(f"test_{number}.py", "def test_a(): pass\ndef test_b(): pass\n")
    assert job.run(1, "-n", "2", "--collect", "shared") == [0]
    assert (job.suite / "set-up").read_text() in ("x", "xx")
    assert (job.suite / "torn-down").read_text() == (job.suite / "set-up").read_text()


def test_long_tests_of_one_file_are_spread_over_the_nodes(job):
    """Which is marked as slow, and found only by the node that collects it."""
    job.write("pytest.ini", "[pytest]\nmarkers = slow\n")
    # By the driver of each node, before it forks: both nodes are there when work is handed out.
    job.write("conftest.py", """
import os, pathlib, time
here = pathlib.Path(__file__).parent
(here / ("here-%d" % os.getpid())).touch()
while len(list(here.glob("here-*"))) < 2: time.sleep(0.01)
""")
    for i in range(20):
        job.write("test_%02d.py" % i, "import time\ndef test_short(): time.sleep(0.1)\n")
    job.write("test_long.py", """
import time
import pytest
def test_first(): pass
@pytest.mark.slow
@pytest.mark.parametrize("i", range(4))
def test_long(i): time.sleep(1.5)
""")
    nodes = [job.start("--collect", "shared", "-n", "2") for _ in range(2)]
    assert [node.wait() for node in nodes] == [0, 0], nodes[0].everything()
    same_report(nodes)
    told = {match[7]: int(match[8]) // 2 for node in nodes for match in node.progress()}
    places = [told["test_long.py::test_long[%d]" % i] for i in range(4)]
    assert sorted(places) == [0, 0, 1, 1], places


@pytest.mark.parametrize("options", [["-k", "foo and"], ["-m", "not (slow"]])
@pytest.mark.parametrize("collect", ["shared", "whole"])
def test_a_wrong_expression_is_an_error_of_usage_once(job, options, collect):
    for i in range(3):
        job.write(f"test_{i}.py", "def test_it(): pass\n")
    node = job.start("-n", "1", "--collect", collect, pytest=options)
    assert node.wait() == 4
    assert node.everything().count(f"ERROR: Wrong expression passed to '{options[0]}'") == 1
    assert "Traceback" not in node.everything()


def test_strict_collection_collects_whole(job, tmp_path):
    """Files that are collected where they run cannot be compared."""
    for i in range(3):
        job.write(f"test_{i}.py", "import os, pytest\n@pytest.mark.parametrize('i', range(int(os.environ['MINE'])))\n"
                  "def test_it(i): pass\n")
    nodes = [job.start("-n", "1", "--collect", "shared", "--strict-collection", MINE=mine) for mine in "13"]
    assert [node.wait() for node in nodes] == [18, 18]
    same_report(nodes)
    assert "collection: whole, --strict-collection compares whole lists" in nodes[0].errors
