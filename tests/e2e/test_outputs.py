"""Files that a run writes besides its report: events and traces."""

import json
import os
import signal
from xml.etree import ElementTree

import pytest
from job import same_report

SUITE = """
import pathlib, time, pytest
@pytest.mark.parametrize("i", range(20))
def test_ok(i): time.sleep(0.01)
def test_fails(): assert 1 == 2
def test_flaky():
    with open("tries", "a") as file: file.write("+")
    assert len(pathlib.Path("tries").read_text()) > 1
"""


def lines_of(path):
    text = path.read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def of(events, kind):
    return [event for event in events if event["event"] == kind]


def test_every_node_writes_the_events_of_the_whole_job(job):
    job.write("test_it.py", SUITE)
    files = [job.folder / f"events-{i}.jsonl" for i in range(2)]
    nodes = [job.start("-n", "1", "--retries", "1", "--events", str(file)) for file in files]
    assert [node.wait() for node in nodes] == [1, 1]
    same_report(nodes)
    told = []
    for file in files:
        events = lines_of(file)
        opened = of(events, "job_opened")
        assert len(opened) == 1 and opened[0]["retries"] == 1
        assert {e["node"] for e in of(events, "node_joined")} == {"node-0", "node-1"}
        assert of(events, "scheduler_changed")
        finished = of(events, "test_finished")
        assert all({"time_ms", "elapsed_s", "worker", "node", "duration_s"} <= set(e) for e in finished)
        flaky = [e["verdict"] for e in finished if e["test"].endswith("::test_flaky")]
        assert flaky == ["RETRY", "OK_FLAKY"]
        fails = [(e["verdict"], e["attempt"]) for e in finished if e["test"].endswith("::test_fails")]
        assert fails == [("RETRY", 1), ("FAILED", 2)]
        assert events[-1]["event"] == "job_closed"
        assert events[-1]["status"] == "FAILED" and events[-1]["reason"] == "complete"
        counts = events[-1]["counts"]
        assert (counts["passed"], counts["failed"], counts["flaky"], counts["total"]) == (20, 1, 1, 22)
        told.append(sorted((e["test"], e["outcome"], e["node"], e["worker"]) for e in finished))
    assert told[0] == told[1] and len(told[0]) == 24


def test_a_lost_node_is_an_event(job):
    job.write("test_it.py", "import time\nimport pytest\n"
              "@pytest.mark.parametrize('i', range(40))\ndef test_a(i): time.sleep(0.3)\n")
    file = job.folder / "events.jsonl"
    stays = job.start("-n", "1", "--events", str(file), "--affinity", "none")
    goes = job.start("-n", "1", "--affinity", "none")
    goes.wait_for_progress()
    stays.wait_for_progress()
    goes.send(signal.SIGKILL)
    goes.wait()
    assert stays.wait() == 0
    lost = of(lines_of(file), "node_lost")
    assert len(lost) == 1 and lost[0]["node"].startswith("node-") and lost[0]["address"]


@pytest.mark.parametrize("option", ["--events", "--trace"])
def test_a_file_that_cannot_be_written_is_known_before_anything_starts(job, option):
    job.write("test_it.py", "open('ran', 'w')\ndef test_a(): pass\n")
    path = job.folder / "missing" / "file"
    node = job.start(option, str(path))
    assert node.wait() == 4
    assert f"{option}: " in node.errors and str(path) in node.errors
    assert "No such file or directory" in node.errors
    assert not (job.suite / "ran").exists() and not node.lines


def test_a_full_disk_costs_the_events_and_one_notice(job):
    job.write("test_it.py", SUITE)
    node = job.start("-n", "1", "--events", "/dev/full")
    assert node.wait() == 1
    assert "20 passed" in node.summary()
    assert node.errors.count("could not be written any further") == 1


def test_a_limit_of_file_sizes_is_a_full_disk(job):
    job.write("test_it.py", SUITE.replace("range(20)", "range(1500)").replace("time.sleep(0.01)", "pass"))
    junit, events = job.folder / "junit.xml", job.folder / "events.jsonl"
    junit.write_text("old")
    # More than the driver takes, which is written for each run.
    limited = ["bash", "-c", 'ulimit -f 64; exec "$@"', "bash"]
    node = job.start("-n", "1", "--junit", str(junit), "--events", str(events), prefix=limited)
    assert node.wait() == 1, node.everything()
    assert "1500 passed" in node.summary()
    assert node.errors.count(f"the JUnit file {junit} could not be written: File too large") == 1
    assert node.errors.count("could not be written any further: File too large") == 1
    assert junit.read_text() == "old" and lines_of(events)
    assert [path.name for path in job.folder.glob("junit*")] == ["junit.xml"]


def test_standard_output_that_cannot_be_written_is_told_once(job):
    job.write("test_it.py", "import pytest\n@pytest.mark.parametrize('i', range(1500))\ndef test_a(i): pass\n")
    limited = ["bash", "-c", 'ulimit -f 64; exec "$@"', "bash"]
    with open(job.folder / "out", "w") as out:
        node = job.start("-n", "1", prefix=limited, stdout=out.fileno())
        assert node.wait() == 0, node.errors
    assert node.errors.count("standard output could not be written: File too large") == 1
    # Whoever closes a pipe knows it.
    read_end, write_end = os.pipe()
    os.close(read_end)
    node = job.start("-n", "1", stdout=write_end)
    os.close(write_end)
    assert node.wait() == 0 and "standard output" not in node.errors


def test_pytests_own_junit_file_says_what_it_lacks(job):
    job.write("test_it.py", "import time, pytest\n@pytest.mark.parametrize('i', range(20))\n"
                            "def test_it(i): time.sleep(0.1)\n")
    nodes = [job.start("-n", "1", pytest=[f"--junitxml={job.folder}/own-{i}.xml", "--durations=3"]) for i in range(2)]
    assert [node.wait() for node in nodes] == [0, 0]
    for number, node in enumerate(nodes):
        own = len(list(ElementTree.parse(job.folder / f"own-{number}.xml").iter("testcase")))
        assert 0 < own < 20
        for option in ("--junitxml", "--durations"):
            assert f"{option} holds the tests of this node; {20 - own} ran elsewhere" in node.everything()


def test_what_tests_record_is_in_the_junit_file_of_every_node(job):
    job.write("test_it.py", """
import pytest, time
@pytest.fixture(scope="session", autouse=True)
def database(record_testsuite_property):
    record_testsuite_property("database", 8)
@pytest.mark.parametrize("i", range(10))
def test_it(i, record_property):
    record_property("number", i)
    time.sleep(0.05)
""")
    files = [job.folder / f"{i}.xml" for i in range(2)]
    nodes = [job.start("-n", "2", "--junit", str(file)) for file in files]
    assert [node.wait() for node in nodes] == [0, 0]
    assert files[0].read_bytes() == files[1].read_bytes()
    suite = ElementTree.parse(files[0]).find("testsuite")
    of_suite = [(one.get("name"), one.get("value")) for one in suite.find("properties")]
    assert of_suite[0] == ("database", "8") and of_suite.count(("database", "8")) == 1
    of_tests = [(one.get("name"), one.get("value")) for one in suite.findall("testcase/properties/property")]
    assert of_tests == [("number", str(i)) for i in range(10)]
    kept = ElementTree.fromstring(nodes[0].kept_report("junit"))
    assert [one.get("value") for one in kept.iter("property") if one.get("name") == "database"] == ["8"]


def test_the_folder_of_a_junit_file_is_made(job):
    job.write("test_it.py", "def test_a(): pass\n")
    assert job.start("--junit", str(job.folder / "reports/of/x.xml")).wait() == 0
    assert ElementTree.parse(job.folder / "reports/of/x.xml")
    assert job.start("--junit", "here.xml").wait() == 0
    assert (job.suite / "here.xml").exists()
    node = job.start("--junit", str(job.suite / "test_it.py" / "x.xml"))
    assert node.wait() == 4 and "x.xml cannot be written: Not a directory" in node.errors


def test_nodes_that_share_a_file_do_not_spoil_it(job):
    job.write("test_it.py", SUITE)
    file = job.folder / "events.jsonl"
    assert job.run(2, "-n", "1", "--events", str(file)) == [1, 1]
    assert lines_of(file)[-1]["event"] == "job_closed"
    assert sum("another node writes" in node.errors for node in job.nodes) == 1


def test_every_node_writes_the_trace_of_the_whole_job(job):
    job.write("test_it.py", SUITE)
    files = [job.folder / f"trace-{i}.json" for i in range(2)]
    nodes = [job.start("-n", "2", "--retries", "1", "--trace", str(file)) for file in files]
    assert [node.wait() for node in nodes] == [1, 1]
    assert files[0].read_bytes() == files[1].read_bytes()
    events = json.loads(files[0].read_text())["traceEvents"]
    processes = [e["args"]["name"] for e in events if e["name"] == "process_name"]
    assert [name.split()[0] for name in processes] == ["node-0", "node-1"]
    slices = [e for e in events if e["ph"] == "X"]
    assert len(slices) == 24 and all(e["dur"] >= 0 and e["ts"] >= 0 for e in slices)
    named = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    assert {(e["pid"], e["tid"]) for e in slices
} == named
    flaky = sorted((e["args"]["attempt"], e["args"]["outcome"]) for e in slices
                   if e["name"].endswith("::test_flaky"))
    assert flaky == [(1, "failed"), (2, "passed")]


def test_files_are_put_where_links_lead_and_into_pipes(job):
    job.write("test_it.py", SUITE)
    real = job.folder / "real.xml"
    real.write_text("old")
    real.chmod(0o604)
    link, pipe, trace = job.folder / "link.xml", job.folder / "pipe", job.folder / "trace.json"
    link.symlink_to("real.xml")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    trace.symlink_to(pipe)
    assert job.start("-n", "1", "--junit", str(link), "--trace", str(trace)).wait() == 1
    assert link.is_symlink() and trace.is_symlink() and pipe.is_fifo()
    assert ElementTree.parse(real).getroot().tag == "testsuites"
    assert real.stat().st_mode & 0o777 == 0o604
    with os.fdopen(reader) as file:
        assert json.load(file)["traceEvents"]
