"""Deadlines: called back when due, in order, and never after the end."""

import threading
import time
from collections.abc import Iterator

import pytest

from models.scheduling.deadlines import Deadlines
from tests.support.waiting import PATIENCE_S

LIMIT_S = 1.0
"""Short work must not take longer, on a busy machine either."""


@pytest.fixture
def deadlines() -> Iterator[Deadlines]:
    made = Deadlines(LIMIT_S)
    yield made
    made.close()


def test_what_is_not_over_in_time_is_called_back(deadlines: Deadlines) -> None:
    due = threading.Event()
    began_at = time.monotonic()
    deadlines.begin("key", due.set)
    assert due.wait(PATIENCE_S)
    assert time.monotonic() - began_at >= LIMIT_S


def test_what_is_over_in_time_is_not(deadlines: Deadlines) -> None:
    calls: list[str] = []
    last = threading.Event()
    with deadlines.limiting(lambda: calls.append("too late")):
        pass
    deadlines.begin("key", last.set)
    assert last.wait(PATIENCE_S)
    assert not calls


def test_a_failing_block_is_over_too(deadlines: Deadlines) -> None:
    calls: list[str] = []
    last = threading.Event()
    with pytest.raises(ZeroDivisionError), deadlines.limiting(lambda: calls.append("too late")):
        _ = 1 / 0
    deadlines.begin("key", last.set)
    assert last.wait(PATIENCE_S)
    assert not calls


def test_many_are_called_back_in_the_order_they_began(deadlines: Deadlines) -> None:
    calls: list[int] = []
    last = threading.Event()
    for number in range(100):
        deadlines.begin(number, lambda number=number: calls.append(number))  # type: ignore[misc]
    for number in range(0, 100, 2):
        deadlines.end(number)
    deadlines.begin("last", last.set)
    assert last.wait(PATIENCE_S)
    assert calls == list(range(1, 100, 2))


def test_one_that_begins_while_all_sleep_is_not_forgotten(deadlines: Deadlines) -> None:
    for _ in range(2):
        due = threading.Event()
        deadlines.begin("key", due.set)
        assert due.wait(PATIENCE_S)


def test_after_closing_nobody_is_called() -> None:
    deadlines, calls = Deadlines(LIMIT_S), []
    deadlines.begin("key", lambda: calls.append("too late"))
    deadlines.close()
    time.sleep(1.5 * LIMIT_S)
    assert not calls
    Deadlines(1).close()  # without ever having begun


def test_a_shared_deadline_passes_for_the_block_at_hand_and_all_later_ones(deadlines: Deadlines) -> None:
    calls: list[str] = []
    due, last = threading.Event(), threading.Event()
    with deadlines.shared() as shared:
        assert shared.limit_s == LIMIT_S
        with shared.limiting(lambda: calls.append("over in time")):
            pass
        with shared.limiting(due.set):
            assert due.wait(PATIENCE_S)
        for block in ("second", "third"):
            with shared.limiting(lambda block=block: calls.append(block)):  # type: ignore[misc]
                pass
    assert calls == ["second", "third"], "at once"
    with deadlines.shared() as shared, shared.limiting(lambda: calls.append("over in time")):
        pass
    deadlines.begin("key", last.set)
    assert last.wait(PATIENCE_S)
    assert calls == ["second", "third"]


def test_a_shared_deadline_can_pass_between_two_blocks(deadlines: Deadlines) -> None:
    calls: list[str] = []
    with deadlines.shared() as shared:
        deadlines.expire_all()
        with shared.limiting(lambda: calls.append("due")):
            pass
    assert calls == ["due"]
