"""The frozen heap: what was collected lives as long as the process, so no garbage collection need look at it again.
PYTEST_DONT_REWRITE

It is written beside dagz_pytest_driver.py as dagz_pytest_heap.py.

Frozen objects are in none of the collector's lists. Whoever has it search for garbage gets the answer that it would
get without: they are put back for the length of the call. Whoever asks it about objects has them back for good, and
calls the collector's own functions: these leave no frame behind in which their arguments could be found.
"""

import functools
import gc

THRESHOLD = 100_000  # of the young, while much is made that stays
FULL = 2  # the generation that a full collection is named after
_collect = gc.collect


_original = {name: getattr(gc, name) for name in ("get_objects", "get_referrers")}


def freeze():
    """Garbage would be kept for good."""
    _collect()
    if type(gc) is not _Module:
        gc.freeze()


def be_honest():
    """In this process and those that are forked from it."""
    gc.__class__ = _Watched
    gc.collect = _collect_all


def stop_searching():
    """Once no test runs here any more: the whole heap is walked for nobody."""
    if gc.collect is _collect_all:
        gc.collect = _collect


def _with_all(function):
    @functools.wraps(function)
    def call(*arguments, **named):
        if not gc.get_freeze_count():
            return function(*arguments, **named)
        gc.unfreeze()
        try:
            return function(*arguments, **named)
        finally:
            gc.freeze()

    return call


def _watched(name):
    """An attribute of the module. Before anything is frozen it is taken by imports, to be called some day."""
    early = _with_all(_original[name])

    def take(module):
        if not gc.get_freeze_count():
            return early
        _thaw()
        return _original[name]

    def replace(module, value):
        _thaw()
        setattr(module, name, value)

    return property(take, replace)


def _thaw():
    """For good."""
    gc.__class__ = _Module
    gc.unfreeze()


_Module = type(gc)
_Watched = type("module", (_Module,), {name: _watched(name) for name in _original})
_whole_search = _with_all(_collect)


@functools.wraps(_collect)
def _collect_all(generation=FULL):
    return _whole_search(generation) if generation == FULL else _collect(generation)
