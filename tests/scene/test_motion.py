"""What moves on drawn scenes is found, and what does not move is not."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scene.cells import CELL_PX, MAX_GROUPS, count
from scene.geometry import Polygon
from scene.light import Luma
from scene.motion import THRESHOLDS, Motion, MotionGate, MotionSettings, Sensitivity

HEIGHT, WIDTH = 108, 144
CLOCK: Polygon = ((0, 0), (0.3, 0), (0.3, 0.15), (0, 0.15))
STEP_S = 0.2

ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
STREET: NDArray[np.float64] = 110 + 40 * np.sin(COLUMNS / 9) + 30 * np.cos(ROWS / 7) + 20 * (COLUMNS // 24 % 2)


def noisy(scene: NDArray[np.float64] = STREET, sigma: float = 1.5, seed: int = 0) -> Luma:
    noise = np.random.default_rng(seed).normal(0, sigma, scene.shape) if sigma else 0
    return np.clip(np.rint(scene + noise), 0, 255).astype(np.uint8)


def with_object(x: int, y: int, side_px: int = 12, level: float = 235) -> NDArray[np.float64]:
    scene = STREET.copy()
    scene[y : y + side_px, x : x + side_px] = level
    return scene


def looks(frames: Iterable[Luma], gate: MotionGate | None = None) -> list[Motion]:
    """Return what a gate says of frames after the first, which is run as each that has changed is."""
    gate, motions = gate or MotionGate(MotionSettings()), []
    for number, frame in enumerate(frames):
        motions.append(gate.look(frame, number * STEP_S))
        if motions[-1].changed or motions[-1].due:
            gate.ran()
    return motions[1:]


def box_of(x: int, y: int, side_px: int = 12) -> NDArray[np.float64]:
    return np.array([x / WIDTH, y / HEIGHT, (x + side_px) / WIDTH, (y + side_px) / HEIGHT])


def nearest(box_xyxy: NDArray[np.float32], xs: list[int]) -> int:
    return min(xs, key=lambda x: abs(x - box_xyxy[0] * WIDTH))


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(lambda number: noisy(sigma=4, seed=number), id="noise"),
        pytest.param(lambda number: noisy(STREET * (0.98 + 0.04 * (number % 2)), seed=number), id="flicker"),
        pytest.param(lambda number: noisy(STREET * (0.8 + number * 0.01), seed=number), id="exposure"),
        pytest.param(lambda number: noisy(STREET + number * 0.5, seed=number), id="offset"),
        pytest.param(lambda _: np.full((HEIGHT, WIDTH), 128, np.uint8), id="flat"),
        pytest.param(lambda number: np.full((HEIGHT, WIDTH), 128 + number % 7, np.uint8), id="flat and flickering"),
    ],
)
@pytest.mark.parametrize("sensitivity", ["low", "medium", "high"])
def test_a_still_scene_does_not_change(frame: Callable[[int], Luma], sensitivity: Sensitivity) -> None:
    gate = MotionGate(MotionSettings(sensitivity))
    assert [motion.changed for motion in looks(map(frame, range(40)), gate)] == [False] * 39


@settings(max_examples=40)
@given(st.integers(8, WIDTH - 24), st.integers(8, HEIGHT - 24), st.integers(0, 99))
def test_what_comes_is_boxed(x: int, y: int, seed: int) -> None:
    [motion] = looks([noisy(seed=seed), noisy(with_object(x, y), seed=seed + 1)])
    assert motion.changed
    for boxes_xyxy in (motion.boxes_xyxy, motion.present_xyxy):  # noise beside the object may widen one of them
        [box] = boxes_xyxy
        assert np.abs(box - box_of(x, y)).max() <= 4.5 / HEIGHT
    assert 0 < motion.changed_share < 0.1


def test_things_apart_have_boxes_of_their_own() -> None:
    scene = np.where(COLUMNS < WIDTH / 2, with_object(10, 50), with_object(110, 50))
    [motion] = looks([noisy(), noisy(scene, seed=1)])
    assert len(motion.boxes_xyxy) == 2
    assert motion.boxes_xyxy.dtype == np.float32


@settings(max_examples=40)
@given(st.integers(0, 48), st.integers(72, 120), st.integers(8, HEIGHT - 24), st.integers(0, 99))
def test_what_is_present_is_apart_from_what_was_left(left_x: int, now_x: int, y: int, seed: int) -> None:
    """The boxes are around both places, presence around the one where the object is now."""
    scenes = [STREET, with_object(left_x, y), with_object(now_x, y), STREET]
    _, moved, gone = looks(noisy(scene, seed=seed + number) for number, scene in enumerate(scenes))
    [present] = moved.present_xyxy
    assert np.abs(present - box_of(now_x, y)).max() <= 4.5 / HEIGHT
    assert {nearest(box, [left_x, now_x]) for box in moved.boxes_xyxy} == {left_x, now_x}
    assert gone.changed
    assert len(gone.boxes_xyxy) > 0
    assert len(gone.present_xyxy) == 0


def test_presence_is_around_what_moves_alone() -> None:
    """What stands still is no part of it, though it differs from the background."""
    standing = with_object(10, 50)
    both = np.where(COLUMNS < WIDTH / 2, standing, with_object(110, 50))
    *_, motion = looks([noisy(), noisy(standing, seed=1), noisy(both, seed=2)])
    assert [nearest(box, [10, 110]) for box in motion.present_xyxy] == [110]


def test_slow_movement_adds_up_until_it_shows() -> None:
    """Each frame differs from the one before by less than counts."""
    frames = [noisy(with_object(40, 40, level=200 - number), sigma=0) for number in range(30)]
    changed = [number for number, motion in enumerate(looks(frames), 1) if motion.changed]
    assert len(changed) == 3
    assert changed[0] > 4


def test_a_frame_that_was_not_run_stays_changed() -> None:
    gate = MotionGate(MotionSettings())
    looks([noisy()], gate)
    moved = noisy(with_object(40, 40), seed=1)
    assert [gate.look(moved, number).changed for number in range(3)] == [True] * 3
    gate.ran()
    assert not gate.look(moved, 4).changed


def test_the_first_frame_is_changed_until_one_was_run() -> None:
    gate = MotionGate(MotionSettings())
    for number in range(2):
        motion = gate.look(noisy(), number)
        assert motion.changed
        assert motion.due
        assert motion.boxes_xyxy.tolist() == motion.present_xyxy.tolist() == [[0, 0, 1, 1]]


def test_the_frame_passed_may_be_written_over() -> None:
    gate, frame = MotionGate(MotionSettings()), noisy()
    looks([frame], gate)
    frame[40:60, 40:60] = 255
    assert gate.look(frame, 1).changed


@pytest.mark.parametrize("size_hw", [(HEIGHT, WIDTH + 1), (WIDTH, HEIGHT)])
def test_another_size_is_another_scene(size_hw: tuple[int, int]) -> None:
    [motion] = looks([noisy(), np.zeros(size_hw, np.uint8)])
    assert (motion.changed, motion.changed_share) == (True, 1)


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(STREET[::-1, ::-1] + 30, id="turned"),
        pytest.param(255 - STREET, id="infrared"),
        pytest.param(np.full_like(STREET, 9), id="covered"),
        pytest.param(STREET * 0.4, id="lights off"),
    ],
)
def test_another_scene_is_changed(scene: NDArray[np.float64]) -> None:
    motion, after = looks([noisy(), noisy(scene, seed=1), noisy(scene, seed=2)])
    assert motion.changed_share > 0.5
    assert motion.boxes_xyxy.tolist() == motion.present_xyxy.tolist() == [[0, 0, 1, 1]]
    assert not after.changed


def test_what_is_masked_never_counts() -> None:
    def with_clock(number: int) -> Luma:
        frame = noisy(seed=number)
        frame[4:12, 4:36] = np.random.default_rng(number).choice([20, 250], (8, 32))
        return frame

    frames = [with_clock(number) for number in range(10)]
    assert all(motion.changed for motion in looks(frames))
    masked = MotionSettings(mask=(CLOCK,))
    assert not any(motion.changed for motion in looks(frames, MotionGate(masked)))
    everything = replace(masked, mask=(((0, 0), (1, 0), (1, 1), (0, 1)),))
    assert not any(motion.changed for motion in looks(frames, MotionGate(everything)))


def test_movement_beside_the_mask_counts() -> None:
    gate = MotionGate(MotionSettings(mask=(CLOCK,)))
    assert looks([noisy(), noisy(with_object(60, 4), seed=1)], gate)[0].changed


def test_a_frame_is_due_so_long_after_the_last_run() -> None:
    gate = MotionGate(MotionSettings(refresh_s=2))
    gate.look(noisy(), 100)
    gate.ran()
    assert [gate.look(noisy(), now_s).due for now_s in (100.1, 101.9, 102)] == [False, False, True]
    assert not gate.look(noisy(), 102).changed


def test_every_frame_is_due_without_a_time_between_refreshes() -> None:
    gate = MotionGate(MotionSettings(refresh_s=0))
    gate.look(noisy(), 100)
    gate.ran()
    assert [gate.look(noisy(), now_s).due for now_s in (100, 100.1, 99)] == [True] * 3


def test_the_more_sensitive_the_less_must_change() -> None:
    def least_level(sensitivity: Sensitivity) -> int:
        faint = range(1, 60)
        scenes = (STREET + level * (with_object(40, 40) != STREET) for level in faint)
        found = (
            looks([noisy(sigma=0), noisy(scene, sigma=0)], MotionGate(MotionSettings(sensitivity))) for scene in scenes
        )
        return next(level for level, [motion] in zip(faint, found, strict=False) if motion.changed)

    assert least_level("low") > least_level("medium") > least_level("high")


def sound(motion: Motion) -> bool:
    """Return whether the boxes lie in the picture, have an area, are few, and are there only when something changed."""
    are_in = all(
        len(boxes) <= MAX_GROUPS
        and ((boxes >= 0) & (boxes <= 1)).all()
        and (boxes[:, :2] < boxes[:, 2:]).all()
        and boxes.dtype == np.float32
        for boxes in (motion.boxes_xyxy, motion.present_xyxy)
    )
    is_there = motion.changed == (motion.changed_share > 0) == (len(motion.boxes_xyxy) > 0)
    return are_in and is_there and 0 <= motion.changed_share <= 1


@pytest.mark.parametrize("sensitivity", list(THRESHOLDS))
@pytest.mark.parametrize(("more_pixels", "more_levels", "expected"), [(0, 1, True), (-1, 1, False), (0, 0, False)])
def test_so_many_pixels_of_a_cell_must_differ_by_more_than_so_much(
    sensitivity: Sensitivity, more_pixels: int, more_levels: int, *, expected: bool
) -> None:
    threshold, flat = THRESHOLDS[sensitivity], np.full((HEIGHT, WIDTH), 100, np.uint8)
    changed = flat.copy()
    changed[41, 40 : 40 + threshold.pixels + more_pixels] += np.uint8(threshold.levels + more_levels)
    [motion] = looks([flat, changed], MotionGate(MotionSettings(sensitivity)))
    assert motion.changed == expected


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
def test_any_size_is_looked_at(width: int, height: int, seed: int) -> None:
    frames = np.random.default_rng(seed).integers(0, 256, (3, height, width), np.uint8)
    assert all(sound(motion) for motion in looks(frames))


def test_one_pixel_never_moves() -> None:
    """Its change is as well one of light."""
    motions = looks(np.full((1, 1), level, np.uint8) for level in (0, 255, 0))
    assert [motion.changed for motion in motions] == [False, False]


@pytest.mark.parametrize("size_hw", [(1, 400), (400, 1), (2, 2), (2, 32500), (32500, 1)])
def test_hostile_sizes_are_looked_at(size_hw: tuple[int, int]) -> None:
    """Also in turn with a usual size, which starts anew each time."""
    black, white = np.zeros(size_hw, np.uint8), np.full(size_hw, 255, np.uint8)
    dark, bright, still = looks([black, black, white, white])
    assert (dark.changed, bright.changed, still.changed) == (False, True, False)
    motions = looks([black, noisy(), white, noisy(), noisy()])
    assert [motion.changed for motion in motions] == [True, True, True, False]
    assert all(map(sound, [dark, bright, still, *motions]))


@settings(max_examples=40)
@given(st.sampled_from([(144, 192), (199, 319), (1, 4000)]), st.integers(1, 6), st.floats(0.05, 1), st.integers(0, 9))
def test_many_small_changes_have_few_boxes(size_hw: tuple[int, int], apart: int, density: float, seed: int) -> None:
    """All changed cells are in a box nevertheless."""
    still = np.full(size_hw, 100, np.uint8)
    cells = np.zeros(count(still > 0).shape, np.bool_)
    cells[::apart, ::apart] = True
    cells &= np.random.default_rng(seed).random(cells.shape) < density
    is_changed = cells.repeat(CELL_PX, axis=0).repeat(CELL_PX, axis=1)[: size_hw[0], : size_hw[1]]
    [motion] = looks([still, np.where(is_changed, np.uint8(180), still)])
    assert sound(motion)
    for left, top, right, bottom in np.rint(motion.boxes_xyxy * (size_hw[::-1] * 2)).astype(int).tolist():
        is_changed[top:bottom, left:right] = False
    assert not is_changed.any()
