"""How long a client may read nothing of an answer. No socket is needed: the tests pass the time in."""

import pytest
from hypothesis import given, strategies

from handlers.server.wire.progress import SendProgress

TIMEOUT_S = 10.0
START_S = 1000.0
"""A clock does not begin at 0."""
TICK_S = 0.25
JUST_UNDER_S = TIMEOUT_S - TICK_S
TICKS = strategies.integers(0, 400).map(lambda ticks: ticks * TICK_S)
"""Seconds that are binary fractions, so that sums are exact."""
SIZES = strategies.integers(0, 1 << 20)


@pytest.mark.parametrize(
    ("passed_s", "is_stuck"),
    [(0, False), (JUST_UNDER_S, False), (TIMEOUT_S, True), (TIMEOUT_S + 1, True)],
    ids=["at once", "just under the limit", "exactly at the limit", "over the limit"],
)
@pytest.mark.parametrize("unsent_bytes", [0, 1, 1 << 20])
def test_a_client_that_takes_nothing_is_stuck(unsent_bytes: int, passed_s: float, *, is_stuck: bool) -> None:
    """Also with nothing to send: a connection that is closing must end."""
    sent = SendProgress(TIMEOUT_S)
    assert not sent.is_stuck(unsent_bytes, START_S)
    if passed_s:
        assert sent.is_stuck(unsent_bytes, START_S + passed_s) is is_stuck


@pytest.mark.parametrize("unsent_bytes", [1000, 1001], ids=["as much", "more"])
def test_more_to_send_is_no_progress(unsent_bytes: int) -> None:
    sent = SendProgress(TIMEOUT_S)
    assert not sent.is_stuck(1000, START_S)
    assert not sent.is_stuck(unsent_bytes, START_S + JUST_UNDER_S)
    assert sent.is_stuck(unsent_bytes, START_S + TIMEOUT_S)


def test_one_byte_taken_is_progress() -> None:
    sent = SendProgress(TIMEOUT_S)
    assert not sent.is_stuck(1000, START_S)
    assert not sent.is_stuck(999, START_S + TIMEOUT_S)
    assert not sent.is_stuck(999, START_S + TIMEOUT_S + JUST_UNDER_S)
    assert sent.is_stuck(999, START_S + 2 * TIMEOUT_S)


@given(strategies.lists(strategies.tuples(TICKS, strategies.integers(1, 1000)), min_size=1))
def test_a_steady_reader_is_never_stuck_however_long_it_takes(checks: list[tuple[float, int]]) -> None:
    sent, now = SendProgress(TIMEOUT_S), START_S
    unsent_bytes = sum(taken_bytes for _, taken_bytes in checks)
    assert not sent.is_stuck(unsent_bytes, now)
    for pause_s, taken_bytes in checks:
        now += pause_s
        unsent_bytes -= taken_bytes
        assert not sent.is_stuck(unsent_bytes, now)


def test_time_with_nothing_to_send_does_not_count() -> None:
    sent = SendProgress(TIMEOUT_S)
    assert not sent.is_stuck(1000, START_S)
    sent.restart()
    assert not sent.is_stuck(2000, START_S + 100)
    assert not sent.is_stuck(2000, START_S + 100 + JUST_UNDER_S)
    assert sent.is_stuck(2000, START_S + 100 + TIMEOUT_S)


@given(strategies.lists(SIZES, min_size=1))
def test_checks_at_the_same_moment_find_nobody_stuck(sizes: list[int]) -> None:
    sent = SendProgress(TIMEOUT_S)
    assert not any(sent.is_stuck(unsent_bytes, START_S) for unsent_bytes in sizes)
