"""What moves on drawn scenes is found, and what does not move is not."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scene.geometry import Polygon
from scene.motion import Luma, Motion, MotionGate, MotionSettings, Sensitivity

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
    [box] = motion.boxes_xyxy
    around = np.array([x / WIDTH, y / HEIGHT, (x + 12) / WIDTH, (y + 12) / HEIGHT])
    assert motion.changed
    assert np.abs(box - around).max() <= 4.5 / HEIGHT
    assert 0 < motion.changed_share < 0.1


def test_things_apart_have_boxes_of_their_own() -> None:
    scene = np.where(COLUMNS < WIDTH / 2, with_object(10, 50), with_object(110, 50))
    [motion] = looks([noisy(), noisy(scene, seed=1)])
    assert len(motion.boxes_xyxy) == 2
    assert motion.boxes_xyxy.dtype == np.float32


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
        assert motion.boxes_xyxy.tolist() == [[0, 0, 1, 1]]


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


def test_the_more_sensitive_the_less_must_change() -> None:
    def least_level(sensitivity: Sensitivity) -> int:
        faint = range(1, 60)
        scenes = (STREET + level * (with_object(40, 40) != STREET) for level in faint)
        found = (
            looks([noisy(sigma=0), noisy(scene, sigma=0)], MotionGate(MotionSettings(sensitivity))) for scene in scenes
        )
        return next(level for level, [motion] in zip(faint, found, strict=False) if motion.changed)

    assert least_level("low") > least_level("medium") > least_level("high")


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
def test_any_size_is_looked_at(width: int, height: int, seed: int) -> None:
    frames = np.random.default_rng(seed).integers(0, 256, (3, height, width), np.uint8)
    for motion in looks(frames):
        assert 0 <= motion.changed_share <= 1
        assert motion.changed == (motion.changed_share > 0) == (len(motion.boxes_xyxy) > 0)
        assert ((motion.boxes_xyxy >= 0) & (motion.boxes_xyxy <= 1)).all()
        assert (motion.boxes_xyxy[:, :2] < motion.boxes_xyxy[:, 2:]).all()
