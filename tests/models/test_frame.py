"""Frames."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.frame import Frame
from models.letterbox import fit_letterbox

RAMP = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(np.zeros((2, 2, 3), np.float32), id="not bytes"),
        pytest.param(np.zeros((2, 2, 4), np.uint8), id="four channels"),
        pytest.param(np.zeros((2, 2), np.uint8), id="no channels"),
        pytest.param(np.zeros((0, 2, 3), np.uint8), id="no rows"),
    ],
)
def test_only_pictures_are_frames(pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Frame(pixels, "rgb", (2, 2))


def test_rgb_at_its_own_size_is_the_picture_itself() -> None:
    rgb = Frame(RAMP, "rgb", (4, 2)).rgb((4, 2))
    np.testing.assert_array_equal(rgb, RAMP)
    assert np.shares_memory(rgb, RAMP)


def test_bgr_becomes_rgb() -> None:
    np.testing.assert_array_equal(Frame(RAMP[:, :, ::-1], "bgr", (4, 2)).rgb((4, 2)), RAMP)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_a_resized_frame_is_contiguous_and_of_that_size(order: str) -> None:
    flipped = RAMP[::-1]
    rgb = Frame(flipped, order, (4, 2)).rgb((5, 7))  # type: ignore[arg-type]
    assert rgb.shape == (7, 5, 3)
    assert rgb.flags.c_contiguous


def test_a_resize_is_bilinear_whatever_part_is_shown() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (8, 12, 3), np.uint8)
    frame, image = Frame(noise[..., ::-1], "bgr", (12, 8)), Image.fromarray(noise)
    np.testing.assert_array_equal(frame.rgb((5, 4)), image.resize((5, 4), Image.Resampling.BILINEAR))
    middle = image.resize((4, 4), Image.Resampling.BILINEAR, (2, 0, 10, 8))
    np.testing.assert_array_equal(frame.rgb_in(fit_letterbox((12, 8), (4, 4), "centre_crop")), middle)
