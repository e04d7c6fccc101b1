"""What the marks of tests say to the agent: what they ask for, and how long they may take.
PYTEST_DONT_REWRITE

It is written beside dagz_pytest_driver.py as dagz_pytest_marks.py.
"""

from collections import Counter

WEIGHT_MAX = 65536

# So many times as long as is usual a test with this mark takes, at a guess. The mean of such tests is 9, 44
# and 84 times that of all in numpy, pandas and sympy where they are marked as slow, 36, 6, 2 and 1 times in
# pandas, networkx, numpy and sympy where they are expected to fail (a traceback is dear), and 93 and 5 times
# in numpy and sympy where hypothesis draws examples.
_TIMES_USUAL = {"slow": 50, "hypothesis": 20, "xfail": 10}
# The marks of plug-ins that order tests by them, or skip what depends on a test that has not passed yet.
_ORDERED = {
    "pytest_dependency": ("dependency",),
    "pytest_order": ("order",),
    "pytest_ordering": ("run", "first", "second", "last", "second_to_last"),
}
_MARKS = {"xdist_group", "dagz", "skip", "skipif", *_TIMES_USUAL}


def register_markers(config):
    """Known with --strict-markers, too."""
    config.addinivalue_line(
        "markers",
        "dagz(exclusive=False, weight=1, mutex=None): runs alone on its node; counts as so many of its "
        "workers; never at the same time as another test with this mutex, on any node",
    )
    if not config.pluginmanager.hasplugin("xdist"):
        config.addinivalue_line("markers", "xdist_group(name): tests of one group run on one worker")


def requirement_of(marks):
    """What these marks of a test ask for, as a tuple (exclusive, weight, mutex). Of several marks `dagz` (class,
    module) the strictest counts; of mutexes the nearest. ValueError if one makes no sense."""
    exclusive, weight, mutex = False, 1, ""
    for mark in marks:
        if mark.name != "dagz":
            continue
        unknown = set(mark.kwargs) - {"exclusive", "weight", "mutex"}
        if mark.args or unknown:
            word = sorted(unknown)[0] if unknown else repr(mark.args[0])
            raise ValueError("the mark dagz takes exclusive=, weight= and mutex=, not %s" % word)
        asked = mark.kwargs.get("weight", 1)
        if isinstance(asked, bool) or not isinstance(asked, int) or not 1 <= asked <= WEIGHT_MAX:
            raise ValueError("the mark dagz: weight must be a whole number from 1, not %r" % (asked,))
        name = mark.kwargs.get("mutex")
        if name is not None and not (isinstance(name, str) and name):
            raise ValueError("the mark dagz: mutex must be a name, not %r" % (name,))
        exclusive = exclusive or bool(mark.kwargs.get("exclusive", False))
        weight = max(weight, asked)
        mutex = mutex or name or ""
    return exclusive, weight, mutex


def _conditions(mark):
    """Those that are plain: one in words is evaluated by pytest alone."""
    return [one for one in (*mark.args, mark.kwargs.get("condition")) if isinstance(one, bool)]


def _does_not_run(marks):
    for mark in marks:
        if mark.name == "skip" or (mark.name == "skipif" and any(_conditions(mark))):
            return True
        if mark.name == "xfail" and mark.kwargs.get("run", True) is False:
            return True
    return False


def times_usual(marks, shared):
    """How many times as long as is usual a test takes by its marks; 1 if they say nothing. A mark that many
    tests share says that all of them together are slow; each that is expected to fail does so by itself."""
    if _does_not_run(marks):
        return 1
    times = 1
    for mark in marks:
        guess = _TIMES_USUAL.get(mark.name, 1)
        if mark.name == "xfail":
            guess = guess if all(_conditions(mark)) else 1
        else:
            guess //= max(1, shared[id(mark)])
        times = max(times, guess)
    return times


def group_of(marks):
    """The name of its xdist_group; None if it has none."""
    for mark in marks:
        if mark.name == "xdist_group":
            return str(mark.args[0] if mark.args else mark.kwargs.get("name", "default"))
    return None


def ordering_marks(config):
    """The names of marks by which a plug-in wants tests to run one after the other."""
    modules = {getattr(plugin, "__name__", "").split(".")[0] for plugin in config.pluginmanager.get_plugins()}
    return {name for module in modules for name in _ORDERED.get(module, ())}


def _order_of(item, names):
    """What runs in its order together with this test, as the name of a group; None if its place is free."""
    marks = [mark for mark in item.iter_markers() if mark.name in names]
    if not marks:
        return None
    if _spans_files(item.session, names):
        return "in order"
    return "in order: " + item.nodeid.split("::", 1)[0]


def _spans_files(session, names):
    """Whether some test depends on others beyond its file."""
    if not hasattr(session, "_dagz_spans_files"):
        session._dagz_spans_files = any(
            mark.kwargs.get("scope") in ("session", "package")
            for item in session.items
            for mark in item.iter_markers()
            if mark.name in names
        )
    return session._dagz_spans_files


def told_of(items, errors):
    """For each of these tests of one file its group and a tuple (exclusive, weight, mutex, times usual), each
    None if its marks say nothing. Appends to `errors` (id and text) what they get wrong."""
    marks_of = [[mark for mark in item.iter_markers() if getattr(mark, "name", None) in _MARKS] for item in items]
    shared = Counter(id(mark) for marks in marks_of for mark in marks)
    ordering = ordering_marks(items[0].config) if items else set()
    for item, marks in zip(items, marks_of):
        asked = (False, 1, "")
        try:
            asked = requirement_of(marks)
        except ValueError as error:
            errors.append((item.nodeid, str(error)))
        need = (*asked, times_usual(marks, shared))
        group = group_of(marks) or (_order_of(item, ordering) if ordering else None)
        yield group, (need if need != (False, 1, "", 1) else None)
