"""`dagz serve`: the dashboard, over HTTP."""

import html
import http.client
import json
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from dashboard import Dashboard
from job import BINARY, PATIENCE

HOSTILE = "\\\"><script>alert(1)</script><!--"
SUITE = f"""
import pytest
@pytest.mark.parametrize("i", range(15))
def test_ok(i): pass
@pytest.mark.parametrize("x", ['{HOSTILE}'], ids=['{HOSTILE}'])
def test_fails(x):
    print("</pre>" + x)
    assert 1 == 2, x
"""


@pytest.fixture
def serve(job):
    started = []

    def start(*options):
        node = job.nodes[0]
        started.append(Dashboard(job.key, node.state, node.suite, node.environment, *options))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def failed(job):
    """A job that failed, in the history of its node."""
    job.write("tests/test_it.py", SUITE)
    node = job.start("-n", "1", "--retries", "1", CI_JOB_URL="https://ci.example/7?a=1&b=2")
    assert node.wait() == 1, node.errors
    return job


def links(page, pattern):
    return [html.unescape(link) for link in re.findall(r'href="([^"]*)"', page) if re.search(pattern, link)]


def without_ages(page):
    return re.sub(r'title="[^"]* ago"', "", page)


def test_from_the_list_to_the_output_of_a_failure(failed, serve):
    dashboard = serve()
    assert dashboard.line == f"dashboard: {dashboard.url}/jobs\n"
    assert urllib.request.urlopen(dashboard.url).url == dashboard.url + "/jobs"
    jobs = dashboard.get("/jobs")
    assert "FAILED</span>" in jobs and "<b>15</b> passed" in jobs and "<b>1</b> failed" in jobs
    (link,) = links(jobs, r"^/jobs/j\d+\.1$")
    page = dashboard.get(link)
    assert without_ages(page) == without_ages(dashboard.get(link + "?spanTypes=failures"))
    assert "test_fails" in page and "test_ok" not in page and "AssertionError" in page
    (test,) = links(page, r"/tests\?id=")
    shown = dashboard.get(test)
    assert shown.count("<summary>") == 2 and "&lt;/pre&gt;" in shown and "0 earlier jobs" in shown
    (context,) = set(links(shown, r"/context\?id="))
    answer = urllib.request.urlopen(dashboard.url + context)
    assert re.fullmatch(r'attachment; filename="dagz-context-[0-9a-f]{16}\.md"', answer.headers["Content-Disposition"])
    text = answer.read().decode()
    assert text.startswith("# FAILED in j") and "assert 1 == 2" in text and '"verdict":"FAILED"' in text


def test_nothing_that_a_test_chose_leaves_its_place(failed, serve):
    dashboard = serve()
    for path in ["/jobs", "/jobs/last", "/jobs/last?tab=tests", "/jobs/last?tab=report", "/jobs/last?tab=slowest",
                 links(dashboard.get("/jobs/last"), r"/tests\?id=")[0],
                 "/jobs/last?tab=tests&q=" + urllib.parse.quote(HOSTILE)]:
        page = dashboard.get(path)
        assert page.count("<script") == 1 and "<!--" not in page, path


def test_the_same_as_dagz_report_and_as_json(failed, serve):
    dashboard = serve()
    page = dashboard.get("/jobs/last?tab=report")
    assert html.unescape(re.search(r'<pre class="report">(.*?)</pre>', page, re.S)[1]) == failed.nodes[0].kept_report()
    assert dashboard.get("/api/jobs/last") == failed.nodes[0].kept_report("json")
    (row,) = json.loads(dashboard.get("/api/jobs"))["jobs"]
    assert row["status"] == "FAILED" and row["counts"]["failed"] == 1


def test_a_running_job_is_on_top(job, serve):
    go = job.folder / "go"
    job.write("tests/test_it.py", f"""
import os, pytest, time
def test_fails(): assert 0
@pytest.mark.parametrize("i", range(15))
def test_ok(i): pass
def test_waits():
    while not os.path.exists({str(go)!r}): time.sleep(.01)
""")
    node = job.start("-n", "1", "--retries", "2")
    dashboard = serve()
    page = dashboard.wait_for("/jobs", r"<b>1</b> to be retried")
    assert 'class="running"' in page and "RUNNING</span>" in page and "unfinished</span>" in page
    page = dashboard.get("/jobs/last")
    assert "RUNNING</span>" in page and "http-equiv=\"refresh\"" in page
    assert "RETRY</span>" in dashboard.get("/jobs/last?tab=errors")
    go.touch()
    assert node.wait() == 1
    page = dashboard.wait_for("/jobs", r"FAILED</span>")
    assert "RUNNING" not in page and len(links(page, r"^/jobs/j")) == 1


def test_a_history_that_is_not_there_is_not_made(job, serve):
    job.write("test_a.py", "def test_a(): pass\n")
    assert job.start("-n", "1").wait() == 0
    dashboard = serve("--state-dir", str(job.folder / "none"))
    assert "No jobs yet" in dashboard.get("/jobs")
    dashboard.get("/jobs/last", status=404)
    dashboard.get("/nothing", status=404)
    assert not (job.folder / "none").exists()


def test_only_its_own_names_and_only_to_read(failed, serve):
    dashboard = serve()
    assert "j1" not in dashboard.get("/api/jobs", status=403, Host="evil.example")
    dashboard.get("/api/jobs", Host=f"localhost:{dashboard.port}")
    for method, status in [("HEAD", 200), ("POST", 405), ("DELETE", 405)]:
        connection = http.client.HTTPConnection("127.0.0.1", dashboard.port, timeout=PATIENCE)
        connection.request(method, "/jobs")
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == status and (method != "HEAD" or body == b"")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        connection.close()
    proxied = serve("--url", "https://dash.example")
    assert proxied.line.startswith("dashboard: https://dash.example/jobs, listening on 127.0.0.1:")
    proxied.get("/api/jobs", Host="dash.example")


def test_many_browsers_at_once(failed, serve):
    dashboard = serve()
    pages = []
    readers = [threading.Thread(target=lambda: pages.append(dashboard.get("/api/jobs/last"))) for _ in range(20)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert len(pages) == 20 and len(set(pages)) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(failed, serve, number):
    dashboard = serve()
    assert dashboard.get("/healthz") == "ok\n"
    assert dashboard.end(number) == (0, "", "")


def test_a_port_in_use_costs_a_sentence(failed):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        answer = failed.nodes[0].ask("serve", "--listen", where)
    assert (answer.returncode, answer.stdout) == (4, "")
    assert f"{where} is in use; choose another address with --listen" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_the_report_links_to_the_dashboard(job):
    job.write("test_a.py", "import os\ndef test_a(): assert os.path.exists('ok')\n")
    nodes = [job.start("-n", "1", "--retries", "0"),
             job.start("-n", "1", "--retries", "0", DAGZ_DASHBOARD_URL="https://dash.example/")]
    assert [node.wait() for node in nodes] == [1, 1]
    assert nodes[0].report() == nodes[1].report()
    short = nodes[0].summary().split()[0]
    assert f"Dashboard: https://dash.example/jobs/{short}?spanTypes=failures" in nodes[0].report()
    job.write("ok", "")
    passed = job.start("-n", "1", "--dashboard-url", "https://dash.example", "--job", "another")
    assert passed.wait() == 0
    assert any(re.fullmatch(r"Dashboard: https://dash\.example/jobs/j\d+\.\d+", line) for line in passed.report())
