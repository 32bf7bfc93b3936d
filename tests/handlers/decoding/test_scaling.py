"""The exact route's convolution is Pillow's, whatever the shape of a picture and however its pixels lie."""

import sys
import threading
import time
from typing import get_args

import numpy as np
import pytest
from cykooz_resizer import Resizer
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from handlers.decoding import scaling
from handlers.decoding.scaling import Convolution
from models.frame import ChannelOrder, DecodeTarget, Frame, Pixels
from models.letterbox import ResizeMode, Size

GREY_LEVELS = 2
"""Each pass rounds once."""
sides = st.tuples(st.integers(1, 90), st.integers(1, 90))
targets = st.builds(
    DecodeTarget,
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.sampled_from(get_args(ResizeMode)),
    st.sampled_from([1, 0.875, 0.1]),
)


def noise(size_wh: Size, channels: int) -> Pixels:
    return np.random.default_rng(1).integers(0, 256, (size_wh[1], size_wh[0], channels), np.uint8)


def difference(pixels_hwc: Pixels, channel_order: ChannelOrder, target: DecodeTarget) -> int:
    """Return the largest difference between ours and Pillow's, in grey levels."""
    letterbox = target.letterbox(pixels_hwc.shape[1::-1])
    ours = Convolution(target).frame(pixels_hwc, channel_order).rgb_in(letterbox)
    pillows = Frame(pixels_hwc, channel_order, pixels_hwc.shape[1::-1]).rgb_in(letterbox)
    assert ours.shape == pillows.shape
    return int(np.abs(ours.astype(int) - pillows).max())


@given(sides, targets, st.sampled_from(get_args(ChannelOrder)), st.booleans(), st.integers(0, 3))
@example((1, 90), DecodeTarget((60, 1)), "bgr", True, 3)
@example((90, 1), DecodeTarget((1, 60)), "bgra", False, 0)
def test_any_view_is_resized_as_pillow_does(
    size_wh: Size,
    target: DecodeTarget,
    channel_order: ChannelOrder,
    bottom_up: bool,  # noqa: FBT001  # a table's column
    padding: int,
) -> None:
    pixels = noise((size_wh[0] + padding, size_wh[1]), len(channel_order))[:, : size_wh[0]]
    assert difference(pixels[::-1] if bottom_up else pixels, channel_order, target) <= GREY_LEVELS


@pytest.mark.parametrize("size_wh", [(65_535, 2), (2, 65_535), (65_535, 301), (301, 65_535)])
def test_long_pictures(size_wh: Size) -> None:
    assert difference(noise(size_wh, 3), "rgb", DecodeTarget((300, 300))) <= GREY_LEVELS


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("size_wh", [(97, 71), (20, 15), (16, 200)])
def test_part_of_a_last_column_counts_for_its_share(mode: str, size_wh: Size) -> None:
    """A JPEG decoded at a half has a last column that stands for half a column of the picture."""
    image = Image.fromarray(noise(size_wh, 3)).convert(mode)
    target = DecodeTarget((30, 20))
    extent_wh = (size_wh[0] - 0.5, size_wh[1] - 0.25)
    ours = Convolution(target).image(image, extent_wh, target.letterbox(size_wh))
    pillows = image.resize((30, 20), Image.Resampling.BILINEAR, (0, 0, *extent_wh))
    assert np.abs(np.asarray(ours).astype(int) - np.asarray(pillows)).max() <= GREY_LEVELS


def test_other_threads_run_while_a_picture_is_resized(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, seen = False, threading.Event()

    class Watched(Resizer):  # type: ignore[misc]  # it has no types
        def resize_pil(self, *arguments: object) -> None:
            nonlocal inside
            inside = True
            super().resize_pil(*arguments)
            inside = False

    def resize_again_and_again() -> None:
        image, target = Image.new("RGB", (2000, 2000)), DecodeTarget((300, 300))
        for _ in range(1000):
            if seen.is_set():
                break
            Convolution(target).image(image, image.size, target.letterbox(image.size))

    monkeypatch.setattr(scaling, "Resizer", Watched)
    thread = threading.Thread(target=resize_again_and_again)
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # a thread keeps the interpreter's lock until it gives it away
    try:
        thread.start()
        while not inside and thread.is_alive():
            time.sleep(0)
        assert inside
    finally:
        seen.set()
        sys.setswitchinterval(interval_s)
        thread.join()
