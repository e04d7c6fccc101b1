"""Second copies of straggling tests, and what becomes of the first ones."""

import time

from job import same_report

# It takes long where it is begun first.
SUITE = """
import os, pathlib, time, pytest

@pytest.fixture(scope="session", autouse=True)
def resource():
    yield
    with open(os.environ["ENDED"], "a") as file: print(os.getpid(), file=file)

def test_straggles():
    seen = pathlib.Path(os.environ["SEEN"])
    with open(seen, "a") as file: print(os.getpid(), file=file)
    if len(seen.read_text().split()) == 1: time.sleep(60)

@pytest.mark.parametrize("i", range(20))
def test_short(i): time.sleep(0.05)
"""


def start(job, tmp_path):
    job.write("test_it.py", SUITE)
    return [job.start("-n", "1", SEEN=str(tmp_path / "seen"), ENDED=str(tmp_path / "ended"),
                      state=tmp_path / f"state-{number}")
            for number in range(2)]


def test_a_copy_has_the_result_and_the_first_run_is_torn_down(job, tmp_path):
    # The first job is the history of the second.
    (tmp_path / "seen").write_text("somebody else\n")
    for node in start(job, tmp_path):
        assert node.wait() == 0
    (tmp_path / "seen").unlink()
    (tmp_path / "ended").unlink()
    job.key += "-again"
    began = time.monotonic()
    nodes = start(job, tmp_path)
    assert [node.wait() for node in nodes] == [0, 0]
    assert time.monotonic() - began < 30
    same_report(nodes)
    assert "21 passed" in nodes[0].summary()
    ran = (tmp_path / "seen").read_text().split()
    assert len(ran) == 2
    # Fixtures of the session end, in the worker whose test was cancelled as well.
    assert set(ran) <= set((tmp_path / "ended").read_text().split())
