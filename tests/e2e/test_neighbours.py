"""Tests that expect to be alone: two nodes in one checkout on one host do not get into each other's way."""

import json
import random
import socket
import sys

import pytest
from plugins import MEET, two_nodes

FIXTURES = """
import os, socket, pytest

def note(kind, what):
    with open("seen", "a") as file: print(kind, what, file=file)

@pytest.fixture(scope="session")
def server():
    # Numbers of workers are unique across the mesh: so is what is counted from them.
    one = socket.create_server(("127.0.0.1", int(os.environ["BASE_PORT"]) + int(os.environ["DAGZ_WORKER"])))
    yield one
    one.close()

@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("session", numbered=False)
    note("base", tmp_path_factory.getbasetemp())
    return path
"""

ALONE = """
import os, socket, time, pytest
from conftest import note

@pytest.mark.parametrize("i", range(3))
def test_alone(i, server, folder, tmp_path, tmp_path_factory, worker_id):
    with socket.create_connection(server.getsockname()): pass
    note("worker", "%s %s %s" % (worker_id, os.environ["DAGZ_NODE"], os.environ["DAGZ_SLOT"]))
    note("path", tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").write_text(worker_id)
    (folder / "mine").write_text(worker_id)
    time.sleep(0.1)
    assert (tmp_path / "mine").read_text() == (folder / "mine").read_text() == worker_id
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]

def test_fails(): assert 0
"""


def seen(job):
    lines = (job.suite / "seen").read_text().splitlines()
    (job.suite / "seen").unlink()
    found = {}
    for line in lines:
        kind, what = line.split(" ", 1)
        found.setdefault(kind, []).append(what)
    return found


def free_ports(count):
    """The first of so many neighbouring ports that nobody listens on."""
    for _ in range(100):
        first = random.randrange(20000, 30000)
        try:
            servers = [socket.create_server(("127.0.0.1", first + i)) for i in range(count)]
        except OSError:
            continue
        for server in servers:
            server.close()
        return first
    raise RuntimeError("no free ports")


def write_suite(job):
    job.write("pytest.ini", "[pytest]\naddopts = -p meet\n")
    job.write("meet.py", MEET)
    job.write("conftest.py", FIXTURES)
    for number in range(6):
        job.write(f"test_{number}.py", ALONE)


def together(job, *arguments, code=1):
    """Two nodes with the cache of pytest, which other tests leave out, in one temporary directory."""
    (job.folder / "shared-tmp").mkdir(exist_ok=True)
    return two_nodes(
        job, "--retries", "0", code=code, command=[sys.executable, "-m", "pytest", *arguments],
        TMPDIR=str(job.folder / "shared-tmp"), BASE_PORT=str(free_ports(4)),
    )  # fmt: skip


@pytest.mark.parametrize("basetemp", [[], ["--basetemp=temporary"]])
def test_two_nodes_of_one_checkout_share_nothing_by_accident(job, basetemp):
    write_suite(job)
    failed = {f"test_{number}.py::test_fails" for number in range(6)}
    nodes = together(job, *basetemp)
    assert " 6 failed, 18 passed" in nodes[0].summary(), nodes[0].everything()
    found = seen(job)
    workers = set(found["worker"])
    assert len(workers) == len({worker.split()[0] for worker in workers}), "numbers are unique in the mesh"
    assert len(workers) == len({tuple(worker.split()[1:]) for worker in workers}), "slots on their node"
    assert len(found["path"]) == len(set(found["path"])) == 18
    assert len(found["base"]) == len(set(found["base"])) == len(workers)
    if basetemp:
        assert all(path.startswith(str(job.suite / "temporary")) for path in found["path"])

    cached = job.suite / ".pytest_cache/v/cache/lastfailed"
    assert set(json.loads(cached.read_text())) == failed
    nodes = together(job, "--lf", *basetemp)
    assert " 6 failed, 0 passed" in nodes[0].summary()
    assert set(json.loads(cached.read_text())) == failed


def test_a_given_basetemp_is_cleared_of_what_nodes_before_have_left(job):
    write_suite(job)
    for number in range(6):
        job.write(f"test_{number}.py", "def test_it(tmp_path): (tmp_path / 'file').touch()\n")
    base = job.suite / "temporary"
    together(job, "--basetemp=temporary", code=0)
    first = {path.name for path in base.iterdir()}
    assert len(first) == 2 and len(list(base.rglob("file"))) == 6
    together(job, "--basetemp=temporary", code=0)
    assert len(list(base.iterdir())) == 2 and not first & {path.name for path in base.iterdir()}
    assert len(list(base.rglob("file"))) == 6


def test_workers_that_were_numbered_before_their_nodes_met_are_told_apart_soon(job):
    job.write("test_it.py", """
import os, time, pytest
from pathlib import Path

@pytest.mark.parametrize("i", range(200))
def test_it(i, worker_id):
    with open("seen", "a") as file: print(worker_id, os.environ["DAGZ_NODE"], Path("met").exists(), file=file)
    time.sleep(0.1)
""")  # fmt: skip
    users = [job.folder / f"user-{number}" for number in range(2)]
    nodes = []
    for user in users:
        user.mkdir(mode=0o700)
        # Nodes of two users do not look for each other.
        variables = {name: str(user) for name in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")}
        nodes.append(
            job.start("-n", "2", "--listen", "127.0.0.1", "--no-beacon", "--collect", "whole",
                      DAGZ_SECRET="known to both of these users", **variables)
        )  # fmt: skip
    for node in nodes:
        node.wait_for_progress(4)
    (address,) = (users[0] / "dagz").glob("*.node")
    (users[1] / "dagz" / address.name).write_bytes(address.read_bytes())
    nodes[1].wait_for_error(r"2 nodes")
    (job.suite / "met").touch()
    assert [node.wait() for node in nodes] == [0, 0], nodes[0].everything()

    runs = [line.split() for line in (job.suite / "seen").read_text().splitlines()]
    before = {(worker, node) for worker, node, met in runs if met == "False"}
    assert len({worker for worker, _ in before}) < len(before), "each node counts from 0"
    last = {(worker, node) for worker, node, _ in runs[-24:]}
    assert len({worker for worker, _ in last}) == len(last), "numbers are unique in the mesh"
    assert len({node for _, node in last}) == 2
    assert nodes[0].report() == nodes[1].report()
    # The report names all runs by the numbers that hold in the end.
    report = json.loads(nodes[0].kept_report("json"))
    workers = {(run["worker"], run["node"]) for test in report["tests"] for run in test["attempts"]}
    assert sorted(worker for worker, _ in workers) == [0, 1, 2, 3]
    told = {int(match[8]) for node in nodes for match in node.progress()}
    assert told == {0, 1, 2, 3}
