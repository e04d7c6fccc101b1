"""How the driver collects: everything in the zygote, or each file in the worker that runs it.
PYTEST_DONT_REWRITE

It is written beside dagz_pytest_driver.py as dagz_pytest_collect.py.

Where collection is shared, the zygote only *walks*: pytest's own collection descends into directories
and packages, with all its rules and conftest files, and each file that it comes to answers that it
holds nothing. A worker then has pytest collect one of these files for real. The nodes of files and of
all that is above them come with the fork, so fixtures of a package live as long as its files need them.
"""

import ast
import contextlib
import fnmatch
import gc
import inspect
import json
import os
import textwrap
import time
import traceback

import pytest
import dagz_pytest_heap as heap
from dagz_pytest_marks import told_of
from dagz_pytest_reports import bounded, is_conftest, module_of

# Of a message, in bytes: the agent takes a line of a worker for broken from 1 MiB on, the zygote's from 64 MiB.
PART_MAX = 512 * 1024
WORKER_ERRORS_MAX = 640 * 1024
ZYGOTE_ERRORS_MAX = 32 * 1024 * 1024
ERRORS_TOLD = 10_000  # in one message
PATH_MAX, ID_MAX = 4096, 16 * 1024  # characters: no log has more
INDEX_SIZE, NEED_SIZE = 10, 80  # bytes of a message that they take at the most
FOUND_MAX = 2000  # files in one message
AGAIN = -1  # in place of a test: collect the file, its tests are known
# With fewer files than this a walk and separate collections gain nothing.
FEW_FILES = 50

_DIRECTORIES = tuple(
    kind for kind in (getattr(pytest, "Package", None), getattr(pytest, "Directory", None)) if kind
)

# These choose, order or split by the whole list, or remember what it was.
_NEED_ALL = {
    "pytest_randomly": "pytest-randomly",
    "random_order": "pytest-random-order",
    "pytest_random_order": "pytest-random-order",
    "pytest_split": "pytest-split",
    "pytest_shard": "pytest-shard",
    "pytest_order": "pytest-order",
    "pytest_ordering": "pytest-ordering",
    "pytest_dependency": "pytest-dependency",
    "pytest_django": "pytest-django",
    "pytest_depends": "pytest-depends",
    "pytest_reverse": "pytest-reverse",
    "pytest_picked": "pytest-picked",
    "pytest_test_groups": "pytest-test-groups",
    "pytest_circleci_parallelized": "pytest-circleci-parallelized",
    "testmon": "pytest-testmon",
}
_NEED_ALL_OPTIONS = {"lf": "--lf", "failedfirst": "--ff", "newfirst": "--nf"}
# These look at each test for itself.
_HARMLESS = (
    "_pytest.", "dagz_pytest_", "_hypothesis_pytestplugin", "hypothesis.", "pytest_asyncio", "anyio.",
    "pytest_timeout", "xdist.", "pytest_cov", "pytest_mock", "pytest_rerunfailures", "pytest_benchmark",
    "pytest_subtests", "pytest_metadata", "pytest_html", "pytest_sugar", "pytest_trio", "flaky.",
)  # fmt: skip


# ---- shared or whole -----------------------------------------------------------------------------


def why_whole_at_once(config):
    """What asks for the whole list, as far as the configuration says; None if nothing does."""
    if any("::" in str(arg) for arg in config.args):
        return "single tests are named on the command line"
    for name, option in _NEED_ALL_OPTIONS.items():
        if getattr(config.option, name, False):
            return "%s needs the whole list" % option
    for plugin in config.pluginmanager.get_plugins():
        name = module_of(plugin).split(".")[0]
        if name in _NEED_ALL:
            return "%s needs the whole list" % _NEED_ALL[name]
    return None


def has_few_files(config):
    """A quick look, by pytest's patterns but without its plug-ins."""
    patterns = config.getini("python_files")
    if getattr(config.option, "doctestmodules", False):
        patterns = ["*.py"]
    count = 0
    for arg in config.args:
        if not os.path.isdir(arg):
            if not os.path.exists(arg):  # --pyargs: who knows
                return False
            count += 1
            continue
        for _, folders, files in os.walk(arg):
            folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
            count += sum(any(fnmatch.fnmatch(name, one) for one in patterns) for name in files)
            if count >= FEW_FILES:
                return False
    return count < FEW_FILES


def why_whole_after_walk(config, walk, items, forced):
    """The same, by what the walk has found. `forced`: the user has asked for shared collection."""
    if items:
        return "there are tests outside of files"
    clash = _same_module_name(config, walk.order)
    if clash:
        return "two files make the module %s" % clash
    if _mentions_groups(config, walk.order):
        return "xdist_group asks for one worker across files"
    if forced:
        return None
    for hook_name in ("pytest_collection_modifyitems", "pytest_collection_finish"):
        for impl in getattr(config.hook, hook_name).get_hookimpls():
            module = module_of(impl.plugin)
            known = module.startswith(_HARMLESS) or impl.plugin is config.pluginmanager.getplugin(
                "terminalreporter"
            )
            if not known and not (hook_name.endswith("modifyitems") and _only_visits(impl)):
                return "%s of %s may need the whole list" % (hook_name, _short_name(impl.plugin))
    if len(walk.files) < FEW_FILES:
        return "few files"
    return None


def _short_name(plugin):
    return os.path.relpath(plugin.__file__) if is_conftest(plugin) else module_of(plugin)


def _only_visits(impl):
    """Whether an implementation of pytest_collection_modifyitems only goes through the items, as one does
    to add marks: then it does not matter how many lists there are."""
    if "items" not in impl.argnames:
        return True
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(impl.function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return False
    loops = {id(node.iter) for node in ast.walk(tree) if isinstance(node, ast.For)}
    return all(
        id(node) in loops for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "items"
    )


def _same_module_name(config, collectors):
    """A name under which two files would be imported: pytest reports that as an error, which one process
    alone would not see."""
    if config.getoption("importmode", "prepend") == "importlib":
        return None
    packages = {}

    def package_of(folder):
        if folder not in packages:
            inside = os.path.isfile(os.path.join(folder, "__init__.py"))
            above, name = os.path.split(folder)
            packages[folder] = package_of(above) + (name,) if inside and above != folder else ()
        return packages[folder]

    seen = {}
    for collector in collectors:
        path = str(collector.path)
        if not isinstance(collector, pytest.Module):
            continue
        folder, file = os.path.split(path)
        name = package_of(folder) + (os.path.splitext(file)[0],)
        if seen.setdefault(name, path) != path:
            return ".".join(name)
    return None


def _mentions_groups(config, collectors):
    paths = {str(collector.path) for collector in collectors}
    paths.update(
        plugin.__file__ for plugin in config.pluginmanager.get_plugins() if is_conftest(plugin)
    )
    for path in paths:
        try:
            with open(path, "rb") as file:
                if b"xdist_group" in file.read():
                    return True
        except OSError:
            pass  # it will be said when it is collected
    return False


# ---- the walk ------------------------------------------------------------------------------------


def _is_file(collector):
    return isinstance(collector, pytest.File) and not isinstance(collector, _DIRECTORIES)


class Walk:
    """A plug-in while pytest collects: finds the files, and keeps it from looking into them."""

    def __init__(self, session):
        self.session = session
        self.order = []  # collectors, in pytest's order
        self.places = []  # for each: how many items were there before
        self.files = {}  # path, as in ids -> its collectors

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_collect_report(self, collector):
        if not _is_file(collector):
            return None
        self.order.append(collector)
        self.places.append(len(self.session.items))
        self.files.setdefault(collector.nodeid, []).append(collector)
        return pytest.CollectReport(collector.nodeid, "passed", None, [])

    def run(self):
        manager = self.session.config.pluginmanager
        manager.register(self, "dagz-walk")
        try:
            with _silent(self.session.config.hook, "pytest_collection_modifyitems", "pytest_collection_finish"):
                self.session.perform_collect()
        finally:
            manager.unregister(self)

    def complete(self):
        """Makes of the walk what pytest would have made without it."""
        session = self.session
        found, session.items = session.items, []
        begin = 0
        try:
            for collector, end in zip(self.order, self.places):
                session.items += found[begin:end]
                begin = end
                _forget_reports(session)
                session.items += session.genitems(collector)
            session.items += found[begin:]
            session.config.hook.pytest_collection_modifyitems(
                session=session, config=session.config, items=session.items
            )
        finally:
            _forget_reports(session)
            session.config.hook.pytest_collection_finish(session=session)
        session.testscollected = len(session.items)


@contextlib.contextmanager
def _silent(hooks, *names):
    """Calls of these hooks do nothing; plug-ins can still be added to them."""
    callers = [getattr(hooks, name) for name in names]
    kinds = [type(caller) for caller in callers]
    for caller, kind in zip(callers, kinds):
        caller.__class__ = type("Silent", (kind,), {"__slots__": (), "__call__": lambda self, **_: []})
    try:
        yield
    finally:
        for caller, kind in zip(callers, kinds):
            caller.__class__ = kind


def _forget_reports(session):
    if hasattr(session, "_collection_cache"):  # since pytest 8
        session._collection_cache = {}


class Collection:
    """The plug-in that decides how to collect."""

    def __init__(self, mode):
        self.mode = mode
        self.why = ""  # for people
        self.files = None  # where workers collect: their collectors, by path

    # Neither first nor last: plug-ins that prepare for the collection come first, pytest's own after it.
    @pytest.hookimpl
    def pytest_collection(self, session):
        if self.mode == "strict":
            self.why = "--strict-collection compares whole lists"
        if self.mode in ("whole", "strict"):
            return None
        config = session.config
        self.why = why_whole_at_once(config) or ""
        if self.mode == "auto" and not self.why and has_few_files(config):
            self.why = "few files"
        if self.why:
            return None
        walk = Walk(session)
        walk.run()
        self.why = why_whole_after_walk(config, walk, session.items, self.mode == "shared") or ""
        if self.why:
            walk.complete()
        else:
            _check_expressions(config)
            self.files = walk.files
            self.why = "%d file%s, each collected where it runs" % (len(self.files), "s"[: len(self.files) != 1])
        return True


def _check_expressions(config):
    """Raises pytest's UsageError for -k and -m here, once, rather than in the worker for each file."""
    check = getattr(config.pluginmanager.getplugin("mark"), "pytest_collection_modifyitems", None)
    if check is not None:
        check(items=[], config=config)


# ---- telling what there is -----------------------------------------------------------------------


def _size_of(path):
    try:
        return os.stat(str(path)).st_size
    except OSError:
        return 0


def send_found(connection, files):
    found = [[path, _size_of(collectors[0].path)] for path, collectors in files.items()]
    for begin in range(0, len(found), FOUND_MAX):
        connection.send("found", files=found[begin : begin + FOUND_MAX])


def send_file(connection, f, path, items, errors):
    """Appends to `errors` (id and text) what the marks of a test get wrong; it runs all the same."""
    encode = json.JSONEncoder().encode
    head = '{"t":"file","f":%d,"path":%s,"ids":[' % (f, encode(path))
    ids, groups, needs, size = [], {}, {}, 0

    def send(more):
        asked = [
            dict(exclusive=exclusive, weight=weight, mutex=mutex, times=times, k=tests)
            for (exclusive, weight, mutex, times), tests in needs.items()
        ]
        tail = "]"
        if groups:
            tail += ',"groups":' + encode(groups)
        if asked:
            tail += ',"needs":' + encode(asked)
        tail += ',"more":true}\n' if more else "}\n"
        connection.send_bytes((head + ",".join(ids) + tail).encode("ascii"))

    for k, (item, (group, need)) in enumerate(zip(items, told_of(items, errors))):
        one = encode(item.nodeid[:ID_MAX])
        cost = len(one) + 1
        if group is not None:
            cost += INDEX_SIZE + (0 if group in groups else len(encode(group)))
        if need is not None:
            cost += INDEX_SIZE + (0 if need in needs else NEED_SIZE + len(encode(need[2])))
        if ids and size + cost > PART_MAX:
            send(more=True)
            ids, groups, needs, size = [], {}, {}, 0
        if group is not None:
            groups.setdefault(group, []).append(k)
        if need is not None:
            needs.setdefault(need, []).append(k)
        ids.append(one)
        size += cost
    send(more=False)


def few_errors(errors, most):
    """Errors (id and text) as one message can hold them, in so many bytes: those of a file that say the same are
    one, long texts are cut once half of it is full, and the last one says how many are left out."""
    alike = {}
    for nodeid, text in errors:
        alike.setdefault((nodeid.split("::", 1)[0], text), []).append(nodeid)
    encode = json.JSONEncoder().encode
    shown, size = [], 0
    for i, ((_, text), ids) in enumerate(alike.items()):
        text = bounded(text) if size < most // 2 else bounded(text, 2000)
        if len(ids) > 1:
            text += "\n(the same for %d more of this file)" % (len(ids) - 1)
        error = {"path": ids[0][:PATH_MAX], "text": text}
        size += len(encode(error)) + 1
        if len(alike) > i + 1 and (size > most or len(shown) + 1 == ERRORS_TOLD):
            error["text"] = "%s\n(%d more errors are left out)" % (bounded(text, 2000), len(alike) - i - 1)
            return shown + [error]
        shown.append(error)
    return shown


# ---- one file in a worker ------------------------------------------------------------------------


def is_order(entry):
    """Whether an entry of a worker's queue asks for a collection."""
    return len(entry) == 1 or entry[1] == AGAIN


class Files:
    """What a worker has collected."""

    def __init__(self, session, files):
        self.session = session
        self.files = list(files.items())
        self.items = {}
        self.ids = {}
        self.all = []
        self.errors = []
        session.config.pluginmanager.register(self, "dagz-files")

    def pytest_collectreport(self, report):
        if report.failed:
            self.errors.append((report.nodeid, report.longreprtext))

    def path(self, f):
        """Where a file is, for the operating system."""
        return str(self.files[f][1][0].path)

    def above(self, entry):
        """The node above the file that an entry is about: what is set up for it may stay."""
        return self.files[entry[0] if is_order(entry) else entry[3]][1][0].parent

    def item(self, entry):
        """The test that an entry names; None if it is not here."""
        k, f, nodeid = entry[1], entry[3], entry[4]
        items = self.items.get(f, ())
        here = items[k] if k < len(items) else None
        if here is not None and (here.nodeid == nodeid or _is_cut(nodeid, here.nodeid)):
            return here
        if f not in self.ids:
            self.ids[f] = {item.nodeid: item for item in reversed(items)}
        return self.ids[f].get(nodeid)

    def collect(self, connection, entry):
        """Collects one file and tells what it holds."""
        f = entry[0]
        start = time.perf_counter()
        self.errors = []
        threshold = gc.get_threshold()
        if gc.isenabled() and 0 < threshold[0] < heap.THRESHOLD:
            gc.set_threshold(heap.THRESHOLD, *threshold[1:])
        if f not in self.items:
            self.items[f] = self._collect(f)
            heap.freeze()
        gc.set_threshold(*threshold)
        if len(entry) == 1 and self.items[f]:
            send_file(connection, f, self.files[f][0], self.items[f], self.errors)
        seconds = round(time.perf_counter() - start, 6)
        connection.send("filed", f=f, seconds=seconds, errors=few_errors(self.errors, WORKER_ERRORS_MAX))

    def _collect(self, f):
        session, config = self.session, self.session.config
        path, collectors = self.files[f]
        session.items = items = []
        try:
            with warnings_caught(config, "collect"):
                for collector in collectors:
                    _forget_reports(session)
                    items += session.genitems(collector)
            config.hook.pytest_collection_modifyitems(session=session, config=config, items=items)
            config.hook.pytest_collection_finish(session=session)
        except (KeyboardInterrupt, pytest.exit.Exception):
            raise
        except BaseException as error:
            self.errors.append((path, traceback_of(error)))
            items = []
        _forget_reports(session)
        self.all += items
        session.items = self.all
        session.testscollected = len(self.all)
        return list(items)


@contextlib.contextmanager
def warnings_caught(config, when):
    """The filters of -W and of the configuration hold outside of tests, too: while modules are imported, say."""
    if not config.pluginmanager.hasplugin("warnings"):
        yield
        return
    from _pytest.warnings import catch_warnings_for_item

    with catch_warnings_for_item(config=config, ihook=config.hook, when=when, item=None):
        yield


def traceback_of(error):
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def _is_cut(text, whole):
    """An id that is too long for a log is cut there."""
    return len(text) > 4000 and whole.startswith(text[:4000])
