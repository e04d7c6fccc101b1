"""The driver among other plug-ins: what they see of the tests, and which of them must stand back."""

import importlib.util
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_agent import Agent  # noqa: E402


def has(name):
    return importlib.util.find_spec(name) is not None


# ---- what other plug-ins see -------------------------------------------------------------------


def test_junit_xml_of_the_zygote(write):
    suite = write(
        test_j="""
        import os, pytest
        def test_pass(record_property):
            record_property("key", "value")
            record_property("odd", {1, 2})
        def test_fail(): assert 0, "the reason"
        def test_skip(): pytest.skip("not now")
        @pytest.fixture
        def broken(): 1 / 0
        def test_error(broken): pass
        def test_crash(): os._exit(1)
        """
    )
    agent = Agent(suite, "--junitxml=out.xml", workers=2).run()
    assert agent.collected["replay"] is True
    root = ElementTree.parse(str(suite / "out.xml")).getroot()
    cases = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert cases == {
        "test_pass": ["properties"],
        "test_fail": ["failure"],
        "test_skip": ["skipped"],
        "test_error": ["error"],
        "test_crash": ["failure"],
    }
    assert "passed" not in agent.output and "FAILURES" not in agent.output
    assert "generated xml file" in agent.output


def test_summaries_of_other_plugins(write):
    suite = write(
        conftest="""
        import os
        where = os.getpid()
        seen = []
        def pytest_runtest_logreport(report):
            if os.getpid() == where and report.when == "call":
                seen.append(report.nodeid + ":" + report.worker_id)
        def pytest_terminal_summary(terminalreporter, exitstatus):
            stats = {key: len(value) for key, value in terminalreporter.stats.items() if key}
            terminalreporter.write_line("mine: %d %r %r" % (exitstatus, sorted(stats.items()), sorted(seen)))
        def pytest_sessionfinish(session, exitstatus):
            with open("finish", "a") as log:
                log.write("%d;" % exitstatus)
        """,
        test_s="def test_a(): pass\ndef test_b(): assert 0\n",
    )
    agent = Agent(suite).run()
    assert "mine: 1 [('failed', 1), ('passed', 1)]" in agent.output
    assert "test_s.py::test_a:gw3" in agent.output
    for silent in ("short test summary", "FAILURES", "1 passed", "%]", "test_s.py ."):
        assert silent not in agent.output
    assert (suite / "finish").read_text() == "1;"
    assert agent.finished == 1


def test_html_report(write):
    if not has("pytest_html"):
        pytest.skip("pytest-html is not installed")
    suite = write(test_h="def test_a(): pass\ndef test_b(): assert 0, 'html reason'\n")
    agent = Agent(suite, "-q", "--html=out.html", "--self-contained-html", workers=2, plugins=True).run()
    assert len(agent.done) == 2
    text = (suite / "out.html").read_text()
    assert "html reason" in text and "test_h.py::test_a" in text


def test_hypothesis_statistics(write):
    if not has("hypothesis"):
        pytest.skip("hypothesis is not installed")
    suite = write(
        test_h="""
        from hypothesis import given, strategies
        @given(strategies.integers())
        def test_given(i): pass
        def test_plain(): pass
        """
    )
    agent = Agent(suite, "-q", "--hypothesis-show-statistics", plugins=True).run()
    assert len(agent.done) == 2
    assert "test_h.py::test_given:" in agent.output and "passing, 0 failing" in agent.output


def test_durations_are_shown_on_request(write):
    suite = write(test_d="import time\ndef test_slow(): time.sleep(0.05)\n")
    agent = Agent(suite, "-q", "--durations=3").run()
    assert "slowest 3 durations" in agent.output and "test_slow" in agent.output


@pytest.mark.parametrize(
    "options", ["--durations=0 --durations-min=1", "--durations=4 --durations-min=1", "--durations=0 -vv"]
)
def test_durations_are_those_of_pytest_alone(write, options):
    suite = write(test_d="import time\ndef test_slow(): time.sleep(1.1)\ndef test_quick(): pass\n")
    options = options.split()
    agent = Agent(suite, *options, plugins=True).run()
    alone = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options], cwd=suite, capture_output=True, text=True
    )

    def shown(text):
        lines = text[text.index(" durations ") :].splitlines()[1:]
        return sorted(line.partition("s ")[2] or line for line in lines if "hidden" in line or "::" in line)

    assert len(shown(alone.stdout)) in (2, 6)
    assert shown(agent.output) == shown(alone.stdout)


def test_last_failed(write):
    suite = write(test_l="def test_a(): assert 0\ndef test_b(): pass\ndef test_c(): assert 0\n")
    Agent(suite, "-q").run()
    again = Agent(suite, "-q", "--lf").run()
    assert sorted(again.outcomes()) == ["test_a", "test_c"]
    write(test_l="def test_a(): pass\ndef test_b(): pass\ndef test_c(): assert 0\n")
    assert Agent(suite, "-q").run().finished == 1
    assert sorted(Agent(suite, "-q", "--lf").run().outcomes()) == ["test_c"]


def test_xdist_is_neutralised(write):
    if not has("xdist"):
        pytest.skip("pytest-xdist is not installed")
    suite = write(
        test_x="""
        import xdist
        def test_x(request, worker_id):
            assert worker_id == "gw3"
            assert xdist.is_xdist_worker(request) and not xdist.is_xdist_controller(request)
        """
    )
    agent = Agent(suite, "-q", "-n", "2", plugins=True).run()
    assert agent.outcomes() == {"test_x": "passed"}, agent.done
    assert "-n" in agent.hello["notes"][0]


def test_debuggers_are_neutralised(write):
    agent = Agent(write(test_p="def test_p(): assert 0\n"), "-q", "--pdb").run()
    assert agent.outcomes() == {"test_p": "failed"}
    assert "--pdb" in agent.hello["notes"][0]


@pytest.mark.parametrize(
    "option, words", [("-rA", ["-rp, -rP", "-r prints"]), ("-ra", ["-r prints"]), ("-rp", ["-rp, -rP"]), ("-rfE", [])]
)
def test_summaries_that_there_are_not(write, option, words):
    notes = Agent(write(test_p="def test_p(): pass\n"), "-q", option).run().hello["notes"]
    assert len(notes) == len(words) and all(note.startswith(word) for note, word in zip(notes, words)), notes


@pytest.mark.parametrize("option", ["--sw", "--stepwise-skip"])
def test_stepwise_is_told_to_be_ignored_and_its_memory_is_left_alone(write, option):
    suite = write(test_p="def test_a(): pass\ndef test_b(): assert 0\ndef test_c(): pass\n")
    plain = [sys.executable, "-m", "pytest", "-q", "--sw"]
    subprocess.run(plain, cwd=suite, env=dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"))
    (kept,) = suite.glob(".pytest_cache/v/cache/stepwise")
    before = kept.read_text()
    assert "test_p.py::test_b" in before
    agent = Agent(suite, "-q", option).run()
    assert agent.outcomes() == {"test_a": "passed", "test_b": "failed", "test_c": "passed"}
    assert [note for note in agent.hello["notes"] if "--stepwise is ignored" in note]
    assert kept.read_text() == before


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_conftest_may_hand_things_to_workers_as_under_xdist(write, method):
    suite = write(
        conftest="""
        import itertools, pytest
        numbers = itertools.count()
        @pytest.hookimpl(optionalhook=True)
        def pytest_configure_node(node):
            assert not hasattr(node.config, "workerinput")
            node.workerinput["database"] = "%s-%d" % (node.gateway.id, next(numbers))
        @pytest.hookimpl(optionalhook=True)
        def pytest_testnodedown(node, error):
            with open("down", "a") as file:
                file.write("%s %s\\n" % (node.workerinput["database"], error))
        """,
        test_p="""
        import os, pytest
        @pytest.mark.parametrize("i", range(4))
        def test_it(i, request, record_property):
            record_property("database", request.config.workerinput["database"])
            if i == 1:
                os._exit(7)
        """,
    )
    agent = Agent(suite, "-q", env={"DAGZ_DRIVER_START": method}).run()
    assert len(agent.done) == 3
    assert sorted({message["p"][0][1] for _, message in agent.done}) == ["gw3-0", "gw4-1"]
    assert sorted((suite / "down").read_text().splitlines()) == ["gw3-0 crashed", "gw4-1 None"]


def test_plug_ins_are_left_alone_by_what_is_for_conftests(write):
    suite = write(
        plug="""
        import pytest
        @pytest.hookimpl(optionalhook=True)
        def pytest_configure_node(node): raise RuntimeError("no node of mine")
        """,
        test_p="def test_it(): pass\n",
    )
    assert Agent(suite, "-q", "-p", "plug", env={"PYTHONPATH": "."}).run().outcomes() == {"test_it": "passed"}


@pytest.mark.parametrize("options, word", [
    (["-s"], "-s and --capture=tee-sys show nothing"),
    (["--capture=tee-sys"], "-s and --capture=tee-sys show nothing"),
    (["--setup-show"], "--setup-show shows nothing"),
    (["--pdb"], "run the test with pytest alone"),
    (["--ff"], "--lf runs only what failed"),
    (["--nf"], "--lf runs only what failed"),
    (["-q", "--lf", "--tb=short", "-v"], None),
])
def test_what_has_no_effect_is_told_with_the_way_out(write, options, word):
    suite = write(test_p="def test_a(): pass\n")
    agent = Agent(suite, *options).run()
    assert agent.outcomes() == {"test_a": "passed"}
    notes = agent.hello["notes"]
    assert [word in note for note in notes] == ([True] if word else [])


# ---- speed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_throughput_is_told(write, workers, record_property, capsys):
    files, each = (100, 200) if os.environ.get("DAGZ_FULL_SPEED_TEST") else (10, 100)
    body = "".join("def test_%d(): pass\n" % n for n in range(each))
    suite = write(**{"test_%02d" % n: body for n in range(files)})
    agent = Agent(suite, "-q", workers=workers, window=50).run()
    assert len(agent.done) == files * each
    assert {message["o"] for _, message in agent.done} == {"passed"}
    seconds = agent.last_test - agent.first_test
    record_property("ms_per_test", 1000 * seconds / len(agent.done))
    with capsys.disabled():
        print(" %d workers: %.3f ms per test " % (workers, 1000 * seconds / len(agent.done)), end="")


GARBAGE = {"size": b"\xff" * 64, "data": b"\0\0\0\1i" * 8, "fields": b"\0\0\0\5(\1\0\0\0N"}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_in_place_of_reports_costs_plug_ins_that_worker(write, kind):
    suite = write(
        test_g="""
        import os, socket
        def write(garbage):
            for fd in map(int, os.listdir("/proc/self/fd")):
                try:
                    with socket.socket(fileno=os.dup(fd)) as sock:
                        if sock.family == socket.AF_UNIX and not sock.getpeername():
                            sock.send(garbage)
                except OSError:
                    pass
        def test_writes(): write(%r)
        def test_b(): pass
        def test_c(): pass
        """
        % (GARBAGE[kind],)
    )
    agent = Agent(suite, "-q", "--junitxml=j.xml").run()
    assert agent.outcomes() == {"test_writes": "passed", "test_b": "passed", "test_c": "passed"}
    assert agent.finished == 0 and "are garbled" in agent.output


def test_a_suite_that_ignores_the_end_of_its_children(write):
    suite = write(
        conftest="import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n",
        test_a="def test_a(): pass\n",
    )
    agent = Agent(suite, "-q").run()
    assert agent.outcomes() == {"test_a": "passed"} and agent.returncode == 0
