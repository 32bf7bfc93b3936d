"""Motion on drawn and on real pictures."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from conformance.published import PUBLISHED
from lab import ROOT
from player.flow import Frame, Signal
from player.nodes.motion import MotionDetection, MotionRules, _merged
from scene.geometry import BoxXyxy
from tests.player.nodes.pictures import BEGIN_S, DrawnPicture, frame, times_s

FPS = 15
PLACE = np.asarray(Image.open(ROOT / "tests" / "data" / "coffee.jpg").convert("RGB").resize((320, 180)))
CAT = np.asarray(Image.open(ROOT / "tests" / "data" / "chelsea.jpg").convert("RGB").resize((60, 40)))


def noisy(rgb: NDArray[np.uint8], number: int, sigma: float = 3) -> DrawnPicture:
    noise = np.random.default_rng(number).normal(0, sigma, rgb.shape)
    return DrawnPicture(np.clip(rgb + noise, 0, 255).astype(np.uint8))


def with_cat(x: int, y: int = 80) -> NDArray[np.uint8]:
    rgb = PLACE.copy()
    rgb[y : y + 40, max(0, x) : x + 60] = CAT[:, max(0, -x) :][:, : 320 - max(0, x)]
    return rgb


def still(seconds: float) -> list[NDArray[np.uint8]]:
    return [PLACE] * round(seconds * FPS)


def walk(seconds: float) -> list[NDArray[np.uint8]]:
    """Return the pictures of a cat that crosses the picture."""
    count = round(seconds * FPS)
    return [with_cat(round(-50 + 360 * number / count)) for number in range(count)]


def passed(pictures: Iterable[NDArray[np.uint8]], rules: MotionRules | None = None, begin_s: float = 0) -> list[Frame]:
    node = MotionDetection("motion", rules)
    frames = [frame(begin_s + number / FPS, picture=noisy(rgb, number)) for number, rgb in enumerate(pictures)]
    return [item for one in frames for item in node.take(one, 0) if isinstance(item, Frame)]


def reported(frames: Sequence[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.findings]


@pytest.mark.parametrize("sensitivity", ["low", "medium", "high"])
def test_noise_is_no_motion(sensitivity: str) -> None:
    assert not passed(still(15), MotionRules(sensitivity))  # type: ignore[arg-type]


def test_frames_with_motion_go_on() -> None:
    """All of them, though only some are looked at; none before, and none after it has ended."""
    frames = passed([*still(3), *walk(4), *still(3)])
    times = times_s(frames)
    assert 3 <= times[0] <= 3.4
    assert 6.6 <= times[-1] <= 7.4
    assert len(frames) >= 4 * FPS * 0.8
    assert np.diff(times).max() <= 0.41


def test_boxes_are_around_what_moves() -> None:
    frames = reported(passed([*still(2), *walk(4)], MotionRules(window_s=0)))
    inside = [one for one in frames if 2.8 < one.at_s - BEGIN_S < 5.2]
    assert len(inside) >= 10
    for one in inside:
        x = -50 + 360 * ((one.at_s - BEGIN_S - 2) / 4)
        lefts = [inference["motion"]["box"]["l"] * 320 for inference in one.findings[0].inferences]
        rights = [
            (inference["motion"]["box"]["l"] + inference["motion"]["box"]["w"]) * 320
            for inference in one.findings[0].inferences
        ]
        assert min(lefts) == pytest.approx(x, abs=15)
        assert max(rights) == pytest.approx(x + 60, abs=15)


def test_one_event_a_second() -> None:
    """The first motion is reported at once."""
    times = times_s(reported(passed([*still(2), *walk(6)])))
    assert 2 <= times[0] <= 2.4
    assert np.diff(times).tolist() == pytest.approx([1.0] * (len(times) - 1), abs=0.01)
    assert len(times) in {5, 6}


@pytest.mark.parametrize(("window_s", "least", "most"), [(0, 18, 32), (2, 3, 3), (60, 1, 1)])
def test_the_window_says_how_often(window_s: float, least: int, most: int) -> None:
    assert least <= len(reported(passed([*still(2), *walk(6)], MotionRules(window_s=window_s)))) <= most


def test_an_event_has_what_moved_since_the_one_before() -> None:
    frames = reported(passed([*still(2), *walk(4)]))
    widths = [max(inference["motion"]["box"]["w"] for inference in one.findings[0].inferences) for one in frames[1:-1]]
    assert min(widths) > (60 + 20) / 320


@pytest.mark.parametrize("has_boxes", [True, False])
def test_events_are_valid(*, has_boxes: bool) -> None:
    frames = reported(passed([*still(1), *walk(3)], MotionRules(has_boxes=has_boxes)))
    for one in frames:
        [finding] = one.findings
        assert finding.node == "motion"
        assert not list(PUBLISHED.iter_errors({"inferences": list(finding.inferences)}))
        assert all(("box" in inference["motion"]) is has_boxes for inference in finding.inferences)
        assert has_boxes or finding.inferences == ({"type": "motion", "motion": {}},)


def test_slow_movement_shows() -> None:
    pictures = [with_cat(100 + number // 20) for number in range(20 * FPS)]
    assert len(reported(passed(pictures))) >= 3


def test_sensitivity_matters() -> None:
    """A shadow that is a little darker than the rest."""
    shade = PLACE.copy()
    shade[60:120, 100:180] -= np.minimum(shade[60:120, 100:180], 14)
    shown = {
        sensitivity: bool(passed([*still(2), *([shade] * FPS)], MotionRules(sensitivity)))
        for sensitivity in ("low", "high")
    }
    assert shown == {"low": False, "high": True}


def test_the_first_frame_after_a_gap_is_not_compared() -> None:
    """A camera that comes back after an outage has seen another light meanwhile."""
    node = MotionDetection("motion")
    night = DrawnPicture((PLACE // 8).astype(np.uint8))
    day = DrawnPicture(PLACE)
    assert not list(node.take(frame(0, picture=night), 0))
    assert not list(node.take(frame(20, picture=day), 0))
    assert not list(node.take(frame(20.5, picture=day), 0))
    assert list(node.take(frame(21, picture=night), 0))


def test_another_size_is_not_compared() -> None:
    node = MotionDetection("motion")
    assert not list(node.take(frame(0, picture=DrawnPicture(PLACE)), 0))
    assert not list(node.take(frame(1, picture=DrawnPicture(PLACE[:90, :, :])), 0))


def test_frames_without_a_picture_are_not_looked_at() -> None:
    node = MotionDetection("motion")
    assert not list(node.take(frame(0, picture=None), 0))


def test_other_items_pass() -> None:
    signal = Signal(BEGIN_S)
    assert list(MotionDetection("motion").take(signal, 0)) == [signal]


def boxes() -> st.SearchStrategy[BoxXyxy]:
    share = st.floats(0, 0.9)
    side = st.floats(0.01, 0.1)
    return st.builds(lambda x, y, w, h: (x, y, x + w, y + h), share, share, side, side)


@given(st.lists(boxes(), max_size=40))
def test_merged_boxes_are_around_all_and_do_not_overlap(found: list[BoxXyxy]) -> None:
    merged = _merged(found)
    assert len(merged) <= 32
    for left, top, right, bottom in found:
        assert any(box[0] <= left and box[1] <= top and box[2] >= right and box[3] >= bottom for box in merged)
    for index, one in enumerate(merged):
        for other in merged[index + 1 :]:
            assert one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]
