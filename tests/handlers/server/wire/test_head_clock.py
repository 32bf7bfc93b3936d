"""How long a head may take and a connection may be idle. No socket is needed: the tests pass the time in."""

import pytest
from hypothesis import given, strategies

from handlers.server.wire.progress import HeadClock

TIMEOUT_S, KEEP_ALIVE_S = 10.0, 75.0
START_S = 1000.0
"""A clock does not begin at 0."""
TICK_S = 0.25
JUST_UNDER_S = TIMEOUT_S - TICK_S
TICKS = strategies.integers(0, 400).map(lambda ticks: ticks * TICK_S)
"""Seconds that are binary fractions, so that sums are exact."""
SIZES = strategies.integers(0, 1 << 20)


def head_clock() -> HeadClock:
    return HeadClock(TIMEOUT_S, KEEP_ALIVE_S)


def test_it_is_never_late_before_it_starts() -> None:
    clock = head_clock()
    assert not clock.is_late(1e12)
    assert not clock.is_idle_too_long(1e12)
    assert clock.elapsed_s(1e12) == 0


@pytest.mark.parametrize(
    ("passed_s", "is_late"),
    [(0, False), (JUST_UNDER_S, False), (TIMEOUT_S, True), (TIMEOUT_S + 1, True)],
    ids=["at once", "just under the limit", "exactly at the limit", "over the limit"],
)
@pytest.mark.parametrize("received", [0, 1], ids=["silent", "one byte"])
def test_a_head_has_a_deadline(received: int, passed_s: float, *, is_late: bool) -> None:
    clock = head_clock()
    clock.start(START_S)
    clock.add(received, START_S)
    assert clock.is_late(START_S + passed_s) is is_late
    assert clock.elapsed_s(START_S + passed_s) == passed_s
    assert clock.received_bytes == received


@given(strategies.lists(strategies.tuples(TICKS, SIZES), min_size=1))
def test_bytes_of_the_same_head_do_not_move_the_deadline(reads: list[tuple[float, int]]) -> None:
    clock, now = head_clock(), START_S
    for pause_s, size_bytes in reads:
        clock.add(size_bytes, now)
        now += pause_s
    assert clock.is_late(now) is (now - START_S >= TIMEOUT_S)
    assert clock.elapsed_s(now) == now - START_S
    assert clock.received_bytes == sum(size_bytes for _, size_bytes in reads)


def test_a_complete_head_stops_the_clock_and_the_next_one_starts_it_anew() -> None:
    clock = head_clock()
    clock.add(500, START_S)
    clock.finish()
    assert clock.received_bytes == 0
    assert not clock.is_late(START_S + 1e9)
    clock.add(1, START_S + 100)
    assert not clock.is_late(START_S + 100 + JUST_UNDER_S)
    assert clock.is_late(START_S + 100 + TIMEOUT_S)
    assert clock.received_bytes == 1


@pytest.mark.parametrize(
    ("passed_s", "is_too_long"),
    [(0, False), (KEEP_ALIVE_S - TICK_S, False), (KEEP_ALIVE_S, True), (KEEP_ALIVE_S + 1, True)],
    ids=["at once", "just under the limit", "exactly at the limit", "over the limit"],
)
def test_an_idle_connection_is_kept_for_a_while(passed_s: float, *, is_too_long: bool) -> None:
    clock = head_clock()
    clock.rest(START_S)
    assert clock.is_idle_too_long(START_S + passed_s) is is_too_long
    assert not clock.is_late(START_S + passed_s), "no head has begun"


@pytest.mark.parametrize("size_bytes", [0, 1])
def test_a_read_ends_the_idle_time(size_bytes: int) -> None:
    clock = head_clock()
    clock.rest(START_S)
    clock.add(size_bytes, START_S + 1)
    assert not clock.is_idle_too_long(START_S + 1e9)
    assert clock.is_late(START_S + 1 + TIMEOUT_S)


def test_a_request_ends_the_idle_time() -> None:
    """Even one that arrived in the same read as the end of the request before it."""
    clock = head_clock()
    clock.rest(START_S)
    clock.start(START_S)
    clock.finish()
    assert not clock.is_idle_too_long(START_S + 1e9)
