"""A change of light is told from what moves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scene.light import MAX_GAIN, MAX_OFFSET, Light, fit, steepness_of


@settings(max_examples=40)
@given(st.floats(0.7, 1.45), st.floats(-30, 30), st.floats(0, 0.2), st.integers(0, 9))
def test_light_is_fitted_although_something_moves(gain: float, offset: float, moving: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = rng.uniform(40, 180, 800).astype(np.float32)
    after = (before * gain + offset + rng.normal(0, 1, 800)).astype(np.float32)
    after[: int(800 * moving)] = 255
    light = fit(before, after)
    assert light.gain == pytest.approx(gain, abs=0.05)
    assert light.offset == pytest.approx(offset, abs=6)
    assert 0.5 < light.noise < 2


@pytest.mark.parametrize(
    ("gain", "offset"),
    [(MAX_GAIN + 0.1, 0), (1 / MAX_GAIN - 0.1, 0), (1, MAX_OFFSET + 1), (1, -MAX_OFFSET - 1), (-1, 255)],
)
def test_too_strong_a_change_is_no_light(gain: float, offset: float) -> None:
    before = np.linspace(40, 120, 200, dtype=np.float32)
    assert fit(before, before * np.float32(gain) + np.float32(offset)) == Light()


def test_nothing_is_fitted_to_no_samples() -> None:
    assert fit(np.empty(0, np.float32), np.empty(0, np.float32)) == Light()


def test_a_flat_picture_has_an_offset_alone() -> None:
    flat = np.full(50, 100, np.float32)
    assert fit(flat, flat + 20) == Light(1.0, 20.0, 0.0)


def test_what_lies_between_both_lights_is_explained() -> None:
    """Luma of a saturated colour follows the light in part."""
    before, flat = np.full((1, 4), 100, np.float32), np.zeros((1, 4), np.uint8)
    luma = np.array([[98, 110, 121, 133]], np.uint8)
    assert Light(gain=1.2).leaves(before, luma, flat, levels=8).tolist() == [[False, False, False, True]]


def test_noise_and_steepness_may_differ() -> None:
    before, luma = np.full((1, 2), 100, np.float32), np.full((1, 2), 115, np.uint8)
    steep = np.array([[0, 200]], np.uint8)
    assert Light().leaves(before, luma, steep, levels=8).tolist() == [[True, False]]
    assert Light(noise=4).leaves(before, luma, steep, levels=8).tolist() == [[False, False]]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 9))
def test_steepness_is_the_largest_difference_to_a_neighbour(height: int, width: int, seed: int) -> None:
    luma = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    steepness = steepness_of(luma)
    padded = np.pad(luma.astype(int), 1, mode="edge")
    neighbours = padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]
    assert (steepness == np.max([abs(luma.astype(int) - near) for near in neighbours], axis=0)).all()
