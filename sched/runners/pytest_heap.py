"""The frozen heap: what was collected lives as long as the process, so no garbage collection need look at it again.
PYTEST_DONT_REWRITE

It is written beside dagz_pytest_driver.py as dagz_pytest_heap.py.

Frozen objects are in none of the collector's lists. Whoever asks it about objects, or has it search for garbage,
gets the answer that it would get without: they are put back for the length of the call.
"""

import functools
import gc

THRESHOLD = 100_000  # of the young, while much is made that stays
FULL = 2  # the generation that a full collection is named after
_collect = gc.collect


def freeze():
    """Garbage would be kept for good."""
    _collect()
    gc.freeze()


def be_honest():
    """In this process and those that are forked from it."""
    gc.get_objects = _with_all(gc.get_objects)
    gc.get_referrers = _with_all(gc.get_referrers)
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


_whole_search = _with_all(_collect)


@functools.wraps(_collect)
def _collect_all(generation=FULL):
    return _whole_search(generation) if generation == FULL else _collect(generation)
