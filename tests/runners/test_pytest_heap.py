"""What the garbage collector says of a heap that is frozen: what it would say without."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_agent import Agent  # noqa: E402

SUITE = """
import asyncio, gc, weakref
from gc import get_objects, get_referrers

class Held: pass
HELD = Held()
HOLDER = [HELD]
OLD = Held()
OLD.itself = OLD

class Parent: pass
def replaced():
    class Child(Parent): pass
    Child.itself = Child()
replaced()

def test_it_is_frozen():
    assert gc.get_freeze_count() > 1000

def test_what_was_garbage_when_it_was_collected_is_gone():
    assert Parent.__subclasses__() == []

def test_a_cycle_of_a_module_is_found():
    global OLD
    seen = weakref.ref(OLD)
    del OLD
    gc.collect(0)
    assert seen() is not None
    gc.collect()
    assert seen() is None
    assert gc.get_freeze_count() > 1000

def test_those_that_were_taken_early_know_what_there_is():
    assert any(one is HOLDER for one in get_referrers(HELD))
    assert any(one is HOLDER for one in get_objects())
    assert gc.get_freeze_count() > 1000

async def nobody_else_refers():
    own = Held()
    referrers = gc.get_referrers(own)
    plain = [one for one in referrers if not hasattr(one, "f_locals")]
    return plain == []

def test_the_caller_is_found_no_more_than_without():
    assert asyncio.run(nobody_else_refers())

def test_who_refers():
    assert any(one is HOLDER for one in gc.get_referrers(HELD))

def test_what_there_is():
    assert any(one is HOLDER for one in gc.get_objects())

def test_replaced(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(gc, "get_objects", lambda: [1])
        assert gc.get_objects() == [1]
    assert len(gc.get_objects()) > 1000
"""


def test_the_collector_is_honest(write):
    agent = Agent(write(test_g=SUITE), "-q", order=lambda agent: list(agent.ids)).run()
    assert set(agent.outcomes().values()) == {"passed"} and len(agent.outcomes()) == 8, agent.done
