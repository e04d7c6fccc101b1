"""Tests that do their worst to the process that runs them: each costs itself only."""

import json
import os
import re
import time

from job import same_report

# These end the process of the worker.
ENDING = r"""
import ctypes, faulthandler, os, resource, signal, sys, pytest
def test_exits_at_once(): os._exit(0)
def test_exits_with_a_code(): os._exit(7)
@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL",
    "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "XCPU", "XFSZ"])
def test_dies_of(name):
    number = getattr(signal, "SIG" + name)
    if name != "KILL": signal.signal(number, signal.SIG_DFL)
    faulthandler.disable()
    os.kill(os.getpid(), number)
def test_aborts(): os.abort()
def test_reads_nothing(): ctypes.string_at(0)
def test_overflows_the_stack():
    sys.setrecursionlimit(10 ** 6)
    # Python counts on what there was at its start.
    resource.setrlimit(resource.RLIMIT_STACK, (1 << 18, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    deeper = ctypes.CFUNCTYPE(None)(lambda: deeper())
    deeper()
def test_kills_its_group(): os.killpg(0, signal.SIGKILL)
def test_closes_everything(): os.closerange(0, 4096)
"""

# These fail or have an error, and the worker lives on.
FAILING = r"""
import asyncio, os, resource, sys, pytest
def test_eats_memory():
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, hard))
    try: held = [bytearray(1 << 26) for _ in range(1 << 10)]
    finally: resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
def test_leaves_by_sys_exit(): sys.exit(5)
def test_leaves_by_system_exit(): raise SystemExit
def test_raises_a_base_exception():
    class Odd(BaseException): pass
    raise Odd("odd")
def test_raises_what_cannot_be_told():
    class Mute(Exception):
        def __str__(self): raise RuntimeError("no words")
        __repr__ = __str__
    raise Mute
def test_recurses():
    def deeper(): deeper()
    deeper()
def test_chains_exceptions():
    last = None
    for number in range(300):
        try: raise ValueError(number) from last
        except ValueError as error: last = error
    raise last
def test_fills_the_log_with_escapes():
    print("\x1b[2J\x1b[31m\x1b]0;title\x07\r" * 1000)
    assert 0
def test_prints_no_utf8():
    os.write(1, bytes(range(256)) * 100)
    assert 0
def test_floods():
    line = b"flood " * 16 + b"\n"
    for _ in range(1000): os.write(1, line * 1000)
    assert 0
@pytest.fixture
def no_setup(): os.write(2, b"\xff"); raise SystemExit(1)
def test_has_no_setup(no_setup): pass
"""

# These pass and leave a mess.
PASSING = r"""
import builtins, gc, os, shutil, signal, subprocess, sys, tempfile, threading, time, pytest
def test_closes_the_standard_streams(): os.close(0); os.close(1); os.close(2)
def test_leaves_a_child(): subprocess.Popen(["sleep", "1003"])
def test_leaves_a_session(): subprocess.Popen(["sleep", "1003"], start_new_session=True)
def test_leaves_a_grandchild():
    subprocess.run(["sh", "-c", "setsid sleep 1003 & setsid sleep 1003 &"])
def test_leaves_a_daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: os.execvp("sleep", ["sleep", "1003"])
        os._exit(0)
    os.wait()
def test_leaves_a_thread(): threading.Thread(target=time.sleep, args=(1003,)).start()
def test_leaves_a_daemon_thread():
    threading.Thread(target=time.sleep, args=(1003,), daemon=True).start()
def test_leaks_descriptors():
    for _ in range(200): os.open(os.devnull, os.O_RDONLY)
def test_loses_its_directory():
    gone = tempfile.mkdtemp()
    home = os.getcwd()
    os.chdir(gone)
    shutil.rmtree(gone)
def test_forks_into_pytest():
    child = os.fork()
    if child: assert os.waitpid(child, 0)[1] != 0
def test_replaces_the_streams():
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None
def test_ignores_all_signals():
    # Without SIGCHLD, which would keep later tests of this process from waiting for children.
    for number in set(range(1, 32)) - {signal.SIGCHLD}:
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
def test_changes_the_environment():
    for name in list(os.environ): del os.environ[name]
def test_stops_the_clocks():
    time.time = time.perf_counter = time.monotonic = time.process_time = lambda: 0.0
def test_stops_collecting_garbage(): gc.disable(); gc.set_threshold(0)
def test_takes_json_away():
    import json, os as system, socket
    json.dumps = json.loads = socket.socket = None
    system.getpid = lambda: 1
def test_prints_much_and_passes(): os.write(1, b"x" * 1_000_000)
def test_deletes_its_file():
    # Once both nodes have read it.
    while len([name for name in os.listdir(os.path.dirname(__file__)) if name.startswith("collected")]) < 2:
        time.sleep(0.01)
    os.remove(__file__)
def test_changes_the_umask(): os.umask(0o777)
"""

# A node has collected its files.
GATE = """
import os
def pytest_collection_finish(session): (session.config.rootpath / f"collected-{os.getpid()}").touch()
"""

# These end only when they are ended.
HANGING = r"""
import signal, threading, time, pytest
def deaf():
    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
def sleep_for_ever():
    deaf()
    time.sleep(1003)
def test_hangs_in_python():
    deaf()
    while True: pass
def test_hangs_in_c(): sleep_for_ever()
def test_hangs_on_a_lock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
@pytest.fixture
def late():
    sleep_for_ever()
def test_hangs_in_setup(late): pass
@pytest.fixture
def never_ending():
    yield
    sleep_for_ever()
def test_hangs_in_teardown(never_ending): pass
"""

# These end or stop the process that all workers of a node come from.
PARENT = r"""
import os, signal, subprocess, time, pytest
@pytest.mark.parametrize("name", ["KILL", "TERM", "SEGV"])
def test_ends_its_parent(name):
    os.kill(os.getppid(), getattr(signal, "SIG" + name))
    time.sleep(60)
"""
STOPPING = r"""
import os, signal, pytest
def test_stops_its_parent(): os.kill(os.getppid(), signal.SIGSTOP)
def test_stops_its_parent_and_dies():
    os.kill(os.getppid(), signal.SIGSTOP)
    os.abort()
"""

# What stays is named. A fixture of wider scope may keep what it has started.
LEAVING = r"""
import os, subprocess, threading, time, pytest
def sleep(**more): return subprocess.Popen(["sleep", "1003"], **more)
def test_leaves_nothing(): subprocess.run(["true"])
def test_child(): sleep()
def test_session(): sleep(start_new_session=True)
def test_orphan(): subprocess.run(["sh", "-c", "setsid sleep 1003 & sleep 0.2"])
def test_thread(): threading.Thread(target=time.sleep, args=(1003,), name="idler", daemon=True).start()
def test_files():
    for _ in range(3): os.open(os.devnull, os.O_RDONLY)
def test_fails():
    sleep()
    assert 0
@pytest.fixture(scope="module")
def server():
    child = sleep()
    yield
    child.kill()
    child.wait()
def test_with_a_server(server): pass
"""

GOOD = """
import pytest, time
@pytest.mark.parametrize('i', range(20))
def test_good(i): time.sleep(0.005)
"""


def told_tests(job):
    report = json.loads(job.nodes[0].kept_report("json"))
    assert report["counts"]["unfinished"] == 0
    return {test["id"]: test for test in report["tests"]}


def run_with_good_tests(job, hostile, *options):
    """Runs hostile files on two nodes among good ones; returns the hostile tests' verdicts."""
    for name, text in hostile.items():
        job.write(name, text)
    for number in range(3):
        job.write(f"test_good_{number}.py", GOOD)
    codes = job.run(2, "-n", "2", *options)
    same_report(job.nodes)
    tests = told_tests(job)
    good = [test["verdict"] for name, test in tests.items() if "::test_good" in name]
    assert len(good) == 60 and set(good) == {"OK"}
    bad = {name: test for name, test in tests.items() if "::test_good" not in name}
    return codes, bad


def verdicts(tests):
    return {name.split("::")[1]: test["verdict"] for name, test in tests.items()}


def left_over():
    """Processes of the tests here that sleep on."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                if file.read() == b"sleep\x001003\x00":
                    found.append(entry)
        except OSError:
            pass
    return found


def test_tests_that_end_their_process(job):
    codes, tests = run_with_good_tests(job, {"test_ending.py": ENDING}, "--retries", "0")
    assert codes == [1, 1]
    found = verdicts(tests)
    assert len(found) == 24
    assert {name for name, verdict in found.items() if verdict != "CRASHED"} == set(), found


def test_tests_that_fail_in_every_way(job):
    codes, tests = run_with_good_tests(job, {"test_failing.py": FAILING}, "--retries", "0")
    assert codes == [1, 1]
    found = verdicts(tests)
    assert len(found) == 11
    assert set(found.values()) <= {"FAILED", "ERROR"}, found
    for node in job.nodes:
        assert not re.search("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]", "\n".join(node.lines))


def test_tests_that_pass_and_leave_a_mess(job):
    before = left_over()
    job.write("conftest.py", GATE)
    codes, tests = run_with_good_tests(job, {"test_passing.py": PASSING}, "--retries", "0")
    assert {name: test for name, test in tests.items() if test["verdict"] != "OK"} == {}
    assert len(tests) == 19
    assert codes == [0, 0]
    deadline = time.monotonic() + 5
    while set(left_over()) - set(before) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert set(left_over()) - set(before) == set()


def test_tests_that_hang(job):
    codes, tests = run_with_good_tests(
        job, {"test_hanging.py": HANGING}, "--retries", "0", "--test-timeout", "2", "--grace", "1"
    )
    assert codes == [1, 1]
    found = verdicts(tests)
    assert len(found) == 5
    assert set(found.values()) == {"TIMEOUT"}, found
    # The stacks of each hung test are shown on every node.
    for node in job.nodes:
        text = "\n".join(node.lines)
        names = ("test_hangs_in_python", "sleep_for_ever", "test_hangs_on_a_lock", "late")
        for function in (*names, "never_ending"):
            assert re.search(rf"File .*test_hanging.py.* in {function}", text), function


def test_a_file_that_hangs_as_it_is_imported(job):
    job.write("test_import.py", "import time\ndef sleep_for_ever():\n    time.sleep(1003)\nsleep_for_ever()\n")
    options = ("--collect", "shared", "--test-timeout", "200ms", "--grace", "1")
    codes, _ = run_with_good_tests(job, {}, *options)
    assert codes == [1, 1]
    text = "\n".join(job.nodes[0].lines)
    assert "to collect this file took longer than 2.0s and was ended" in text
    assert re.search(r"File .*test_import.py.* in sleep_for_ever", text)


def test_tests_that_end_their_parent(job):
    codes, tests = run_with_good_tests(job, {"test_parent.py": PARENT}, "--retries", "0")
    assert codes == [1, 1]
    assert set(verdicts(tests).values()) == {"CRASHED"} and len(tests) == 3, tests
    text = "\n".join(same_report(job.nodes))
    for name in ("SIGKILL", "SIGTERM", "SIGSEGV"):
        assert f"the runner died with it: {name}" in text
    errors = "\n".join(node.errors for node in job.nodes)
    assert re.search(r"^dagz: the runner died \(SIGKILL\) while .*; it is started again", errors, re.M)


def test_a_file_that_ends_its_parent_as_it_is_imported(job):
    job.write("test_import.py", "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nsignal.pause()\n")
    codes, _ = run_with_good_tests(job, {}, "--collect", "shared")
    assert codes == [1, 1]
    failures = "\n".join(job.nodes[0].lines)
    assert "test_import.py" in failures and "the runner died with it: SIGKILL" in failures


def test_tests_that_stop_their_parent(job):
    codes, tests = run_with_good_tests(job, {"test_stopping.py": STOPPING}, "--retries", "0")
    assert codes == [1, 1]
    assert verdicts(tests) == {
        "test_stops_its_parent": "OK",
        "test_stops_its_parent_and_dies": "CRASHED",
    }


def test_a_stopped_parent_holds_up_no_reports(job):
    """Workers send them to it, for plug-ins of its session, and wait when it does not read."""
    job.write("test_a.py", "import os, signal\ndef test_stops(): os.kill(os.getppid(), signal.SIGSTOP)\n")
    job.write("test_b.py", "import pytest\n@pytest.mark.parametrize('i', range(300))\n"
              "def test_talks(i): print('x' * 9000)\n")
    node = job.start("-n", "1", pytest=["--junitxml=own.xml"])
    assert node.wait() == 0
    assert "301 passed" in node.summary()
    assert (job.suite / "own.xml").read_text().count("<testcase") == 301


def test_what_tests_leave_behind_is_named(job):
    _, tests = run_with_good_tests(job, {"test_leaving.py": LEAVING}, "--retries", "0")
    told = {name.split("::")[1]: test["attempts"][0].get("message", "") for name, test in tests.items()}
    process = r"1 process \(sleep 1003, pid \d+\)"
    expected = {
        "test_leaves_nothing": "",
        "test_child": "left behind: " + process,
        "test_session": "left behind: " + process,
        "test_orphan": r"left behind, without a parent: sleep 1003, pid \d+",
        "test_thread": r"left behind: 1 thread \(idler\)",
        "test_files": "left behind: 3 open files",
        "test_fails": "assert 0",
        "test_with_a_server": "",
    }
    assert told.keys() == expected.keys()
    assert {name: text for name, text in told.items() if not re.fullmatch(expected[name], text)} == {}
    assert re.search("^left behind: " + process, "\n".join(job.nodes[0].lines), re.M)
