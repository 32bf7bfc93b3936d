"""Events wait in order, and the least important give way."""

import threading

import pytest

from player.events.event import Event
from player.events.spool import Spool
from tests.support.player_events import seen, stored
from tests.support.waiting import PATIENCE_S


def left_in(spool: Spool) -> list[Event]:
    """Take everything, one by one."""
    spool.end()
    left: list[Event] = []
    while events := spool.take(1):
        left += events
        spool.done(1)
    return left


def test_the_order_is_kept() -> None:
    spool, events = Spool(), [seen(), stored(), seen(), stored(), stored(), seen()]
    for event in events:
        spool.put(event, 100)
    assert spool.waiting == (6, 600)
    assert left_in(spool) == events
    assert spool.waiting == (0, 0)


def test_what_was_taken_stays_until_it_is_done() -> None:
    spool, events = Spool(), [seen() for _ in range(4)]
    for event in events:
        spool.put(event, 1)
    assert spool.take(2) == events[:2]
    assert spool.take(2) == events[:2]
    spool.done(1)
    assert spool.take(2) == events[1:3]
    assert spool.take(10) == events[1:]
    assert spool.waiting == (3, 3)


@pytest.mark.parametrize("bounds", [(3, 1000), (1000, 30)], ids=["events", "bytes"])
def test_the_oldest_analytics_event_gives_way(bounds: tuple[int, int]) -> None:
    spool, events = Spool(*bounds), [stored(), seen(), seen(), stored(), seen()]
    for event in events:
        spool.put(event, 10)
    assert spool.dropped == 2
    assert spool.waiting == (3, 30)
    assert left_in(spool)[:3] == [events[0], events[3], events[4]]


def test_without_analytics_events_the_oldest_gives_way() -> None:
    spool, events = Spool(2), [stored() for _ in range(4)]
    for event in events:
        spool.put(event, 10)
    assert left_in(spool)[:2] == events[2:]


def test_what_is_being_delivered_does_not_give_way() -> None:
    spool, events = Spool(2), [seen() for _ in range(4)]
    for event in events[:2]:
        spool.put(event, 10)
    assert spool.take(1) == events[:1]
    for event in events[2:]:
        spool.put(event, 10)
    assert spool.take(2) == [events[0], events[3]]
    spool.put(stored(), 10)
    assert spool.dropped == 3, "there is no room beside those that are being delivered"


def test_an_event_that_is_larger_than_the_spool_gives_way() -> None:
    spool = Spool(10, 100)
    spool.put(seen(), 101)
    assert (spool.waiting, spool.dropped) == ((0, 0), 1)


def test_what_gave_way_is_reported_once_there_is_room() -> None:
    spool = Spool(4)
    events = [seen(name) for name in ("yard", "gate", "yard", "yard", "yard", "yard", "yard")]
    for event in events:
        spool.put(event, 10)
    spool.take(1)
    spool.done(1)
    assert spool.waiting == (3, 30), "not yet"
    left = left_in(spool)
    assert left[:3] == events[4:]
    reports = {event.pipeline: (event.kind, event.body["count"]) for event in left[3:]}
    assert reports == {"yard": ("DataDropped", 2), "gate": ("DataDropped", 1)}
    assert spool.dropped == 3


def test_taking_waits_for_an_event() -> None:
    spool, event = Spool(), seen()
    taken: list[list[Event]] = []
    thread = threading.Thread(target=lambda: taken.append(spool.take(1)))
    thread.start()
    spool.put(event, 1)
    thread.join(PATIENCE_S)
    assert taken == [[event]]
    assert not spool.wait_until_empty(0.01)
    spool.done(1)
    assert spool.wait_until_empty(0.01)
