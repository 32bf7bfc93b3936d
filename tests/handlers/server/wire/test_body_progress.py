"""How a body arrives: its rate, chunks and overhead. No socket is needed: the tests pass the time in."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, strategies

from handlers.server.settings import Settings
from handlers.server.wire.connections import ConnectionLimits
from handlers.server.wire.progress import BRISK_BYTES_PER_S, MAX_CHUNKS, BodyProgress, Rate, RequestProgress

TIMEOUT_S, KEEP_ALIVE_S = 10.0, 75.0
START_S = 1000.0
"""A clock does not begin at 0."""
TICK_S = 0.25
LIMITS = ConnectionLimits(
    receive_timeout_s=TIMEOUT_S,
    min_body_bytes_per_s=100,
    max_header_bytes=1000,
    max_connections=10,
    keep_alive_s=KEEP_ALIVE_S,
)
TICKS = strategies.integers(0, 400).map(lambda ticks: ticks * TICK_S)
"""Seconds that are binary fractions, so that sums are exact."""
SIZES = strategies.integers(0, 1 << 20)


def body_progress() -> BodyProgress:
    return BodyProgress(Rate(TIMEOUT_S, 100))


@dataclass
class Body:
    """A body whose bytes arrive at given times, and which is not read during some checks."""

    arrivals: dict[float, int]
    pauses: frozenset[float] = field(default_factory=frozenset)

    def is_too_slow(self, until_s: float) -> bool:
        """Check four times a second, over a window of 10 s at 100 bytes/s; return whether one check found it slow."""
        rate = Rate(10, 100)
        found = False
        for quarter in range(int(until_s * 4) + 1):
            now = quarter / 4
            rate.passed_bytes += self.arrivals.get(now, 0)
            if now in self.pauses:
                rate.restart()
            else:
                found = found or rate.is_too_low(now)
        return found


@pytest.mark.parametrize(
    ("arrivals", "until_s", "expected"),
    [
        pytest.param({}, 9.75, False, id="nothing yet"),
        pytest.param({}, 10, True, id="nothing"),
        pytest.param({1.0: 1000}, 10.75, False, id="one burst holds for a window"),
        pytest.param({1.0: 1000}, 11.25, True, id="and no longer"),
        pytest.param({1.0: 1_000_000}, 11.25, True, id="a large burst holds no longer"),
        pytest.param({float(second): 100 for second in range(61)}, 60, False, id="at the least rate"),
        pytest.param({float(second): 90 for second in range(61)}, 10, True, id="below it"),
    ],
)
def test_a_body_is_too_slow(arrivals: dict[float, int], until_s: float, *, expected: bool) -> None:
    assert Body(arrivals).is_too_slow(until_s) is expected


@pytest.mark.parametrize(
    ("bytes_per_s", "expected"),
    [
        pytest.param(120_000, False, id="1 Mbit/s"),
        pytest.param(30_000, False, id="shared by four cameras"),
        pytest.param(10_000, True, id="no uplink for pictures"),
        pytest.param(10, True, id="a trickle"),
    ],
)
def test_by_default_a_slow_uplink_is_served_and_a_trickle_is_not(bytes_per_s: int, *, expected: bool) -> None:
    settings = Settings()
    rate = Rate(settings.receive_timeout_s, settings.min_body_bytes_per_s)
    found = []
    for second in range(21):
        found.append(rate.is_too_low(float(second)))
        rate.passed_bytes += bytes_per_s
    assert any(found) is expected


@pytest.mark.parametrize(
    ("min_bytes_per_s", "passed_bytes", "is_brisk"),
    [
        (100, BRISK_BYTES_PER_S, True),
        (100, BRISK_BYTES_PER_S - 1, False),
        (0, 0, False),
        (2 * BRISK_BYTES_PER_S, BRISK_BYTES_PER_S, False),
        (2 * BRISK_BYTES_PER_S, 2 * BRISK_BYTES_PER_S, True),
    ],
)
def test_a_body_is_brisk_from_check_to_check(min_bytes_per_s: int, passed_bytes: int, *, is_brisk: bool) -> None:
    rate = Rate(TIMEOUT_S, min_bytes_per_s)
    assert not rate.is_too_low(START_S)
    assert not rate.is_brisk, "one check is no rate"
    rate.passed_bytes += passed_bytes
    assert not rate.is_too_low(START_S + 1)
    assert rate.is_brisk is is_brisk


def test_time_in_which_nothing_is_read_does_not_count() -> None:
    assert not Body({}, pauses=frozenset({9.5})).is_too_slow(19.5)


@given(strategies.lists(TICKS, min_size=1))
def test_a_minimum_of_0_is_never_missed(pauses_s: list[float]) -> None:
    rate, now = Rate(TIMEOUT_S, 0), START_S
    for pause_s in pauses_s:
        assert not rate.is_too_low(now)
        now += pause_s


@given(strategies.lists(strategies.tuples(TICKS, SIZES), min_size=1))
def test_twice_the_minimum_is_never_too_slow(reads: list[tuple[float, int]]) -> None:
    rate, now = Rate(TIMEOUT_S, 100), START_S
    for pause_s, extra_bytes in reads:
        assert not rate.is_too_low(now)
        now += pause_s
        rate.passed_bytes += int(200 * pause_s) + extra_bytes


def test_it_names_the_minimum() -> None:
    assert str(Rate(10.0, 262144)) == "262144 bytes a second over 10 s"


def test_content_counts_for_the_rate() -> None:
    body = body_progress()
    for size_bytes in (0, 1, 999):
        body.add_content(size_bytes)
    assert body.rate.passed_bytes == 1000


@pytest.mark.parametrize(
    ("chunks", "is_too_many"),
    [(0, False), (1, False), (MAX_CHUNKS, False), (MAX_CHUNKS + 1, True)],
    ids=["none", "one", "exactly the limit", "one more"],
)
def test_chunks_are_bounded(chunks: int, *, is_too_many: bool) -> None:
    body = body_progress()
    for _ in range(chunks):
        body.add_chunk()
    assert body.has_too_many_chunks is is_too_many


@pytest.mark.parametrize(
    ("steps", "overhead_bytes"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([("read", 0)], 0, id="an empty read"),
        pytest.param([("content", 10), ("read", 10)], 0, id="content"),
        pytest.param([("chunk", 0), ("read", 7)], 0, id="the header of a chunk"),
        pytest.param([("content", 0), ("read", 7)], 7, id="zero bytes of content"),
        pytest.param([("content", 10), ("read", 99), ("read", 5)], 5, id="trailers in the next read"),
        pytest.param([("read", 5), ("read", 6), ("read", 7)], 18, id="a chunk extension over three reads"),
        pytest.param([("read", 500), ("content", 1), ("read", 1)], 0, id="content ends the overhead"),
        pytest.param([("read", 500), ("chunk", 0), ("read", 1), ("read", 3)], 3, id="a chunk ends it too"),
    ],
)
def test_overhead_is_what_brings_nothing(steps: list[tuple[str, int]], overhead_bytes: int) -> None:
    body = body_progress()
    for step, size_bytes in steps:
        if step == "content":
            body.add_content(size_bytes)
        elif step == "chunk":
            body.add_chunk()
        else:
            body.end_read(size_bytes)
    assert body.overhead_bytes == overhead_bytes


@given(strategies.lists(strategies.lists(strategies.integers(1, 9), min_size=1, max_size=50), max_size=50))
def test_many_tiny_chunks_are_content_and_not_overhead(reads: list[Sequence[int]]) -> None:
    body = body_progress()
    for sizes in reads:
        for size_bytes in sizes:
            body.add_chunk()
            body.add_content(size_bytes)
        body.end_read(sum(sizes) + 5 * len(sizes))
        assert body.overhead_bytes == 0
    assert body.chunks == sum(map(len, reads))
    assert body.rate.passed_bytes == sum(map(sum, reads))


@given(strategies.lists(SIZES))
def test_overhead_adds_up(reads: list[int]) -> None:
    body = body_progress()
    for size_bytes in reads:
        body.end_read(size_bytes)
    assert body.overhead_bytes == sum(reads)


def test_first_the_head_is_limited_then_what_a_body_brings_beside_its_content() -> None:
    progress = RequestProgress(LIMITS)
    assert progress.excess_bytes == 0
    progress.head.add(600, START_S)
    assert progress.excess_bytes == 600
    progress.begin_body()
    assert progress.excess_bytes == 0
    assert progress.body
    progress.body.add_content(5000)
    progress.body.end_read(5000)
    assert progress.excess_bytes == 0
    progress.body.end_read(70)
    assert progress.excess_bytes == 70


def test_each_body_is_measured_anew_by_the_limits() -> None:
    progress = RequestProgress(LIMITS)
    progress.begin_body()
    first = progress.body
    assert first
    first.add_chunk()
    progress.begin_body()
    assert progress.body == BodyProgress(Rate(TIMEOUT_S, 100))
