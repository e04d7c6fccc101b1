"""Coverage: what all workers of all nodes measured together is what plain pytest measures, line by line."""

import json
import os
import re
import shutil
import sys
import time

import pytest
from job import same_report
from plugins import path_of, plain, python, two_nodes

COV = path_of("cov")

# What a data file says: of each measured file its lines, arcs, and the contexts of each line.
DUMP = """
import json, sys, coverage
data = coverage.CoverageData(sys.argv[1])
data.read()
print(json.dumps({
    file: [sorted(data.lines(file)), sorted(data.arcs(file) or []),
           sorted((line, sorted(names)) for line, names in data.contexts_by_lineno(file).items())]
    for file in data.measured_files()
}))
"""

# Each test has lines of its own.
PACKAGE = "def size(n):\n" + "".join(f"    if n == {n}:\n        return {n}\n" for n in range(12)) + """
def torn_down():
    return "session"
"""

SUITE = """
import pytest, pkg

@pytest.fixture(scope="session", autouse=True)
def late():
    yield
    pkg.torn_down()

@pytest.mark.parametrize("n", range(2))
def test_size(n):
    assert pkg.size({base} + n) == {base} + n
"""


def measured(job, path=".coverage", **more):
    ran = python(job, ["-c", DUMP, str(path)], **COV, **more)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def write_suite(job):
    job.write("pkg/__init__.py", PACKAGE)
    job.write("pkg/unused.py", "def unused():\n    return 1\nif __name__ == '__main__':\n    unused()\n")
    for base in range(0, 12, 2):
        job.write(f"test_{base}.py", SUITE.format(base=base))


def by_plain_pytest(job, arguments):
    """What it measures, and what it prints."""
    ran = plain(job, arguments, **COV)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = measured(job)
    (job.suite / ".coverage").unlink()
    assert found
    return found, ran.stdout


def term_report(text):
    """The table that pytest-cov prints."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("Name "))
    last = next(i for i, line in enumerate(lines) if line.startswith("TOTAL"))
    return lines[first : last + 1]


def leave_old_data(job):
    """As a job that was killed a while ago would, of code that no test runs."""
    ran = python(job, ["-m", "coverage", "run", "-p", "-m", "pkg.unused"], **COV)
    assert ran.returncode == 0, ran.stderr
    (part,) = job.suite.glob(".coverage.*")
    shutil.copy(part, job.suite / ".coverage")
    os.utime(part, (time.time() - 60,) * 2)


@pytest.mark.parametrize("how", [[], ["--cov-branch", "--cov-context=test"]])
def test_two_nodes_in_one_directory_fill_one_data_file(job, how):
    write_suite(job)
    arguments = ["--cov=pkg", "--cov-report=term-missing", *how]
    expected, printed = by_plain_pytest(job, arguments)
    leave_old_data(job)
    nodes = two_nodes(job, pytest=arguments, **COV)
    found = measured(job)
    if how:  # session fixtures are torn down once a worker, after any test
        for one in (expected, found):
            for parts in one.values():
                parts[2] = [line for line in parts[2] if not any("|teardown" in name for name in line[1])]
    assert found == expected
    assert [path.name for path in job.suite.glob(".coverage*")] == [".coverage"]
    # Whoever was last has seen it all.
    assert term_report(printed) in [term_report("\n".join(node.lines)) for node in nodes]
    for node in nodes:
        assert re.search(r"dagz: coverage: \d+ tests? ran elsewhere", "\n".join(node.lines))


def test_nodes_apart_are_combined_by_coverage(job):
    write_suite(job)
    arguments = ["--cov=pkg", "--cov-branch", "--cov-report=", "--cov-fail-under=90"]
    expected, _ = by_plain_pytest(job, arguments[:-1])
    # Neither has reached 90 %, and neither can know what the other has.
    two_nodes(job, pytest=arguments, COVERAGE_FILE=".coverage.node-{}", **COV)
    assert all(measured(job, f".coverage.node-{i}") != expected for i in range(2))
    assert python(job, ["-m", "coverage", "combine"], **COV).returncode == 0
    assert measured(job) == expected


def test_one_node_reports_as_plain_pytest(job):
    write_suite(job)
    arguments = ["--cov=pkg", "--cov-report=term-missing", "--cov-fail-under=99"]
    ran = plain(job, arguments, **COV)
    assert ran.returncode == 1
    # Workers of pytest-xdist are not what is measured either.
    node = job.start("-n", "2", pytest=[*arguments, "-n", "3"], **COV)
    assert node.wait() == 1, node.everything()
    printed = "\n".join(node.lines)
    assert term_report(printed) == term_report(ran.stdout)
    message = "FAIL Required test coverage of 99% not reached"
    assert message in ran.stdout and message in printed
    assert "dagz: coverage" not in printed


def test_append_adds_to_what_was_there_and_a_plan_adds_nothing(job):
    write_suite(job)
    arguments = ["--cov=pkg", "--cov-report="]
    expected, _ = by_plain_pytest(job, arguments)
    assert plain(job, [*arguments, "test_8.py"], **COV).returncode == 0
    before = measured(job)
    assert job.start("--plan", pytest=arguments, **COV).wait() == 0
    assert measured(job) == before != expected
    assert job.start("-n", "2", pytest=[*arguments, "--cov-append", "--deselect", "test_8.py"], **COV).wait() == 0
    assert measured(job) == expected


def test_coverage_may_start_pytest(job):
    write_suite(job)
    job.write(".coveragerc", "[run]\nsource = pkg\nbranch = True\n")
    expected, _ = by_plain_pytest(job, ["--cov", "--cov-report="])
    command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", "-p", "no:cacheprovider"]
    node = job.start("-n", "2", command=command, **COV)
    assert node.wait() == 0, node.everything()
    assert measured(job) == expected


def test_a_real_project_has_the_coverage_of_plain_pytest(job):
    arguments = ["--cov=toolz", "--cov-branch", "--cov-report=", "--pyargs", "toolz"]
    expected, _ = by_plain_pytest(job, arguments)
    assert len(expected) > 10
    for collect in ("whole", "shared"):
        two_nodes(job, "--collect", collect, pytest=arguments, **COV)
        found = measured(job)
        assert set(found) == set(expected)
        differing = [file for file in found if found[file] != expected[file]]
        assert not differing, [(file, found[file], expected[file]) for file in differing]
