"""What a node finds around it and what it leaves behind: commands, directories, signals, a full disk."""

import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from job import BINARY, clean_environment, same_report

SLOW = """
import pytest, time
@pytest.mark.parametrize("i", range(16))
def test_slow(i): time.sleep(0.2)
"""


def test_without_pytest_a_sentence_says_so(job):
    (job.folder / "empty").mkdir()
    node = job.start(command=[], PATH=str(job.folder / "empty"))
    assert node.wait() == 16
    assert node.lines == []
    assert "pytest" in node.error_lines[-1] and "not found" in node.error_lines[-1]


def test_a_node_that_can_run_nothing_says_so_though_the_job_passes(job):
    job.write("test_slow.py", SLOW)
    (job.folder / "empty").mkdir()
    able = job.start("-n", "1")
    able.wait_for_progress()
    unable = job.start(command=[], PATH=str(job.folder / "empty"))
    assert able.wait() == 0, able.errors
    assert unable.wait() == 16
    assert unable.report() == able.report()


def test_a_junit_file_that_cannot_be_written_is_known_before(job):
    job.write("test_one.py", "def test_one(): pass\n")
    node = job.start("--junit", "/proc/nowhere/junit.xml")
    assert node.wait() == 4
    assert node.lines == [] and "--junit: /proc/nowhere/junit.xml cannot be written" in node.errors


@pytest.mark.parametrize("secret", [{}, {"DAGZ_SECRET": "a secret that is long enough"}])
def test_a_mistyped_rendezvous_directory_is_refused(job, secret):
    job.write("test_one.py", "def test_one(): pass\n")
    missing = job.folder / "mistyped"
    node = job.start("--rendezvous", str(missing / "shared"), **secret)
    assert node.wait() == 4
    assert node.lines == [] and len(node.error_lines) == 1
    assert f"there is no directory '{missing}'" in node.errors
    assert not missing.exists()
    # The directory itself is made on first use.
    node = job.start("--rendezvous", str(job.folder / "shared"), **secret)
    assert node.wait() == 0, node.errors


def test_what_a_killed_node_left_behind_is_removed_by_the_next(job):
    job.write("test_slow.py", SLOW)
    place = job.folder / "shared-tmp"
    place.mkdir()
    killed = job.start("-n", "1", TMPDIR=str(place))
    killed.wait_for_progress()
    left = list(place.glob("dagz-*"))
    assert len(left) == 1
    alive = job.start("-n", "1", TMPDIR=str(place))
    alive.wait_for_error("2 nodes after")
    assert left[0].exists(), "its owner is alive"
    killed.send(signal.SIGKILL)
    killed.wait()
    job.key += "-other"
    assert job.start("-n", "1", TMPDIR=str(place), pytest=["--co", "-q"]).wait() == 0
    assert not left[0].exists()
    assert alive.wait() == 0
    assert list(place.glob("dagz-*")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_polite_signal_lets_what_runs_finish(job, number):
    job.write("test_slow.py", SLOW)
    node = job.start("-n", "1")
    node.wait_for_progress()
    node.send(number)
    assert node.wait() == 2
    assert "interrupted: what runs may finish" in node.errors
    assert "INTERRUPTED" in node.summary() and " 0 failed" in node.summary()


def test_nohup_keeps_a_job_running(job):
    job.write("test_slow.py", SLOW)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        node = job.start("-n", "1")
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    node.wait_for_progress()
    node.send(signal.SIGHUP)
    assert node.wait() == 0
    assert "16 passed" in node.summary() and "interrupted" not in node.errors


# A disk of one's own, full from the start or once there is a history.
ON_A_FULL_DISK = """
disk=$1 when=$2; shift 2
mount -t tmpfs -o size=1m none "$disk" || exit 99
if [ "$when" = later ]; then "$@" >/dev/null 2>&1; fi
cat /dev/zero >"$disk/filler" 2>/dev/null
exec "$@"
"""


@pytest.mark.parametrize("when", ["from the start", "later"])
def test_a_full_disk_costs_the_history_and_not_the_job(job, when):
    own = ["unshare", "-Urm"]
    if not shutil.which("unshare") or subprocess.run([*own, "true"], capture_output=True).returncode:
        pytest.skip("no namespaces of one's own here")
    job.write("test_it.py", "def test_one(): pass\ndef test_two(): assert 0\n")
    disk = job.folder / "disk"
    disk.mkdir()
    command = [BINARY, "run", "-n", "1", "--retries", "0", "--job", job.key, "--state-dir", str(disk)]
    ran = subprocess.run(
        [*own, "sh", "-c", ON_A_FULL_DISK, "sh", str(disk), when, *command, "--",
         sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=job.suite, capture_output=True, text=True, timeout=60,
        env=clean_environment(job.folder / "user"),
    )  # fmt: skip
    if ran.returncode == 99:
        pytest.skip("no mounts in a namespace of one's own here")
    assert ran.returncode == 1, ran.stderr
    assert "1 failed, 1 passed" in ran.stdout and "═══ end of report" in ran.stdout
    assert re.search(f"dagz: .*{disk}.*(full|No space left)", ran.stderr), ran.stderr


def test_a_job_whose_nodes_have_no_disk_has_one_report(job):
    job.write("test_slow.py", SLOW)
    nodes = [job.start("-n", "1", "--state-dir", f"/dev/full/{i}") for i in range(2)]
    assert [node.wait() for node in nodes] == [0, 0]
    same_report(nodes)
    assert all("/dev/full" in node.errors for node in nodes)


def test_a_collection_that_hangs_ends_with_the_job(job):
    job.write("conftest.py", "import time\ndef pytest_collection(session): time.sleep(1000)\n")
    job.write("test_it.py", "def test_one(): pass\n")
    began = time.monotonic()
    node = job.start("--deadline", "2s")
    assert node.wait() == 17, node.everything()
    assert time.monotonic() - began < 30
    assert "INCOMPLETE" in node.summary()
    assert "stopped at the deadline" in node.everything()


@pytest.mark.parametrize("collect", ["whole", "shared"])
def test_a_file_that_hangs_while_it_is_collected_has_a_limit(job, collect):
    job.write("test_fine.py", "def test_fine(): pass\n")
    job.write("test_hangs.py", "import time\ntime.sleep(1000)\n")
    node = job.start("-n", "1", "--collect", collect, "--test-timeout", "0.3", "--grace", "1")
    assert node.wait() == 1, node.everything()
    assert "test_hangs.py" in node.everything()
    assert collect == "whole" or "1 passed" in node.summary()


def test_threads_where_workers_are_forked_are_told(job):
    job.write(
        "conftest.py",
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), name='watcher', daemon=True).start()\n",
    )
    job.write("test_it.py", "def test_one(): pass\n")
    node = job.start("-n", "1", pytest=["-n", "2"])
    assert node.wait() == 0, node.everything()
    assert re.search(r"^dagz: \d threads? \(watcher.*\), started by .* workers are started afresh", node.errors, re.M)
    assert "dagz: pytest-xdist's -n/--tx is ignored" in node.errors
