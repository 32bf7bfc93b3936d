from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from player.media.leading import MAX_HELD, completed

Pair = tuple[int | None, int | None]


def packet(pair: Pair, duration: int = 10, stream_index: int = 0) -> Any:
    """Return what is needed of a packet; `pair`: when it is shown, and decoded. PyAV's own have no stream to choose."""
    return SimpleNamespace(pts=pair[0], dts=pair[1], duration=duration, stream_index=stream_index)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            [(None, None), (30, None), (10, None), (20, 10), (60, 20)],
            [(0, -20), (30, -10), (10, 0), (20, 10), (60, 20)],
            id="B-frames",
        ),
        pytest.param([(None, None), (0, 0), (10, 10)], [(-10, -10), (0, 0), (10, 10)], id="the very first one"),
        pytest.param([(0, 0), (None, None)], [(0, 0), (None, None)], id="not in the middle"),
        pytest.param([(None, None)] * 3, [(None, None)] * 3, id="never known"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_times_are_counted_back_from_the_first_known_ones(given: list[Pair], expected: list[Pair]) -> None:
    packets = list(completed(iter([packet(pair) for pair in given]), 0))
    assert [(each.pts, each.dts) for each in packets] == expected


def test_sound_is_left_as_it_is() -> None:
    given = [packet((None, None)), packet((None, None), stream_index=1), packet((0, 0))]
    found = list(completed(iter(given), 0))
    assert [(each.pts, each.dts) for each in found] == [(-10, -10), (None, None), (0, 0)]
    assert found == given


def test_without_a_duration_nothing_is_guessed() -> None:
    found = list(completed(iter([packet((None, None), 0), packet((0, 0), 0)]), 0))
    assert found[0].pts is None


def test_packets_are_not_held_back_for_long() -> None:
    taken: list[Any] = []

    def endless() -> Iterator[Any]:
        while True:
            taken.append(packet((None, None)))
            yield taken[-1]

    next(completed(endless(), 0))
    assert len(taken) == MAX_HELD
