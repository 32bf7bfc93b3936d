"""The most traces in a second."""

import itertools

import pytest

from handlers.server.traces.budget import Budget
from tests.support.clock import Clock


def taken(budget: Budget) -> int:
    return sum(1 for _ in itertools.takewhile(lambda _: budget.take(), range(1000)))


@pytest.mark.parametrize(("passed_s", "room"), [(0, 0), (0.125, 1), (0.25, 2), (1, 10), (3600, 10)], ids=str)
def test_there_is_room_for_so_many_more_when_time_has_passed(passed_s: float, room: int) -> None:
    clock = Clock()
    budget = Budget(10, clock)
    assert taken(budget) == 10
    clock.now_s += passed_s
    assert taken(budget) == room


def test_one_a_second_is_one_a_second() -> None:
    clock = Clock()
    budget = Budget(1, clock)
    counts = []
    for _ in range(40):
        counts.append(taken(budget))
        clock.now_s += 0.25
    assert sum(counts) == 10
