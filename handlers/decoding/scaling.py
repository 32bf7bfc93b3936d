"""From all the pixels to the model's: halved as often as it allows, by averaging, then resized once."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from models.frame import ChannelOrder, DecodeTarget, Frame, Pixels, as_image, region_px
from models.letterbox import Letterbox, Size

STRIP_BYTES = 1 << 19
"""What is averaged at a time: it stays in a processor's cache, and the picture is never copied whole."""


class Scaler(Protocol):
    """Brings pictures to the size that the model wants; immutable."""

    @property
    def target(self) -> DecodeTarget | None:
        """Return what the model wants; None: pictures stay as they are."""
        ...

    def frame(self, pixels_hwc: Pixels, channel_order: ChannelOrder) -> Frame:
        """Return the frame of uint8 pixels [H, W, channels], any view."""
        ...

    def image(self, image: Image.Image, extent_wh: tuple[float, float], placed: Letterbox) -> Image.Image:
        """Return what the letterbox shows of an L or RGB image of Pillow's, at its size.

        `extent_wh`: how many columns and rows count; the last one may count in part.
        """
        ...


def place(scaler: Scaler, size_wh: Size) -> Letterbox:
    """Return where the scaler puts a picture of that size, in pixels."""
    return scaler.target.letterbox(size_wh) if scaler.target else Letterbox(size_wh, size_wh)


@dataclass(frozen=True, slots=True)
class Unscaled:
    """Leaves every pixel in its place."""

    target: DecodeTarget | None = None

    def frame(self, pixels_hwc: Pixels, channel_order: ChannelOrder) -> Frame:
        """Return the frame, a view of the pixels."""
        return Frame(pixels_hwc, channel_order, _size_wh(pixels_hwc))

    def image(
        self,
        image: Image.Image,
        extent_wh: tuple[float, float],  # noqa: ARG002
        placed: Letterbox,  # noqa: ARG002
    ) -> Image.Image:
        """Return the image."""
        return image


@dataclass(frozen=True, slots=True)
class AveragingScaler:
    """Averages squares of 2, 4, 8 ... pixels while enough remain, then resizes once, antialiased bilinear."""

    target: DecodeTarget

    def frame(self, pixels_hwc: Pixels, channel_order: ChannelOrder) -> Frame:
        """Return the frame at the target's size."""
        size_wh = _size_wh(pixels_hwc)
        placed = self.target.letterbox(size_wh)
        scale = averaging_scale(size_wh, placed)
        averaged = as_image(pixels_hwc, channel_order) if scale == 1 else _averaged(pixels_hwc, channel_order, scale)
        return Frame(np.asarray(_resized(averaged, size_wh, scale, placed)), "rgb", size_wh, placed.region_xyxy)

    def image(self, image: Image.Image, extent_wh: tuple[float, float], placed: Letterbox) -> Image.Image:
        """Return what the letterbox shows of an L or RGB image, at its size."""
        scale = averaging_scale(image.size, placed)
        return _resized(image if scale == 1 else image.reduce(scale), extent_wh, scale, placed)


def _resized(image: Image.Image, extent_wh: tuple[float, float], scale: int, placed: Letterbox) -> Image.Image:
    box = region_px(placed, (extent_wh[0] / scale, extent_wh[1] / scale), image.size)
    return image.resize(placed.size_wh, Image.Resampling.BILINEAR, box)


def averaging_scale(size_wh: Size, placed: Letterbox) -> int:
    """Return the largest power of two by which a picture can be divided and keep the pixels that are wanted."""
    scale = 1
    while all(side // (2 * scale) >= wanted for side, wanted in zip(size_wh, placed.whole_wh, strict=True)):
        scale *= 2
    return scale


def _averaged(pixels_hwc: Pixels, channel_order: ChannelOrder, scale: int) -> Image.Image:
    """Return the averages of squares of `scale` by `scale` pixels; those at the edge average what is there."""
    height, width = pixels_hwc.shape[:2]
    rows = max(1, STRIP_BYTES // (pixels_hwc[0].size * scale)) * scale
    averaged = Image.new("RGB", (-(-width // scale), -(-height // scale)))
    for top in range(0, height, rows):
        strip = as_image(pixels_hwc[top : top + rows], channel_order).reduce(scale)
        averaged.paste(strip, (0, top // scale))
    return averaged


def _size_wh(pixels_hwc: Pixels) -> Size:
    return pixels_hwc.shape[1], pixels_hwc.shape[0]
