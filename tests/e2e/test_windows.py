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
