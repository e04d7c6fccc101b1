"""What a worker was sent may still go to others, as long as it has not begun."""

import pytest

# Nobody knows the tests. The first ones are so short that many are sent at a time; the last four end only
# while all of them run.
SUITE = """
import os, pathlib, time, pytest

@pytest.mark.parametrize("i", range(200))
def test_short(i): pass

@pytest.mark.parametrize("i", range(4))
def test_together(i):
    here = pathlib.Path(os.environ["HERE"])
    (here / str(i)).touch()
    until = time.monotonic() + 30
    while len(list(here.iterdir())) < 4:
        assert time.monotonic() < until, "the others wait for this worker"
        time.sleep(0.01)
"""


@pytest.mark.parametrize("collect", ["whole", "shared"])
def test_what_waits_behind_a_long_test_is_taken_back(job, tmp_path, collect):
    here = tmp_path / "here"
    here.mkdir()
    job.write("test_it.py", SUITE)
    node = job.start("-n", "4", "--collect", collect, "--retries", "0", HERE=str(here))
    assert node.wait() == 0, node.everything()
    assert "204 passed" in node.summary()


# Each test is long enough for what waits behind it to be taken back, and the longest of each set-up is its last.
SHARED = """
import os, pathlib, time, pytest

@pytest.fixture(scope="module", params=["one", "other"])
def database(request):
    (pathlib.Path(os.environ["HERE"]) / str(time.monotonic_ns())).touch()
    time.sleep(0.2)

@pytest.mark.parametrize("i", range(3))
def test_uses_it(database, i): time.sleep(0.06 if i < 2 else 0.3)
"""


@pytest.mark.parametrize("collect", ["whole", "shared"])
def test_a_worker_sets_up_once_what_long_tests_share(job, tmp_path, collect):
    job.write("test_it.py", SHARED)
    job.write("test_other.py", SHARED)
    for run in ("without a history", "with one"):
        here = tmp_path / run
        here.mkdir()
        node = job.start("-n", "1", "--collect", collect, state=tmp_path / "state", HERE=str(here))
        assert node.wait() == 0, node.everything()
        assert "12 passed" in node.summary()
        assert len(list(here.iterdir())) == 4, run
