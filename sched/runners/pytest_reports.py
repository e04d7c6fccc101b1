"""What the driver does with reports of tests: one verdict from many, and their way from a worker to the
plug-ins of the zygote. PYTEST_DONT_REWRITE

It is written beside dagz_pytest_driver.py as dagz_pytest_reports.py.
"""

import io
import marshal
import os
import struct
import sys
import traceback
import warnings

import pytest
from _pytest._io import TerminalWriter
from _pytest.junitxml import xml_key

TEXT_MAX = 64 * 1024
UNCAPTURED_MAX = 32 * 1024
MESSAGE_MAX = 500
SKIPS_TOLD = 20  # files
PROPERTIES_MAX = 64  # of one test; these four are those of the agent, or less
PROPERTY_NAME_MAX = 256  # bytes
PROPERTY_VALUE_MAX = 4096
PROPERTIES_BYTES_MAX = 48 * 1024
FRAME_MAX = 256 * 1024 * 1024  # bytes: what a worker tells plug-ins of one test


def bounded(text, limit=TEXT_MAX):
    """Keeps head and tail of a long text, with a line between them that says what is missing."""
    if len(text) * 4 <= limit:
        return text
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= limit:
        return text
    head, tail = limit // 4, limit - limit // 4 - 100
    cut = len(data) - head - tail
    return "%s\n[... %d bytes cut ...]\n%s" % (
        data[:head].decode("utf-8", "ignore"),
        cut,
        data[-tail:].decode("utf-8", "ignore"),
    )


# ---- what the reports of one test say ----------------------------------------------------------


def failure_message(report):
    """One line: why it failed."""
    longrepr = report.longrepr
    crash = getattr(longrepr, "reprcrash", None)
    text = getattr(crash, "message", None)
    if not text:
        lines = [line for line in report.longreprtext.splitlines() if line.strip()]
        marked = [line[1:] for line in lines if line.startswith("E  ")]
        text = marked[0] if marked else (lines or [""])[0 if isinstance(longrepr, str) else -1]
    lines = str(text).strip().splitlines()[:1]
    subtest = _subtest_of(report)
    return " ".join([subtest] + lines if subtest else lines)[:MESSAGE_MAX]


def skip_message(report):
    longrepr = report.longrepr
    text = longrepr[2] if isinstance(longrepr, tuple) and len(longrepr) == 3 else report.longreprtext
    text = str(text)
    if text.startswith("Skipped: "):
        text = text[len("Skipped: ") :]
    return (text.strip().splitlines() or [""])[0][:MESSAGE_MAX]


def skip_notes(skipped):
    """For people: which files (id, reason) skipped themselves; of many, the first."""
    notes = ["%s skipped itself: %s" % one for one in skipped[:SKIPS_TOLD]]
    if len(skipped) > SKIPS_TOLD:
        notes.append("%d more files skipped themselves" % (len(skipped) - SKIPS_TOLD))
    return notes


def full_text(report):
    """As report.longreprtext, but its first line keeps its indentation."""
    try:
        text = io.StringIO()
        writer = TerminalWriter(text)
        writer.hasmarkup = False
        report.toterminal(writer)
        return text.getvalue().strip("\r\n").rstrip()
    except Exception:  # a report of a plug-in's own making
        return report.longreprtext


def _subtest_of(report):
    """Which subtest a report is about, as pytest and pytest-subtests put it; nothing if it is about none."""
    for name in ("_sub_test_description", "sub_test_description"):
        describe = getattr(report, name, None)
        if describe is not None:
            return describe()
    return ""


def _heading(report):
    """What pytest writes above a report, in a narrow terminal."""
    what = getattr(report, "head_line", None) or report.nodeid
    if report.when in ("setup", "teardown"):
        what = "ERROR at %s of %s" % (report.when, what)
    return "_ %s _" % what


def _crash_line(report):
    """As --tb=line shows a failure."""
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = (str(crash) if crash else report.longreprtext).strip().splitlines()
    return lines[0] if lines else ""


class Shown:
    """What of failures is to be seen: --tb and --show-capture."""

    def __init__(self, config=None):
        option = getattr(config, "option", None)
        self.traceback = getattr(option, "tbstyle", "auto")
        self.captured = getattr(option, "showcapture", "all")
        self.uncaptured = self.captured not in ("no", "log")  # both streams: one cannot be told from the other

    def has(self, title):
        """Whether a section is shown."""
        return self.captured == "all" or (self.captured != "no" and self.captured in title)


def failure_text(failures, reports, shown):
    """Every failure in full, then what was captured, each section once. Where there are several, or one is a
    subtest's, it is said which is which."""
    if shown.traceback == "no":
        return ""
    if shown.traceback == "line":
        parts = [_crash_line(report) for report in failures]
    else:
        parts = []
        several = len(failures) > 1 or bool(_subtest_of(failures[0]))
        for report in failures:
            text = full_text(report)
            if several and text:
                parts.append(_heading(report))
            parts.append(text)
    sections = dict.fromkeys(tuple(section) for report in reports for section in report.sections)
    for title, content in sections:
        if shown.has(title):
            parts.append("----- %s -----\n%s" % (title, content))
    return bounded("\n".join(parts))


def verdict(reports, shown):
    """Returns (outcome, message, text) of one test from all its reports, subtests and re-runs included."""
    decided = None
    failures = []
    for report in reports:
        if report.outcome == "rerun":  # what came before it does not count
            decided, failures = None, []
        elif report.failed:
            failures.append(report)
        elif report.when == "call" or (report.skipped and report.when == "setup"):
            decided = report
    if failures:
        in_call = [r for r in failures if r.when not in ("setup", "teardown")]
        outcome = "failed" if in_call else "error"
        return outcome, failure_message((in_call or failures)[0]), failure_text(failures, reports, shown)
    if decided is None:
        if not reports:
            return "skipped", "no plug-in reported a result", ""
        return "passed", "", ""
    xfail = getattr(decided, "wasxfail", None)
    if decided.skipped:
        if xfail is None:
            return "skipped", skip_message(decided), ""
        return "xfailed", str(xfail)[:MESSAGE_MAX], ""
    if xfail is not None:
        return "xpassed", str(xfail)[:MESSAGE_MAX], ""
    return "passed", "", ""


def has_result(reports):
    """Whether pytest would have told a result of this test by now."""
    return any(report.when == "call" or not report.passed for report in reports)


def exit_reason(error):
    """Why a KeyboardInterrupt or a pytest.exit ends the run."""
    return ("%s: %s" % (type(error).__name__, error)).rstrip(": ")


def repr_failure(item):
    """The exception that is being handled, as pytest shows a failure of this test."""
    try:
        return str(item.repr_failure(pytest.ExceptionInfo.from_current()))
    except Exception:  # an item of a plug-in's own making
        return traceback.format_exc()


def _clipped(value, limit):
    try:
        text = str(value)
    except Exception as error:
        text = "<no text: %s>" % type(error).__name__
    if len(text) * 3 <= limit:
        return text
    return text.encode("utf-8", "surrogatepass")[:limit].decode("utf-8", "ignore")


def properties(recorded, of_suite=()):
    """The user_properties of a report as [name, value], in text as pytest's own JUnit file has them, and those of
    the whole suite as [name, value, "testsuite"]."""
    pairs, left = [], PROPERTIES_BYTES_MAX
    marked = [(one, []) for one in recorded] + [(one, ["testsuite"]) for one in of_suite]
    for (name, value), mark in marked[:PROPERTIES_MAX]:
        pair = [_clipped(name, PROPERTY_NAME_MAX), _clipped(value, PROPERTY_VALUE_MAX)]
        left -= sum(len(text.encode("utf-8", "surrogatepass")) for text in pair)
        if left < 0:
            break
        pairs.append(pair + mark)
    return pairs


def record_of_suite(config, pair):
    """Tells pytest's --junitxml of this node what a worker has recorded of the suite; several may have."""
    xml = config.stash.get(xml_key, None)
    if xml is not None and tuple(pair) not in xml.global_properties:
        xml.add_global_property(*pair)


# ---- reports on their way from a worker to the plug-ins of the zygote --------------------------


def plain(value):
    """A copy that marshal can write: what it does not know becomes its repr."""
    if value is None or type(value) in (bool, int, float, complex, str, bytes):
        return value
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, set, frozenset)):
        return tuple(plain(item) for item in value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else repr(value)


def frame(value):
    """Plain data for FrameReader; nothing if it is too much."""
    try:
        data = marshal.dumps(value)
    except ValueError:
        data = marshal.dumps(plain(value))
    return struct.pack(">I", len(data)) + data if len(data) <= FRAME_MAX else b""


def crash_report(nodeid, location, text):
    """For a test that ended without reports of its own."""
    return pytest.TestReport(nodeid, location, {}, "failed", text, "call")


def packed(config, reports):
    """Reports as plain data, marked with their worker as pytest-xdist does."""
    worker = getattr(config, "workerinput", {})
    out = []
    for report in reports:
        data = config.hook.pytest_report_to_serializable(config=config, report=report)
        data["worker_id"] = worker.get("workerid", "")
        data["testrun_uid"] = worker.get("testrunuid", "")
        out.append(data)
    return out


def packed_warning(message):
    """What a warnings.WarningMessage says, as plain data."""
    kind = message.category
    return (
        kind.__module__, kind.__qualname__, str(message.message), message.filename, message.lineno, message.line,
    )  # fmt: skip


def unpacked_warning(data):
    module, name, text, filename, lineno, line = data
    kind = sys.modules.get(module)
    for part in name.split("."):
        kind = getattr(kind, part, None)
    if not (isinstance(kind, type) and issubclass(kind, Warning)):  # known to the worker alone
        kind = type(name.rpartition(".")[2], (Warning,), {"__module__": module})
    # The text is that of the whole message: a class of its own must not make another of it.
    plain_text = kind.__str__ is BaseException.__str__
    message = BaseException.__new__(kind, text) if plain_text else Warning(text)
    return warnings.WarningMessage(message, kind, filename, lineno, line=line)


class FrameReader:
    """Takes apart what was made by `frame`. Raises ValueError, EOFError or TypeError at anything else."""

    def __init__(self):
        self._data = bytearray()

    def feed(self, data):
        self._data += data
        while len(self._data) >= 4:
            (size,) = struct.unpack_from(">I", self._data)
            if size > FRAME_MAX:
                raise ValueError("a frame of %d bytes" % size)
            if len(self._data) < 4 + size:
                return
            value = marshal.loads(bytes(self._data[4 : 4 + size]))
            del self._data[: 4 + size]
            yield value


# Plug-ins that only look for reports which they have marked themselves, with attributes named so.
MARKS = {"_hypothesis_pytestplugin": "_hypothesis_", "hypothesis.extra.pytestplugin": "_hypothesis_"}


def is_conftest(plugin):
    return os.path.basename(getattr(plugin, "__file__", None) or "") == "conftest.py"


def module_of(plugin):
    """The name of the module that a plug-in is or comes from."""
    return plugin.__name__ if isinstance(plugin, type(os)) else type(plugin).__module__


def _is_consumer(plugin, config):
    """Whether a plug-in in the zygote would miss the reports of the workers."""
    option = config.option
    is_module = isinstance(plugin, type(os))
    module = module_of(plugin)
    if module == "_pytest.junitxml":
        return not is_module
    if module.startswith("pytest_cov"):
        return False
    if module.startswith("pytest_rerunfailures"):
        return bool(set("rRaA") & set(getattr(option, "reportchars", "")))
    if module == "_pytest.pastebin":
        return getattr(option, "pastebin", None) == "failed"
    return module not in MARKS and not module.startswith(("_pytest.", "dagz_pytest_"))


def reports_wanted(config):
    """Which reports plug-ins of the zygote want: those with an attribute whose name begins with one of
    these; "" is all of them, and DURATIONS what each of the others took."""
    names = ("pytest_runtest_logreport", "pytest_runtest_logstart", "pytest_terminal_summary")
    if any(
        _is_consumer(impl.plugin, config)
        for name in names
        for impl in getattr(config.hook, name).get_hookimpls()
        if impl.plugin is not config.pluginmanager.getplugin("terminalreporter")
    ):
        return {""}
    wanted = {MARKS[module] for module in map(module_of, config.pluginmanager.get_plugins()) if module in MARKS}
    if getattr(config.option, "durations", None) is not None:
        wanted.add(DURATIONS)
    return wanted


def is_marked(report, marks):
    """Whether the name of an attribute begins with a mark: all names in one search, as each report is asked."""
    names = " " + " ".join(report.__dict__)
    return any(" " + mark in names for mark in marks)


# What --durations shows needs no reports, which would take more memory and time than most tests.
DURATIONS = "--durations"


class Took:
    """What --durations reads of a report. As with reports, plug-ins may look for what they have put there."""

    def __init__(self, nodeid, when, duration):
        self.nodeid = nodeid
        self.when = when
        self.duration = duration


# One that is too short to be shown: pytest counts these.
HIDDEN = Took("", "", 0.0)
HIDDEN_MAX = 100_000  # of one test: what it has written into the descriptor may look like a number


def least_shown(config):
    """Seconds from which on --durations shows what a test took."""
    if config.option.verbose >= 2:
        return 0.0
    least = config.option.durations_min
    return 0.005 if least is None else least


def durations(reports, least):
    """Of one test, for keep_durations: those that are shown, and how many are not."""
    shown = [(report.when, report.duration) for report in reports if report.duration >= least]
    return shown, len(reports) - len(shown)


def keep_durations(config, nodeid, shown, hidden):
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        kept = reporter.stats.setdefault("", [])
        kept += [Took(nodeid, when, duration) for when, duration in shown]
        kept += [HIDDEN] * min(hidden, HIDDEN_MAX)


class _QuietReporter:
    """Mixed into the terminal reporter of the zygote: dagz prints the progress and the report, so this
    one only keeps `stats` for the summaries of other plug-ins, and lets them print."""

    def pytest_runtest_logstart(self, nodeid, location):
        pass

    def pytest_runtest_logfinish(self, nodeid):
        pass

    def pytest_runtest_logreport(self, report):
        self._tests_ran = True
        status = self.config.hook.pytest_report_teststatus(report=report, config=self.config)
        self.stats.setdefault(status[0], []).append(report)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_sessionfinish(self, session, exitstatus):
        outcome = yield
        outcome.get_result()
        self.config.hook.pytest_terminal_summary(
            terminalreporter=self, exitstatus=exitstatus, config=self.config
        )
        self.summary_warnings()
        self._heed_max_warnings(session)

    def _heed_max_warnings(self, session):
        """As the reporter itself does in its own pytest_sessionfinish, where pytest has the option."""
        if not hasattr(self, "_get_max_warnings"):
            return
        limit, count = self._get_max_warnings(), len(self.stats.get("warnings", []))
        if limit is not None and count > limit and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.MAX_WARNINGS_ERROR
            self.write_line("Tests pass, but maximum allowed warnings exceeded: %d > %d" % (count, limit))

    pytest_runtestloop = None
    pytest_terminal_summary = None


def replace_reporter(config, make_class):
    """Gives the terminal reporter another class. The object stays: plug-ins hold references to it."""
    manager = config.pluginmanager
    reporter = manager.getplugin("terminalreporter")
    if reporter is None:
        return
    manager.unregister(reporter)
    reporter.__class__ = make_class(type(reporter))
    reporter._show_progress_info = False
    # On registration pytest repeats the warnings so far, which the reporter has counted already.
    known = reporter.stats.pop("warnings", None)
    manager.register(reporter, "terminalreporter")
    reporter.stats.pop("warnings", None)
    if known:
        reporter.stats["warnings"] = known


def quiet(kind):
    return type("Quiet" + kind.__name__, (_QuietReporter, kind), {})


def mute(kind):
    hooks = {name: None for name in dir(kind) if name.startswith("pytest_")}
    return type("Mute" + kind.__name__, (kind,), hooks)


def update_lastfailed(config, items, files, failed, unfinished):
    """Tells pytest's cache what failed in the whole job, so that --lf works next time. Where workers
    collect, nobody here knows all items: what belongs to one of the files was run."""
    plugin = config.pluginmanager.getplugin("lfplugin")
    if plugin is None:
        return
    known = {str(key) for key in plugin.lastfailed}
    if files is None:
        ran = known.intersection(item.nodeid for item in items)
    elif any(getattr(config.option, name, None) for name in ("keyword", "markexpr", "deselect")):
        ran = set()
    else:
        ran = {nodeid for nodeid in known if nodeid.split("::", 1)[0] in files}
    fixed = ran.difference(failed, unfinished)
    for outcome, ids in (("passed", fixed), ("failed", failed)):
        for nodeid in ids:
            report = pytest.TestReport(nodeid, ("", None, ""), {}, outcome, None, "call")
            plugin.pytest_runtest_logreport(report)
