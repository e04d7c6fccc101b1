"""Plug-ins that many suites have: beside dagz, on two nodes, they do what they do in plain pytest."""

import collections
import json

from plugins import by_dagz, by_plain_pytest, path_of, plain, same_as_plain, two_nodes


def words(outcomes):
    return collections.Counter(word for word, _ in outcomes.values())


def lines_of(job, name):
    """What tests have written down, and nothing from now on."""
    path = job.suite / name
    lines = path.read_text().splitlines()
    path.unlink()
    return lines


# Each file of these suites is a copy: so two nodes with two workers each have something to do.
def copies(job, text, count=6):
    for number in range(count):
        job.write(f"test_{number}.py", text)


TIMEOUTS = """
import pytest, time

@pytest.mark.timeout(0.2)
def test_hangs(): time.sleep(30)

@pytest.fixture
def slow(): time.sleep(30)

@pytest.mark.timeout(0.2)
def test_set_up_hangs(slow): pass

@pytest.mark.timeout(20)
def test_in_time(): pass
"""


def test_timeouts_are_failures_as_in_plain_pytest(job):
    copies(job, TIMEOUTS)
    outcomes = same_as_plain(job)
    assert words(outcomes) == {"failed": 6, "error": 6, "passed": 6}
    assert "Timeout (>0.2s)" in outcomes["test_0.py::test_hangs"][1]


def test_a_timeout_that_ends_the_process_costs_its_test_only(job):
    copies(job, TIMEOUTS.replace("0.2", "0.2, method='thread'").replace("time.sleep(30)", "wait()")
           + "def wait(): time.sleep(30)\n")  # fmt: skip
    nodes = two_nodes(job, "--retries", "0", pytest=[], code=1)
    tests = json.loads(nodes[0].kept_report("json"))["tests"]
    assert collections.Counter(test["verdict"] for test in tests) == {"CRASHED": 12, "OK": 6}
    crashed = [test["attempts"][0] for test in tests if test["verdict"] == "CRASHED"]
    assert all(", in wait" in attempt["output"] for attempt in crashed), crashed[0]


RERUNS = """
import pytest
tries = {}

def count(request):
    with open("tries", "a") as file: print(request.node.nodeid, file=file)
    tries[request.node.nodeid] = tries.get(request.node.nodeid, 0) + 1
    return tries[request.node.nodeid]

@pytest.mark.flaky(reruns=2)
def test_passes_late(request): assert count(request) == 3

@pytest.mark.flaky(reruns=1, reruns_delay=0.05)
def test_never_passes(request): assert count(request) == 3

@pytest.mark.flaky(reruns=1, only_rerun="OSError")
def test_fails_otherwise(request): raise ValueError(str(count(request)))

def test_by_option(request): assert count(request) == 2
"""


def test_reruns_are_those_of_plain_pytest(job):
    copies(job, RERUNS)
    expected = by_plain_pytest(job, ["--reruns", "1"])
    tries = collections.Counter(lines_of(job, "tries"))
    nodes = two_nodes(job, "--retries", "0", pytest=["--reruns", "1"], code=1)
    assert by_dagz(nodes[0]) == expected
    assert collections.Counter(lines_of(job, "tries")) == tries
    assert words(expected) == {"passed": 12, "failed": 12}


RANDOM = """
import os, random, pytest

DRAWN = random.random()

@pytest.mark.parametrize("i", range(4))
def test_random(i, request):
    node = os.environ.get("DAGZ_NODE", "")
    with open("drawn", "a") as file:
        print(request.node.nodeid, DRAWN, random.random(), node, file=file)

def test_order(request): test_random(0, request)
"""


def drawn(job):
    return sorted(line.split()[:3] for line in lines_of(job, "drawn"))


def seed_of(node):
    return node.wait_for_error(r"--randomly-seed=(\d+)")[1]


def test_random_numbers_are_those_of_plain_pytest_with_this_seed(job):
    randomly = path_of("randomly")
    copies(job, RANDOM)
    nodes = two_nodes(job, "--strict-collection", pytest=[], **randomly)
    numbers = drawn(job)
    seed = seed_of(nodes[0])
    assert seed == seed_of(nodes[1])
    assert plain(job, [f"--randomly-seed={seed}"], **randomly).returncode == 0
    assert drawn(job) == numbers
    # Another job has another seed, unless one is given.
    two_nodes(job, "--strict-collection", pytest=[], **randomly)
    assert seed_of(job.nodes[-1]) != seed and drawn(job) != numbers
    two_nodes(job, "--strict-collection", pytest=[f"--randomly-seed={seed}"], **randomly)
    assert drawn(job) == numbers


ASYNC = """
import asyncio, pytest, pytest_asyncio

@pytest_asyncio.fixture
async def late():
    await asyncio.sleep(0.01)
    yield 1
    await asyncio.sleep(0.01)

@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def loop(): return asyncio.get_running_loop()

@pytest.mark.asyncio
async def test_marked(late): assert late == 1

@pytest.mark.asyncio(loop_scope="module")
async def test_one_loop(loop): assert asyncio.get_running_loop() is loop

@pytest.mark.asyncio(loop_scope="module")
async def test_same_loop(loop): assert asyncio.get_running_loop() is loop

@pytest.mark.asyncio
async def test_fails(late): assert late == 2

async def test_unmarked():
    await asyncio.sleep(0)

@pytest.fixture
async def unmarked(): return 1

async def test_fixture(unmarked): assert unmarked == 1
"""


def test_asyncio_strict(job):
    job.write("pytest.ini", "[pytest]\nasyncio_mode = strict\n")
    copies(job, ASYNC)
    assert words(same_as_plain(job)) == {"passed": 18, "failed": 12, "error": 6}


def test_asyncio_auto(job):
    job.write("pytest.ini", "[pytest]\nasyncio_mode = auto\n")
    copies(job, ASYNC)
    assert words(same_as_plain(job)) == {"passed": 30, "failed": 6}


DJANGO = """
import os, time, pytest
from django.db import connection
from shop.models import Item

pytestmark = pytest.mark.django_db

def note(worker_id="master"):
    with open("databases", "a") as file: print(worker_id, connection.settings_dict["NAME"], file=file)

@pytest.mark.parametrize("i", range(3))
def test_alone(i, worker_id):
    note(worker_id)
    assert Item.objects.count() == 0
    Item.objects.create(name="one")
    time.sleep(0.05)
    assert Item.objects.count() == 1

@pytest.mark.django_db(transaction=True)
def test_transaction():
    Item.objects.create(name="two")
    assert Item.objects.get().name == "two"

def test_client(client, settings):
    settings.ALLOWED_HOSTS = ["testserver"]
    assert client.get("/nowhere").status_code == 404

def test_wrong(): assert Item.objects.count() == 1
"""

SETTINGS = """
import pathlib
HERE = pathlib.Path(__file__).parent
SECRET_KEY = "x"
INSTALLED_APPS = ["shop"]
ROOT_URLCONF = "urls"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(HERE / "db.sqlite3"),
                         "TEST": {"NAME": str(HERE / "test.sqlite3")}}}
"""


def test_each_worker_of_all_nodes_has_a_django_database_of_its_own(job):
    django = path_of("django")
    job.write("pytest.ini", "[pytest]\nDJANGO_SETTINGS_MODULE = settings\npythonpath = .\n")
    job.write("settings.py", SETTINGS)
    job.write("urls.py", "urlpatterns = []\n")
    job.write("shop/__init__.py", "")
    job.write("shop/models.py", "from django.db import models\n"
              "class Item(models.Model):\n    name = models.TextField()\n")  # fmt: skip
    copies(job, DJANGO, 8)
    expected = by_plain_pytest(job, [], **django)
    lines_of(job, "databases")
    assert words(expected) == {"passed": 40, "failed": 8}
    # Its databases are made for the tests of the whole list.
    nodes = two_nodes(job, "--retries", "0", "--collect", "shared", pytest=[], code=1, **django)
    assert all("collection: whole, pytest-django needs the whole list" in node.errors for node in nodes)
    assert by_dagz(nodes[0]) == expected
    used = {tuple(line.split()) for line in lines_of(job, "databases")}
    assert len(used) > 1 and len({worker for worker, _ in used}) == len({name for _, name in used}) == len(used)
    assert all(name == str(job.suite / f"test.sqlite3_{worker}") for worker, name in used), used
    assert not list(job.suite.glob("test.sqlite3*")), "they are removed in the end"


MOCKS = """
import os, socket, time, pytest

def test_patched_clocks(mocker):
    for name in ("time", "perf_counter", "monotonic", "process_time", "sleep"):
        mocker.patch("time." + name, side_effect=RuntimeError)
    with pytest.raises(RuntimeError): time.sleep(1)

def test_patched_system(mocker):
    mocker.patch("os.getpid", return_value=1)
    mocker.patch.object(socket.socket, "recv", side_effect=OSError)
    mocker.patch.dict("os.environ", {"DAGZ_NODE": "x"}, clear=True)
    mocker.patch("builtins.open", mocker.mock_open(read_data="text"))
    assert open("nothing").read() == "text" and os.getpid() == 1

def test_stub(mocker):
    stub = mocker.stub(name="stub")
    stub(1)
    stub.assert_called_once_with(2)

def test_spy(mocker):
    spy = mocker.spy(os.path, "join")
    assert os.path.join("a", "b") == "a/b" and spy.spy_return == "a/b"

def test_nothing_stays_patched():
    assert os.getpid() > 1 and time.time() > 1e9
"""


def test_mocks(job):
    copies(job, MOCKS)
    outcomes = same_as_plain(job, **path_of("mock"))
    assert words(outcomes) == {"passed": 24, "failed": 6}


HYPOTHESIS = """
from hypothesis import given, strategies as st

@given(st.integers())
def test_small(n): assert n < 1000

@given(st.lists(st.integers()))
def test_sorted(numbers): assert sorted(sorted(numbers)) == sorted(numbers)

@given(st.binary(min_size=1))
def test_bytes(data): assert data
"""


# Explaining a failure takes seconds.
PROFILES = """
from hypothesis import Phase, settings
quick = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]
settings.register_profile("fixed", derandomize=True, database=None, phases=quick, max_examples=50)
settings.register_profile("first", phases=quick, max_examples=50)
settings.register_profile("again", phases=[Phase.reuse])
"""


def test_hypothesis_finds_what_it_finds_in_plain_pytest(job):
    job.write("conftest.py", PROFILES)
    copies(job, HYPOTHESIS, 4)
    outcomes = same_as_plain(job, "--hypothesis-profile=fixed")
    assert words(outcomes) == {"passed": 8, "failed": 4}
    tests = json.loads(job.nodes[0].kept_report("json"))["tests"]
    outputs = [test["attempts"][0]["output"] for test in tests if test["verdict"] == "FAILED"]
    assert all("n=1000," in output for output in outputs), outputs[0]


def test_hypothesis_keeps_examples_that_two_nodes_found_in_one_directory(job):
    job.write("conftest.py", PROFILES)
    copies(job, HYPOTHESIS, 4)
    two_nodes(job, "--retries", "0", pytest=["--hypothesis-profile=first"], code=1)
    assert (job.suite / ".hypothesis" / "examples").is_dir()
    # Nothing new is looked for: what fails now comes from the database.
    nodes = two_nodes(job, "--retries", "0", pytest=["--hypothesis-profile=again"], code=1)
    assert words(by_dagz(nodes[0])) == {"skipped": 8, "failed": 4}


XDIST = """
import os, xdist, pytest, time

@pytest.mark.parametrize("i", range(3))
def test_worker(request, worker_id, testrun_uid, i):
    time.sleep(0.02)
    assert xdist.is_xdist_worker(request) and xdist.get_xdist_worker_id(request) == worker_id
    assert worker_id == os.environ["PYTEST_XDIST_WORKER"] == "gw" + os.environ["DAGZ_WORKER"]
    assert int(os.environ["PYTEST_XDIST_WORKER_COUNT"]) <= 4
    with open("workers", "a") as file:
        print(worker_id, os.environ["DAGZ_NODE"], os.environ["DAGZ_SLOT"], os.getppid(), testrun_uid, file=file)
"""


def test_xdist_is_installed_and_unused(job):
    copies(job, XDIST)
    two_nodes(job, pytest=["-n", "3", "--dist", "loadscope", "--maxprocesses", "8"])
    seen = {tuple(line.split()) for line in lines_of(job, "workers")}
    assert len({uid for *_, uid in seen}) == 1
    assert len({worker for worker, *_ in seen}) == len(seen), "a number across the mesh"
    assert len({(node, slot) for _, node, slot, *_ in seen}) == len(seen), "a slot on its node"
    assert {slot for _, _, slot, *_ in seen} <= {"0", "1"}
    assert len({parent for *_, parent, _ in seen}) == 2, "dagz has forked them"


IN_ORDER = """
import pytest, time
done = []

@pytest.mark.dependency()
def test_login(): pass
@pytest.mark.slow
@pytest.mark.dependency(depends=["test_login"])
def test_import(): time.sleep(0.3)
@pytest.mark.dependency(depends=["test_import"])
def test_check(): pass

@pytest.mark.order(2)
@pytest.mark.slow
def test_second():
    assert done == ["first"]
    time.sleep(0.3)
    done.append("second")
@pytest.mark.order(1)
def test_first(): done.append("first")
@pytest.mark.order(3)
def test_third(): assert done == ["first", "second"]

@pytest.mark.parametrize("i", range(6))
def test_free(i): time.sleep(0.02)
"""


def test_what_plug_ins_put_in_order_stays_so(job):
    """Else what depends on another test would be skipped, or fail: also when the long ones are known."""
    copies(job, IN_ORDER)
    job.write("pytest.ini", "[pytest]\nmarkers = slow: takes long\n")
    for _ in range(2):
        outcomes = same_as_plain(job, **path_of("ordered"))
        assert words(outcomes) == {"passed": 72}


def test_dependencies_beyond_a_file_keep_their_order(job):
    job.write("pytest.ini", "[pytest]\nmarkers = slow: takes long\n")
    head = "import pytest, time\n"
    job.write("test_0.py", head + "@pytest.mark.dependency()\ndef test_login(): time.sleep(0.2)\n")
    for number in range(1, 4):
        job.write(f"test_{number}.py", head + "@pytest.mark.slow\n@pytest.mark.dependency(depends=['test_0.py::test_login'],"
                  " scope='session')\ndef test_it(): time.sleep(0.2)\n"
                  "@pytest.mark.parametrize('i', range(20))\ndef test_free(i): time.sleep(0.02)\n")  # fmt: skip
    outcomes = same_as_plain(job, **path_of("ordered"))
    assert words(outcomes) == {"passed": 64}
