"""The driver against real pytest processes: the tests play the agent."""

import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_agent import RUNNERS, Agent, write_driver  # noqa: E402

PYTEST = tuple(int(part) for part in pytest.__version__.split(".")[:2])


def has(name):
    return importlib.util.find_spec(name) is not None


def reports_module():
    spec = importlib.util.spec_from_file_location("reports_under_test", str(RUNNERS / "pytest_reports.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- outcomes ----------------------------------------------------------------------------------


def test_what_tests_record_travels_as_text_and_bounded(write):
    suite = write(
        test_r="""
        class Mute:
            def __str__(self): raise ValueError
        def test_none(): pass
        def test_some(record_property):
            record_property("requirement", "R-7")
            record_property("é", 1.5)
            record_property("mute", Mute())
            assert 0
        def test_many(record_property):
            for i in range(100): record_property("n%d" % i, "x" * i * 100)
        def test_long(record_property): record_property("n" * 1000, "é" * 10000)
        """
    )
    agent = Agent(suite).run()
    assert "p" not in agent.of("::test_none")
    assert agent.of("::test_some")["p"] == [["requirement", "R-7"], ["é", "1.5"], ["mute", "<no text: ValueError>"]]
    many = agent.of("::test_many")["p"]
    assert many[:2] == [["n0", ""], ["n1", "x" * 100]] and 10 < len(many) < 64
    assert agent.of("::test_long")["p"] == [["n" * 256, "é" * 2048]]


def test_outcomes(write):
    suite = write(
        test_o="""
        import pytest, unittest
        def test_pass(): pass
        def test_fail():
            print("some output")
            assert 1 == 2
        def test_skip(): pytest.skip("not today")
        @pytest.mark.skip(reason="marked")
        def test_marked(): pass
        @pytest.mark.xfail(reason="known")
        def test_xfail(): assert 0
        @pytest.mark.xfail
        def test_xpass(): pass
        @pytest.mark.xfail(strict=True, reason="strict one")
        def test_strict(): pass
        @pytest.fixture
        def bad_setup(): raise ValueError("in set-up")
        def test_setup_error(bad_setup): pass
        @pytest.fixture
        def bad_teardown():
            yield
            raise ValueError("in tear-down")
        def test_teardown_error(bad_teardown): pass
        def test_both(bad_teardown): raise KeyError("in call")
        def test_exits(): raise SystemExit(5)
        def test_no_fixture(nowhere): pass
        class TestCase(unittest.TestCase):
            @unittest.expectedFailure
            def test_expected(self): self.fail()
            @unittest.expectedFailure
            def test_unexpected(self): pass
            def test_unit_skip(self): raise unittest.SkipTest("unit reason")
            def test_unit_fail(self): self.assertEqual(1, 2)
            def test_unit_pass(self): pass
        """,
        doc_dot_txt=">>> 1 + 1\n3\n",
        conftest="""
        import pytest
        class Yaml(pytest.File):
            def collect(self):
                yield YamlItem.from_parent(self, name="good")
                yield YamlItem.from_parent(self, name="bad")
        class YamlItem(pytest.Item):
            def runtest(self): assert self.name == "good", "a bad item"
            def reportinfo(self): return self.path, 0, self.name
        def pytest_collect_file(file_path, parent):
            if file_path.suffix == ".yaml":
                return Yaml.from_parent(parent, path=file_path)
        """,
        data_dot_yaml="",
    )
    agent = Agent(suite, "-q", "--doctest-glob=*.txt").run()
    assert agent.outcomes() == {
        "test_pass": "passed",
        "test_fail": "failed",
        "test_skip": "skipped",
        "test_marked": "skipped",
        "test_xfail": "xfailed",
        "test_xpass": "xpassed",
        "test_strict": "failed",
        "test_setup_error": "error",
        "test_teardown_error": "error",
        "test_both": "failed",
        "test_exits": "failed",
        "test_no_fixture": "error",
        "TestCase::test_expected": "xfailed",
        "TestCase::test_unexpected": "failed",
        "TestCase::test_unit_skip": "skipped",
        "TestCase::test_unit_fail": "failed",
        "TestCase::test_unit_pass": "passed",
        "doc.txt": "failed",
        "good": "passed",
        "bad": "failed",
    }
    assert set(agent.paths.values()) == {"test_o.py", "doc.txt", "data.yaml"}
    failed = agent.of("::test_fail")
    assert failed["m"] == "assert 1 == 2"
    assert "some output" in failed["x"] and "Captured stdout call" in failed["x"]
    assert agent.of("::test_skip")["m"] == "not today"
    assert agent.of("::test_marked")["m"] == "marked"
    assert agent.of("::test_xfail")["m"] == "known"
    assert "strict one" in agent.of("::test_strict")["m"]
    assert agent.of("::test_setup_error")["m"] == "ValueError: in set-up"
    assert agent.of("::test_unit_skip")["m"] == "unit reason"
    both = agent.of("::test_both")
    assert both["m"] == "KeyError: 'in call'" and "in tear-down" in both["x"]
    assert "nowhere" in agent.of("::test_no_fixture")["m"]
    passed = agent.of("::test_pass")
    assert "m" not in passed and "x" not in passed
    assert agent.output.strip() == ""
    assert agent.finished == agent.returncode == 1


def test_subtests_fail_their_test(write):
    suite = write(
        test_s="""
        import unittest
        class TestSub(unittest.TestCase):
            def test_some(self):
                for i in range(3):
                    with self.subTest(i=i):
                        self.assertNotEqual(i, 1)
            def test_fine(self):
                with self.subTest(i=0):
                    pass
        """
    )
    with_plugin = has("pytest_subtests") or PYTEST >= (9, 0)
    if with_plugin:
        write(
            test_f="""
            def test_fixture(subtests):
                with subtests.test("one"):
                    assert 0, "the sub-test"
            def test_fixture_fine(subtests):
                with subtests.test("one"):
                    pass
            """
        )
    agent = Agent(suite, "-q", plugins=True).run()
    outcomes = agent.outcomes()
    assert outcomes["TestSub::test_some"] == "failed"
    assert outcomes["TestSub::test_fine"] == "passed"
    if with_plugin:
        assert outcomes["test_fixture"] == "failed"
        assert outcomes["test_fixture_fine"] == "passed"
        some, fixture = agent.of("test_some"), agent.of("test_fixture")
        assert some["m"].startswith("(i=1) ") and some["x"].startswith("_ TestSub.test_some (i=1) _\n")
        assert fixture["m"] == "[one] AssertionError: the sub-test"
        assert fixture["x"].startswith("_ test_fixture [one] _\n")


def test_ids_survive_byte_for_byte(write):
    suite = write(
        test_u="""
        import pytest
        @pytest.mark.parametrize("x", [1, 2, 3], ids=["snow\\u2603", "a::b[c]", "tab\\t\\U0001f40d"])
        def test_u(x): pass
        def test_ünï(): pass
        """,
        conftest=r"""
        def pytest_collection_modifyitems(items):
            last = items[-1]
            name = last.nodeid + "\udcff"
            last._nodeid = name
            if hasattr(last, "_id"):
                type(last).nodeid = property(lambda self: name if self is last else str(self.id))
        """,
    )
    agent = Agent(
        suite, "-q", "--junitxml=j.xml",
        "-o", "disable_test_id_escaping_and_forfeit_all_rights_to_community_support=1",
    ).run()  # fmt: skip
    ids = set(agent.ids.values())
    assert "test_u.py::test_u[snow\u2603]" in ids
    assert "test_u.py::test_u[a::b[c]]" in ids
    assert any(test.endswith("\udcff") for test in ids)
    assert set(agent.paths.values()) == {"test_u.py"}
    assert len(agent.done) == len(agent.ids) == 4


def test_reruns_count_once(write):
    if not has("pytest_rerunfailures"):
        pytest.skip("pytest-rerunfailures is not installed")
    suite = write(
        test_r="""
        import pytest
        tries = []
        @pytest.fixture(scope="module", autouse=True)
        def module():
            open("log", "a").write("+")
            yield
            open("log", "a").write("-")
        def test_flaky():
            tries.append(1)
            assert len(tries) == 3
        def test_hopeless(): assert 0
        def test_after(): pass
        """
    )
    agent = Agent(suite, "-q", "--reruns=2", plugins=True).run()
    assert agent.outcomes() == {"test_flaky": "passed", "test_hopeless": "failed", "test_after": "passed"}
    assert agent.kinds(0).count("done") == 3
    log = (suite / "log").read_text()
    assert log.count("+") == log.count("-")


# ---- the queue and fixtures --------------------------------------------------------------------

def test_span_of_the_running_test(write):
    suite = write(
        test_a="""
        import os
        def test_a(): open("spans", "a").write(os.environ["DAGZ_SPAN"] + "\\n")
        def test_b(): test_a()
        """
    )

    class Spans(Agent):
        def on_want(self, worker):
            batch, self.pending = self.pending, []
            worker.give(batch, [[f, k] if k == 0 else [f, k, 3] for f, k in batch])

    Spans(suite, "-q", env={"DAGZ_NODE": "68b0080d"}).run()
    expected = [
        hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
        for name in ("68b0080d\0test_a.py::test_a\0001", "68b0080d\0test_a.py::test_b\0003")
    ]
    assert (suite / "spans").read_text().split() == expected


# ---- crashes, exits, output --------------------------------------------------------------------


def test_crashes_are_attributed(write):
    suite = write(
        test_c="""
        import os, signal, sys
        def test_1(): pass
        def test_2():
            print("last words")
            os._exit(7)
        def test_3(): pass
        def test_4():
            os.kill(os.getpid(), signal.SIGSEGV)
        def test_5(): pass
        """
    )
    agent = Agent(suite, "-q", window=2).run()
    statuses = {left[0].split("::")[1]: status for _, status, left in agent.exits if left}
    assert os.WIFEXITED(statuses["test_2"]) and os.WEXITSTATUS(statuses["test_2"]) == 7
    assert os.WIFSIGNALED(statuses["test_4"]) and os.WTERMSIG(statuses["test_4"]) == signal.SIGSEGV
    assert "test_1" in agent.outcomes() and "test_5" in agent.outcomes()
    logs = "".join(agent.log_text(slot) for slot, _, _ in agent.exits)
    assert "Segmentation fault" in logs and "test_4" in logs


def test_output_goes_to_the_log(write):
    suite = write(
        test_o="""
        import os, sys, subprocess
        def test_o():
            print("from print")
            os.write(2, b"from fd \\xff\\n")
            subprocess.run(["echo", "from child"])
            assert sys.stdin.read() == "" if not CAPTURED else True
        CAPTURED = True
        """
    )
    for option in ("-s", "--capture=no"):
        agent = Agent(suite, "-q", option).run()
        assert agent.outcomes() == {"test_o": "passed"}
        assert agent.output.strip() == ""
        for text in ("from print", "from fd", "from child"):
            assert text in agent.log_text()
    agent = Agent(suite, "-q", "--capture=sys").run()
    assert "from print" not in agent.log_text() and "from child" in agent.log_text()
    agent = Agent(suite, "-q").run()
    assert agent.log_text() == ""


def test_workers_do_not_mix_their_output(write):
    suite = write(
        test_m="""
        import pytest, time
        @pytest.mark.parametrize("n", range(20))
        def test_m(n):
            print("begin-%d" % n)
            time.sleep(0.01)
            print("end-%d" % n)
            assert 0
        """
    )
    agent = Agent(suite, "-q", workers=3).run()
    assert len(agent.done) == 20
    for test, message in agent.done:
        n = test.split("[")[1][:-1]
        assert "----- Captured stdout call -----\nbegin-%s\nend-%s\n" % (n, n) in message["x"]
        assert message["x"].count("begin-") == 2  # the source line and the output


def test_long_texts_are_cut():
    reports = reports_module()
    assert reports.bounded("short") == "short"
    text = reports.bounded("a" * 100_000 + "\udcff" + "z" * 100_000)
    assert len(text.encode()) <= 64 * 1024
    assert text.startswith("aaa") and text.endswith("zzz") and "bytes cut ...]" in text


def test_a_flood_is_cut(write):
    suite = write(test_f="def test_f():\n    print('x' * 3_000_000)\n    assert 0, 'm' * 2000\n")
    message = Agent(suite, "-q").run().of("test_f")
    assert len(message["m"]) == 500
    assert len(message["x"].encode()) <= 64 * 1024


def test_an_internal_error_costs_one_test(write):
    suite = write(
        conftest="""
        def pytest_runtest_makereport(item, call):
            if item.name == "test_2" and call.when == "call":
                raise RuntimeError("a broken plug-in")
        """,
        test_i="def test_1(): pass\ndef test_2(): pass\ndef test_3(): pass\n",
    )
    agent = Agent(suite, "-q").run()
    assert agent.outcomes() == {"test_1": "passed", "test_2": "error", "test_3": "passed"}
    assert "a broken plug-in" in agent.of("test_2")["x"]


def test_without_pidfd(write):
    suite = write(
        conftest="import os\nos.pidfd_open = None\n",
        test_p="import os\ndef test_1(): pass\ndef test_2(): os._exit(4)\ndef test_3(): pass\n",
    )
    agent = Agent(suite, "-q").run()
    assert agent.outcomes() == {"test_1": "passed", "test_3": "passed"}
    assert sorted(os.WEXITSTATUS(status) for _, status, _ in agent.exits) == [0, 4]


def test_a_broken_driver_says_so(write):
    suite = write(conftest="import gc\ngc.freeze = None\n", test_a="def test_a(): pass\n")
    agent = Agent(suite, "-q").run()
    assert len(agent.failed_texts) == 1 and "NoneType" in agent.failed_texts[0]
    assert agent.finished == agent.returncode == 3 and "INTERNALERROR" in agent.output


def test_a_socket_without_an_agent(write, tmp_path):
    suite = write(test_a="def test_a(): pass\n")
    write_driver(tmp_path / "driver")
    env = dict(os.environ, PYTHONPATH=str(tmp_path / "driver"), PYTEST_PLUGINS="dagz_pytest_driver")
    env["DAGZ_SOCKET"] = str(tmp_path / "nothing")
    run = subprocess.run(
        [sys.executable, "-m", "pytest"], cwd=suite, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert run.returncode == 4 and b"dagz does not answer on its socket" in run.stdout


def test_what_only_shows_tests_needs_no_agent(write, tmp_path):
    suite = write(test_a="def test_a(): pass\n")
    write_driver(tmp_path / "driver")
    env = dict(os.environ, PYTHONPATH=str(tmp_path / "driver"), PYTEST_PLUGINS="dagz_pytest_driver")
    env["DAGZ_SOCKET"] = str(tmp_path / "no such folder" / "s")
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only"]
    run = subprocess.run(command, cwd=suite, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert run.returncode == 0 and b"test_a.py::test_a" in run.stdout


def test_a_forked_process_that_escapes_from_its_test(write):
    suite = write(
        test_f="""
        import os
        def test_1():
            if os.fork() == 0:
                return
            os.wait()
        def test_2(): pass
        """
    )
    agent = Agent(suite, "-q").run()
    assert agent.kinds(0).count("done") == 2
    assert agent.outcomes() == {"test_1": "passed", "test_2": "passed"}


def test_the_end_of_the_agent_ends_all(write):
    suite = write(test_s="import time\ndef test_s():\n    open('up', 'w').close()\n    time.sleep(50)\n")

    class Vanishing(Agent):
        def _step(self, listener, timeout):
            if (suite / "up").exists() and self.zygote.sock.fileno() >= 0:
                self.selector.unregister(self.zygote.sock)
                self.zygote.sock.close()
            return super()._step(listener, timeout)

    start = time.monotonic()
    agent = Vanishing(suite, "-q").run()
    assert agent.returncode == 3 and time.monotonic() - start < 10
    worker = [m["pid"] for _, m in agent.messages if m["t"] == "forked"][0]
    with pytest.raises(OSError):
        os.kill(worker, 0)


# ---- the environment of tests ------------------------------------------------------------------


def test_nothing_of_dagz_is_seen_by_tests(write):
    suite = write(
        test_e="""
        import os, subprocess, sys
        def test_env():
            assert os.environ["PYTHONPATH"] == "/original"
            assert os.environ["PYTEST_PLUGINS"] == "textwrap"
            assert "DAGZ_SOCKET" not in os.environ
            assert not [name for name in os.environ if name.startswith("DAGZ_ORIGINAL")]
            assert not [path for path in sys.path if path.endswith("driver")]
            assert sys.path.count("/original") == 1
        def test_child():
            out = subprocess.run([sys.executable, "-m", "pytest", "--version"], stdout=subprocess.PIPE)
            assert out.returncode == 0
        def test_number():
            assert os.environ["DAGZ_WORKER"] == "3"
        """
    )
    env = {"PYTHONPATH": "/original", "PYTEST_PLUGINS": "textwrap"}
    agent = Agent(suite, "-q", env=env).run()
    assert set(agent.outcomes().values()) == {"passed"}, agent.done
    gone = write(test_e="import os\ndef test_gone(): assert 'PYTEST_PLUGINS' not in os.environ\n")
    assert Agent(gone, "-q").run().outcomes() == {"test_gone": "passed"}


def test_nested_pytest_runs_as_usual(write):
    suite = write(
        conftest="pytest_plugins = ['pytester']\n",
        test_n="""
        import pytest
        @pytest.mark.parametrize("run", ["runpytest_inprocess", "runpytest_subprocess"])
        def test_nested(pytester, run):
            pytester.makepyfile("def test_inner(): pass")
            getattr(pytester, run)().assert_outcomes(passed=1)
        """,
    )
    assert set(Agent(suite, "-q").run().outcomes().values()) == {"passed"}


def test_without_a_socket_it_does_nothing(write, tmp_path):
    suite = write(test_a="def test_a(): pass\n")
    write_driver(tmp_path / "driver")
    env = dict(os.environ, PYTHONPATH=str(tmp_path / "driver"), PYTEST_PLUGINS="dagz_pytest_driver")
    run = subprocess.run([sys.executable, "-m", "pytest"], cwd=suite, env=env, stdout=subprocess.PIPE)
    assert run.returncode == 0 and b"1 passed" in run.stdout


def test_workers_look_like_those_of_xdist(write):
    suite = write(
        test_x="""
        import os
        def test_x(request, worker_id, testrun_uid, tmp_path, tmp_path_factory):
            assert request.config.workerinput["workerid"] == worker_id
            assert os.environ["PYTEST_XDIST_WORKER"] == worker_id
            assert request.config.workerinput["workercount"] == 7
            assert testrun_uid == "run-uid"
            assert tmp_path_factory.getbasetemp().name == worker_id
            tmp_path.joinpath("file").write_text("x")
        def test_y(tmp_path, worker_id):
            tmp_path.joinpath("file").write_text("y")
        """
    )
    base = suite / "base"
    for arguments in ([], ["--basetemp", base]):
        agent = Agent(suite, "-q", *arguments, workers=2, plugins=True).run()
        assert set(agent.outcomes().values()) == {"passed"}, agent.done
    assert len(list(base.glob("gw*/test_*0/file"))) == 2


def test_a_second_worker_of_one_number_keeps_the_first_ones_files(write):
    suite = write(
        test_t="""
        import os, pytest
        @pytest.mark.parametrize("n", range(3))
        def test_t(tmp_path, n):
            tmp_path.joinpath("kept").write_text("")
            os._exit(1)
        """
    )

    class SameNumber(Agent):
        def fork(self):
            self.next_slot = 0
            super().fork()

    base = suite / "base"
    SameNumber(suite, "-q", "--basetemp", base).run()
    assert len({path.resolve() for path in base.glob("*/*/kept")}) == 3


def test_missing_plugins(write):
    suite = write(test_a="def test_a(): print('x')\ndef test_b(): assert 0\n")
    names = ("cacheprovider", "terminal", "capture", "faulthandler", "tmpdir", "junitxml", "logging")
    names += ("warnings", "stepwise", "doctest", "unraisableexception", "threadexception", "setuponly")
    arguments = [word for name in names for word in ("-p", "no:" + name)]
    agent = Agent(suite, *arguments).run()
    assert agent.outcomes() == {"test_a": "passed", "test_b": "failed"}, agent.output
    for name in ("cacheprovider", "capture", "faulthandler"):
        agent = Agent(suite, "-q", "-p", "no:" + name).run()
        assert agent.outcomes() == {"test_a": "passed", "test_b": "failed"}, (name, agent.output)


# ---- collection --------------------------------------------------------------------------------


def test_collection_errors_do_not_stop_the_rest(write):
    suite = write(
        test_bad="import does_not_exist\n",
        test_good="def test_a(): pass\ndef test_b(): pass\n",
        test_skip="import pytest\npytest.skip('all', allow_module_level=True)\n",
    )
    agent = Agent(suite, "-q", "-x", "-k", "not test_b").run()
    assert agent.outcomes() == {"test_a": "passed"}
    assert [error["path"] for error in agent.collected["errors"]] == ["test_bad.py"]
    assert "does_not_exist" in agent.collected["errors"][0]["text"]
    assert agent.collected["tests"] == 1
    assert agent.collected["maxfail"] == 1 and agent.collected["skipped"] == 1
    assert agent.collected["notes"] == ["test_skip.py skipped itself: all"]
    assert agent.finished == 1


def test_maxfail_is_left_to_the_agent(write):
    suite = write(test_m="def test_1(): assert 0\ndef test_2(): assert 0\ndef test_3(): pass\n")
    agent = Agent(suite, "-q", "--maxfail=1").run()
    assert len(agent.done) == 3 and agent.exit_reasons == []


def test_nothing_collected(write):
    agent = Agent(write(readme_dot_md=""), "-q").run()
    assert agent.collected["tests"] == 0 and agent.collected["files"] == 0
    assert agent.finished == agent.returncode == 5


@pytest.mark.parametrize(
    "option",
    ["--collect-only", "--fixtures", "--version", "--markers", "--help", "--setup-plan", "--setup-only"],
)
def test_inspection_runs_as_usual(write, option):
    agent = Agent(write(test_a="def test_a(): pass\n"), option).run()
    assert agent.returncode == 0 and agent.messages == [] and agent.output.strip()


def test_usage_errors_are_pytests_own(write):
    agent = Agent(write(test_a="def test_a(): pass\n"), "no/such/path").run()
    assert agent.returncode == agent.finished == 4 and agent.collected is None
    assert "no/such/path" in agent.output
    agent = Agent(write(conftest="import does_not_exist\n"), "-q").run()
    assert agent.returncode == 4 and agent.messages == [] and "does_not_exist" in agent.output


def test_files_groups_and_order(write):
    suite = write(
        test_g="""
        import pytest
        @pytest.mark.xdist_group("db")
        def test_a(): pass
        @pytest.mark.xdist_group(name="net")
        def test_b(): pass
        @pytest.mark.xdist_group("db")
        class TestC:
            def test_c(self): pass
        def test_d(): pass
        """,
        test_h="def test_h(): pass\n",
        conftest="def pytest_collection_modifyitems(items): items.insert(0, items.pop())\n",
    )
    agent = Agent(suite, "-q").run()
    assert agent.paths == {0: "test_h.py", 1: "test_g.py"}
    assert agent.groups == {1: {"db": [0, 2], "net": [1]}}


def test_long_catalogs_are_split(write):
    suite = write(
        test_l="""
        import pytest
        @pytest.mark.parametrize("x", range(1000), ids=lambda n: "%04d" % n + "x" * 1000)
        def test_l(x): pass
        """
    )
    agent = Agent(suite, "-q", order=lambda agent: []).run()
    files = [message for _, message in agent.messages if message["t"] == "file"]
    assert len(files) > 1 and len(agent.ids) == 1000
    assert [bool(message.get("more")) for message in files] == [True] * (len(files) - 1) + [False]
    assert all(len(json.dumps(message)) <= 513 * 1024 for message in files)


def test_what_marks_ask_for_is_told_in_parts(write):
    suite = write(
        test_l="""
        import pytest
        pytestmark = [pytest.mark.xdist_group("all"), pytest.mark.dagz(mutex="all")]
        @pytest.mark.parametrize("x", range(12_000), ids=lambda n: "%05d" % n + "x" * 100)
        def test_l(x): pass
        @pytest.mark.xdist_group("other")
        def test_long(request): pass
        """,
        conftest="""
        def pytest_collection_modifyitems(items):
            last, name = items[-1], items[-1].nodeid + "x" * 2_000_000
            last._nodeid = name
            if hasattr(last, "_id"):
                type(last).nodeid = property(lambda self: name if self is last else str(self.id))
        """,
    )
    agent = Agent(suite, "-q", order=lambda agent: []).run()
    files = [message for _, message in agent.messages if message["t"] == "file"]
    assert len(files) > 2 and len(agent.ids) == 12_001
    assert agent.groups == {0: {"all": list(range(12_000)), "other": [12_000]}}
    begin = 0
    for message in files:
        assert len(json.dumps(message)) <= 1 << 20
        own = list(range(begin, begin + len(message["ids"])))
        told = [k for tests in message["groups"].values() for k in tests]
        assert told == own == [k for need in message["needs"] for k in need["k"]]
        begin += len(own)


def test_the_heap_is_frozen_and_thresholds_are_the_users(write):
    suite = write(
        conftest="import gc, threading, time\ngc.set_threshold(1234, 11, 12)\n",
        test_g="""
        import gc, threading, time
        threading.Thread(target=time.sleep, args=(3,), daemon=True).start()
        def test_g():
            assert gc.get_threshold()[0] == 1234
            assert gc.get_freeze_count() > 1000
        """,
    )
    agent = Agent(suite, "-q").run()
    assert agent.outcomes() == {"test_g": "passed"}, agent.done
    assert agent.collected["threads"] >= 1
    (note,) = agent.collected["notes"]
    assert note.startswith("1 thread (Thread-1") and "started afresh" in note


def test_set_up_that_tests_share_is_told_apart(write):
    suite = write(
        test_s="""
        import pytest, time

        @pytest.fixture(scope="session")
        def of_all(): time.sleep(0.1)
        @pytest.fixture(scope="module")
        def of_file(request): time.sleep(0.05); request.getfixturevalue("within")
        @pytest.fixture(scope="module")
        def within(of_all): time.sleep(0.02)
        @pytest.fixture
        def own(of_file): time.sleep(0.03)
        def test_a(own): pass
        def test_b(own): pass
        """,
    )
    agent = Agent(suite, "-q").run()
    first, second = agent.of("test_a"), agent.of("test_b")
    assert 0.17 <= first["s"] < first["d"] - 0.02
    assert 0.05 <= first["g"] <= first["s"]
    assert "s" not in second and "g" not in second
