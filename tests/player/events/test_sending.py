"""Each output gets every event, in order, whatever happens to the others."""

import threading
import time

import pytest

from player.errors import DeliveryError
from player.events.event import Event
from player.events.output import EndedError, LaterError
from player.events.sending import BackOff, Publisher
from player.events.spool import Spool
from tests.support.player_events import FakeOutput, seen, wait_until_delivered
from tests.support.waiting import PATIENCE_S, wait_for

QUICK = BackOff(0.001, 0.002)


def test_each_output_gets_all_events_in_order() -> None:
    outputs = [FakeOutput(), FakeOutput(window=5)]
    publisher, events = Publisher(outputs), [seen() for _ in range(50)]
    for event in events:
        publisher.publish(event)
    assert publisher.close() == 0
    assert [output.taken for output in outputs] == [events, events]
    assert all(output.is_closed for output in outputs)
    assert [status.delivered for status in publisher.status] == [50, 50]


def test_an_output_that_stands_still_holds_up_nothing() -> None:
    stalled, other = FakeOutput(is_open=False), FakeOutput()
    publisher, events = Publisher([stalled, other]), [seen() for _ in range(10)]
    began_s = time.monotonic()
    for event in events:
        publisher.publish(event)
    assert time.monotonic() - began_s < 5
    wait_for(lambda: other.taken == events)
    status = publisher.status[0]
    assert (status.name, status.delivered, status.waiting, status.connected_since_s) == ("fake", 0, 10, None)
    assert status.waiting_bytes > 1000
    stalled.gate.set()
    wait_until_delivered(publisher)
    assert stalled.taken == events
    assert publisher.status[0].connected_since_s == pytest.approx(time.time(), abs=60)
    publisher.close()


def test_an_event_is_tried_until_it_is_taken() -> None:
    output = FakeOutput(LaterError("It is away."), LaterError("It is away."), LaterError("It is busy.", 0))
    publisher, events = Publisher([output], back_off=QUICK), [seen(), seen()]
    for event in events:
        publisher.publish(event)
    status = wait_until_delivered(publisher)
    assert output.taken == events
    assert (status.delivered, status.dropped, status.last_error) == (2, 0, "It is busy.")
    assert status.last_error_at_s == pytest.approx(time.time(), abs=60)
    assert status.connected_since_s is not None
    publisher.close()


def test_a_refused_event_does_not_hold_up_the_next() -> None:
    output = FakeOutput(DeliveryError("It is malformed.", is_final=True))
    publisher, events = Publisher([output]), [seen(), seen()]
    for event in events:
        publisher.publish(event)
    status = wait_until_delivered(publisher)
    assert output.taken == events[1:]
    assert (status.delivered, status.dropped, status.last_error) == (1, 1, "It is malformed.")
    publisher.close()


def test_an_output_that_has_ended_is_reported_once() -> None:
    ended = threading.Event()
    output = FakeOutput(EndedError("Nobody reads."))
    publisher = Publisher([output], on_end=ended.set)
    publisher.publish(seen())
    assert ended.wait(PATIENCE_S)
    publisher.publish(seen())
    status = publisher.status[0]
    assert (status.is_over, status.waiting, status.last_error) == (True, 1, "Nobody reads.")
    began_s = time.monotonic()
    assert publisher.close(PATIENCE_S) == 0
    assert time.monotonic() - began_s < PATIENCE_S / 2


def test_closing_reports_what_stays_undelivered() -> None:
    away, there = FakeOutput(*[LaterError("It is away.", 0.01)] * 10_000), FakeOutput()
    publisher = Publisher([away, there])
    for _ in range(3):
        publisher.publish(seen())
    wait_for(lambda: len(there.taken) == 3 and not publisher.status[1].waiting)
    assert publisher.close(0.2) == 3
    assert away.is_closed
    assert there.is_closed


def test_closing_ends_a_long_pause() -> None:
    output = FakeOutput(LaterError("It is away.", 100))
    publisher = Publisher([output])
    publisher.publish(seen())
    wait_for(lambda: output.calls)
    began_s = time.monotonic()
    assert publisher.close(0.1) == 1
    assert time.monotonic() - began_s < 5


def test_what_is_no_json_goes_nowhere() -> None:
    output = FakeOutput()
    publisher = Publisher([output])
    publisher.publish(seen("yard", {"confidence": float("nan")}))
    publisher.close()
    assert (output.taken, publisher.status[0].dropped) == ([], 1)


def test_many_threads_publish() -> None:
    output = FakeOutput(window=7)
    publisher = Publisher([output], new_spool=lambda: Spool(2000))
    events = [[seen() for _ in range(100)] for _ in range(8)]

    def publish(mine: list[Event]) -> None:
        for event in mine:
            publisher.publish(event)

    threads = [threading.Thread(target=publish, args=(mine,)) for mine in events]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    publisher.close(PATIENCE_S)
    assert len(output.taken) == 800
    for mine in events:
        wanted = {event.id for event in mine}
        assert [event for event in output.taken if event.id in wanted] == mine


def test_pauses_grow_up_to_the_longest() -> None:
    back_off = BackOff(1, 8)
    pauses = [back_off.pause_s(failures) for failures in (1, 2, 3, 4, 5, 1000)]
    for pause_s, full_s in zip(pauses, (1, 2, 4, 8, 8, 8), strict=True):
        assert 0.75 * full_s <= pause_s <= full_s
