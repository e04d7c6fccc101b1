"""A test that takes down the agent of whichever node runs it."""

from job import same_report

SUITE = """
import os, signal, time, pathlib, pytest

def agent():
    pid = os.getpid()
    while pathlib.Path(f"/proc/{pid}/comm").read_text().strip() != "dagz":
        pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid

@pytest.mark.parametrize("i", range(40))
def test_short(i):
    time.sleep(0.05)

def test_poison():
    time.sleep(0.5)  # as if it ate memory: the last words of a node that is killed at once may be lost with it
    os.kill(agent(), signal.SIGKILL)
    time.sleep(30)

def test_next(): pass
"""


def test_it_takes_down_three_nodes_and_no_more(job):
    job.write("test_it.py", SUITE)
    nodes = [job.start("-n", "1") for _ in range(5)]
    codes = sorted(node.wait() for node in nodes)
    assert codes == [-9, -9, -9, 1, 1], [node.everything() for node in nodes]
    left = [node for node in nodes if node.process.returncode == 1]
    same_report(left)
    report = "\n".join(left[0].report())
    assert "1 failed, 41 passed" in report and "3 lost nodes" in report
    assert "CRASHED  test_it.py::test_poison" in report and "its node was lost while it ran" in report
    for node in left:
        assert "test_it.py::test_poison runs last, and alone: nodes were lost while they had it" in node.errors
        assert "test_it.py::test_poison is not run again: node after node was lost with it" in node.errors
