"""What stands on the console: colours, status lines, and the live area of a terminal."""

import os
import pty
import re
import signal
import sys
import termios
import threading
import time

import pytest

from job import BINARY, PATIENCE, PROGRESS, STATUS, Node, clean_environment, report_of

PASSING = "def test_one(): pass\ndef test_two(): pass\n"
FAILING = PASSING + "def test_three(): assert 0\n"
SLOW = """
import pytest, time
@pytest.mark.parametrize("i", range(12))
def test_slow(i): time.sleep(0.15)
"""

SGR = re.compile("\x1b\\[[0-9;]*m")
GREEN, RED, BLUE = "\x1b[32m", "\x1b[31m", "\x1b[34m"


def text_of(node: Node) -> str:
    return "\n".join(node.lines)


def test_a_job_that_passed_is_green(job):
    job.write("test_it.py", PASSING)
    node = job.start("-n", "1", "--color", "always")
    assert node.wait() == 0
    assert node.lines[0].split(" ", 1)[1].startswith(f"{GREEN}█")
    assert f"{BLUE}█" in node.lines[0] and f"{BLUE}█" not in node.lines[1], "what is left is blue"
    assert f"{GREEN}OK\x1b[0m" in node.lines[0]
    report = [line for line in node.lines if line.startswith(f"{GREEN}")]
    assert SGR.sub("", report[0]).startswith("═══ DAGZ job report")
    assert SGR.sub("", report[-1]).startswith("═══ end of report")
    assert RED not in text_of(node)


def test_a_job_that_failed_is_red(job):
    job.write("test_it.py", FAILING)
    node = job.start("-n", "1", "--retries", "0", "--color", "always")
    assert node.wait() == 1
    last = [line for line in node.lines if "worker #0" in line][2]
    assert f"{RED}█" in last and f"{RED}FAILED\x1b[0m" in last and f"{GREEN}█" in last
    red = [SGR.sub("", line) for line in node.lines if line.startswith(RED)]
    assert red[0].startswith("═══ DAGZ job report") and red[-1].startswith("═══ end of report")
    assert red[1].startswith("FAILED   test_it.py::test_three")


@pytest.mark.parametrize(
    "options, variables, colored",
    [
        ([], {}, False),
        ([], {"FORCE_COLOR": "1"}, True),
        ([], {"CLICOLOR_FORCE": "1"}, True),
        ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ([], {"CLICOLOR_FORCE": "0"}, False),
        ([], {"FORCE_COLOR": "false"}, False),
        ([], {"FORCE_COLOR": "0", "CLICOLOR_FORCE": "1"}, False),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        (["--color", "never"], {"FORCE_COLOR": "1"}, False),
        ([], {"DAGZ_COLOR": "always"}, True),
    ],
)
def test_who_decides_on_colours(job, options, variables, colored):
    job.write("test_it.py", PASSING)
    node = job.start("-n", "1", *options, **variables)
    assert node.wait() == 0
    assert bool(SGR.search(text_of(node))) == colored


def test_a_pipe_gets_neither_colours_nor_cursor_movement(job):
    job.write("test_it.py", SLOW)
    node = job.start("-n", "2", "--status-interval", "0.2s", TERM="xterm")
    assert node.wait() == 0
    assert "\x1b" not in text_of(node) + node.errors and "\r" not in text_of(node)


def test_a_status_line_for_each_worker_and_interval(job):
    job.write("test_it.py", SLOW)
    nodes = [job.start("-n", "2", "--status-interval", "0.3s") for _ in range(2)]
    assert [node.wait() for node in nodes] == [0, 0]
    told = [[match for match in map(STATUS.match, node.lines) if match] for node in nodes]
    for node, statuses in zip(nodes, told):
        assert len(statuses) == sum(" Worker #" in line for line in node.lines), text_of(node)
    scheduler = max(told, key=len)
    assert len(scheduler) >= 4
    workers = [int(match["worker"]) for match in scheduler]
    # In worker order each time; the second node may join after the first lines.
    rounds = re.findall("01(?:23)?", "".join(map(str, workers)))
    assert "".join(rounds) == "".join(map(str, workers)) and "0123" in rounds
    for match in scheduler:
        assert int(match["done"]) + int(match["left"]) == int(match["all"])
    assert any(match["state"] == "Active" and match["test"] for match in scheduler)


def run_in_a_terminal(job, *options: str, **variables: str) -> str:
    """What a terminal gets to see of a node."""
    controller, terminal = pty.openpty()
    node = job.start(*options, stdout=terminal, **{"TERM": "xterm", **variables})
    os.close(terminal)
    chunks = []

    def read() -> None:
        try:
            while chunk := os.read(controller, 65536):
                chunks.append(chunk)
        except OSError:
            pass  # the terminal's other side is closed

    reader = threading.Thread(target=read)
    reader.start()
    assert node.wait() == 0, node.errors
    reader.join(PATIENCE)
    os.close(controller)
    return b"".join(chunks).decode()


def test_a_terminal_gets_a_live_area_instead_of_status_lines(job):
    job.write("test_it.py", SLOW)
    shown = run_in_a_terminal(job, "-n", "2", "--status-interval", "0.2s")
    assert re.search("\x1b\\[\\d+A\r\x1b\\[J", shown), "the cursor moves up to draw again"
    assert " Worker #1 [" in shown
    # What stays on the screen at the end has no line of the live area.
    kept = SGR.sub("", shown[shown.rindex("\x1b[J") :])
    assert " Worker #" not in kept and "═══ end of report" in kept


@pytest.mark.parametrize("variables", [{"CI": "true"}, {"TERM": "dumb"}])
def test_no_live_area_in_ci_or_where_the_cursor_cannot_move(job, variables):
    job.write("test_it.py", SLOW)
    shown = run_in_a_terminal(job, "-n", "2", "--status-interval", "0.3s", **variables)
    assert "\x1b[J" not in shown and not re.search("\x1b\\[\\d*A", shown)
    assert " Worker #0 [" in SGR.sub("", shown)


def test_usr1_tells_what_runs_now(job):
    job.write("test_it.py", "import time\ndef test_long(): time.sleep(6)\ndef test_other(): time.sleep(6)\n")
    nodes = [job.start("-n", "2", "--retries", "0") for _ in range(2)]
    for node in nodes:
        node.wait_for_error("2 nodes after")
    told = None
    deadline = time.monotonic() + PATIENCE
    while told is None and time.monotonic() < deadline:
        for node in nodes:
            node.send(signal.SIGUSR1)
        time.sleep(0.3)
        lines = [line for node in nodes for line in node.error_lines]
        running = [re.fullmatch(r"dagz: worker #\d on node-\d: (\d+\.\d)s (test_it.py::\w+)", line) for line in lines]
        names = {match[2] for match in running if match and float(match[1]) > 0.5}
        told = lines if len(names) == 2 else None
    assert told is not None, nodes[0].everything()
    assert any(re.fullmatch(r"dagz: running after \d\d:\d\d:\d\d\.\d{3}:", line) for line in told)
    assert any(re.fullmatch(r"dagz: worker #\d on node-\d: Idle", line) for line in told)
    assert [node.wait() for node in nodes] == [0, 0]


def start_on_a_terminal(job, *options: str) -> tuple[int, int]:
    """A node whose terminal this is: its process, and the terminal's other side."""
    command = [BINARY, "run", "-n", "1", "--job", job.key, "--no-beacon", "--state-dir", str(job.folder / "state")]
    command += [*options, "--", sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    environment = {**clean_environment(job.folder / "user"), "TERM": "xterm"}
    pid, controller = pty.fork()
    if pid == 0:
        os.chdir(job.suite)
        os.execve(command[0], command, environment)
    return pid, controller


def test_the_third_interrupt_leaves_a_terminal_that_echoes(job):
    job.write("test_it.py", "import time\ndef test_long(): time.sleep(60)\n")
    pipe = job.folder / "pipe"
    os.mkfifo(pipe)
    # The node waits for a reader of this pipe when it is killed.
    pid, controller = start_on_a_terminal(job, "--junit", str(pipe))
    shown = b""
    for sign in (b"Active", b"interrupted: what runs may finish", b"interrupted again"):
        while sign not in shown:
            shown += os.read(controller, 65536)
        os.write(controller, b"\x03")
    _, status = os.waitpid(pid, 0)
    modes = termios.tcgetattr(controller)[3]
    os.close(controller)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGINT, shown.decode()
    assert modes & termios.ECHO and modes & termios.ICANON


def test_t_on_a_terminal_tells_what_runs_now(job):
    job.write("test_it.py", "import time\ndef test_long(): time.sleep(4)\n")
    pid, controller = start_on_a_terminal(job)
    shown = b""
    try:
        while chunk := os.read(controller, 65536):
            shown += chunk
            if b"Active" in chunk and b"running after" not in shown:
                os.write(controller, b"t")
    except OSError:
        pass  # the terminal's other side is closed
    _, status = os.waitpid(pid, 0)
    os.close(controller)
    assert os.waitstatus_to_exitcode(status) == 0, shown.decode()
    assert re.search(r"worker #0 on node-0: \d\.\ds test_it.py::test_long", shown.decode())


def read_whole(descriptor: int) -> list[str]:
    with open(descriptor, encoding="utf-8") as stream:
        return stream.read().splitlines()


def test_a_reader_of_stdout_that_stands_still_holds_nobody_up(job):
    job.write("test_it.py", "import pytest\n@pytest.mark.parametrize('i', range(1500))\ndef test_many(i): pass\n")
    reader, writer = os.pipe()
    stalled = job.start("-n", "1", stdout=writer)
    os.close(writer)
    stalled.address()  # the elder: it schedules, and prints the progress of all
    other = job.start("-n", "1")
    assert other.wait() == 0, other.everything()
    assert "0 lost nodes" in "\n".join(other.report()), "the stalled node has answered all along"
    lines = read_whole(reader)
    assert stalled.wait() == 0, stalled.errors
    assert len([line for line in lines if PROGRESS.match(line)]) == 1500
    assert sum(map(len, lines)) > 2 * 65536, "more than a pipe holds"
    assert report_of(lines) == other.report()


def test_a_stalled_stdout_and_a_stalled_stderr_in_one_pipe(job):
    job.write("test_it.py", "import pytest\n@pytest.mark.parametrize('i', range(1500))\ndef test_many(i): pass\n")
    reader, writer = os.pipe()
    node = job.start("-n", "1", prefix=["sh", "-c", 'exec "$@" 2>&1', "sh"], stdout=writer)
    os.close(writer)
    other = job.start("-n", "1")
    assert other.wait() == 0, other.everything()
    assert "0 lost nodes" in "\n".join(other.report())
    lines = read_whole(reader)
    assert node.wait() == 0
    assert report_of(lines) == other.report()
    assert lines[0].startswith("dagz: job "), "in the order in which it was said"


def node_that_waits_for_its_reader(job):
    """One whose job is over, with more to say than a pipe holds. Returns it and the pipe."""
    job.write("test_it.py", "import pytest\n@pytest.mark.parametrize('i', range(1500))\ndef test_many(i): pass\n")
    reader, writer = os.pipe()
    junit = job.folder / "junit.xml"
    node = job.start("-n", "1", "--junit", str(junit), stdout=writer)
    os.close(writer)
    deadline = time.monotonic() + PATIENCE
    while not junit.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert junit.exists(), node.everything()
    return node, reader


def test_output_at_the_end_waits_for_its_reader_whatever_else_is_asked(job):
    node, reader = node_that_waits_for_its_reader(job)
    node.send(signal.SIGUSR1)
    time.sleep(1)  # it waits for its reader by then
    assert report_of(read_whole(reader))[-1].startswith("═══ end of report")
    assert node.wait() == 0 and "nobody reads" not in node.errors


def test_output_that_nobody_reads_at_the_end_is_given_up_by_a_signal(job):
    node, reader = node_that_waits_for_its_reader(job)
    began = time.monotonic()
    node.send(signal.SIGINT)
    assert node.wait() == 0
    assert time.monotonic() - began < 8, "the limit for those that read nothing is not waited for"
    os.close(reader)
    assert "nobody reads standard output any more: the rest of it is lost" in node.errors


def test_events_into_a_pipe_that_nobody_reads_are_a_usage_error(job):
    job.write("test_it.py", PASSING)
    pipe = job.folder / "pipe"
    os.mkfifo(pipe)
    node = job.start("-n", "1", "--events", str(pipe))
    assert node.wait() == 4
    assert "cannot be opened for writing: nobody reads it" in node.errors
