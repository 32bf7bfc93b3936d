"""Documents that are made for a share of the time only."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from handlers.server.app import create_app
from handlers.server.rationed import MAX_SAVED_S, MAX_SHARE, Rationed
from handlers.server.settings import Settings
from tests.support.clock import Clock

MADE_IN_S = 0.01


def rationed(clock: Clock) -> Rationed[int]:
    numbers = itertools.count()

    def make() -> int:
        clock.now_s += MADE_IN_S
        return next(numbers)

    return Rationed(make, clock, clock)


def test_who_asks_now_and_then_gets_the_present_value() -> None:
    clock = Clock()
    document = rationed(clock)
    for number in range(1000):
        assert document() == number
        clock.now_s += MADE_IN_S / MAX_SHARE


def test_a_flood_gets_the_last_value_again() -> None:
    clock = Clock()
    document = rationed(clock)
    started_at = clock.now_s
    values = []
    while clock.now_s < started_at + 100:
        values.append(document())
        clock.now_s += 0.001
    spent_s = len(set(values)) * MADE_IN_S
    assert values == sorted(values)
    assert spent_s <= MAX_SAVED_S + 100 * MAX_SHARE + MADE_IN_S
    assert spent_s >= 100 * MAX_SHARE * 0.9


def test_a_wait_costs_nothing() -> None:
    """On a busy machine a thread waits for seconds while it makes a document."""
    clock, numbers = Clock(), itertools.count()

    def make_late() -> int:
        clock.now_s += 60
        return next(numbers)

    document = Rationed(make_late, clock, lambda: 0.0)
    assert [document() for _ in range(9)] == list(range(9))


def test_the_documents_of_a_service_are_rationed(monkeypatch: pytest.MonkeyPatch) -> None:
    rationed_documents: list[Callable[[], Any]] = []

    def keep(make: Callable[[], Any]) -> Callable[[], Any]:
        rationed_documents.append(make)
        return make

    monkeypatch.setattr("handlers.server.app.Rationed", keep)
    create_app(Settings(), lambda _: None)
    assert [make.__name__ for make in rationed_documents] == ["as_text", "as_record"]
