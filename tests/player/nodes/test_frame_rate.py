import pytest
from hypothesis import given
from hypothesis import strategies as st

from player.flow import Signal
from player.nodes.frame_rate import EARLY, FrameRateFilter, Rate
from tests.player.nodes.pictures import BEGIN_S, frame


def passed(fps: float, maximum_fps: float, seconds: float = 20) -> list[int]:
    node = FrameRateFilter(maximum_fps)
    return [number for number in range(round(fps * seconds)) if list(node.take(frame(number / fps), 0))]


@pytest.mark.parametrize(
    ("fps", "maximum_fps", "step"),
    [(15, 5, 3), (30, 2, 15), (15, 15, 1), (15, 30, 1), (25, 12.5, 2), (15, 7.5, 2), (30, 0.5, 60), (29.97, 9.99, 3)],
)
def test_frames_are_evenly_apart(fps: float, maximum_fps: float, step: int) -> None:
    assert passed(fps, maximum_fps) == list(range(0, round(fps * 20), step))


@pytest.mark.parametrize(("fps", "maximum_fps"), [(15, 6), (15, 14), (25, 2.4), (30, 7)])
def test_what_does_not_divide_evenly_is_right_in_the_mean(fps: float, maximum_fps: float) -> None:
    assert len(passed(fps, maximum_fps, seconds=60)) == pytest.approx(60 * maximum_fps, rel=0.02)


def test_times_in_milliseconds_lose_no_frame() -> None:
    """Containers round times: frames 67, 133 and 200 ms after the first are 15 a second."""
    rate = Rate(7.5)
    assert [number for number in range(150) if rate.is_due(BEGIN_S + round(number / 15, 3))] == list(range(0, 150, 2))


@given(st.lists(st.floats(0.001, 5), min_size=1, max_size=80), st.floats(0.1, 30))
def test_never_more_than_the_rate(gaps_s: list[float], per_second: float) -> None:
    rate, at_s = Rate(per_second), 0.0
    due_s = []
    for gap_s in gaps_s:
        at_s += gap_s
        if rate.is_due(at_s):
            due_s.append(at_s)
    for count, first_s in enumerate(due_s):
        assert len(due_s) - count <= (due_s[-1] - first_s + 2 * EARLY / per_second) * per_second + 2
    assert due_s[0] == gaps_s[0]


def test_after_a_gap_the_rate_holds() -> None:
    rate = Rate(2)
    assert [at_s for at_s in (0, 0.1, 60, 60.1, 60.3, 60.5, 60.9, 61) if rate.is_due(at_s)] == [0, 60, 60.5, 61]


def test_without_a_rate_all_are_due() -> None:
    rate = Rate(None)
    assert all(rate.is_due(number / 1000) for number in range(10))


def test_other_items_pass() -> None:
    node, signals = FrameRateFilter(), [Signal(BEGIN_S + number / 100) for number in range(5)]
    assert [item for signal in signals for item in node.take(signal, 0)] == signals


def test_two_a_second_by_default() -> None:
    node = FrameRateFilter()
    assert sum(len(list(node.take(frame(number / 15), 0))) for number in range(150)) == 20
