"""From all the pixels to the model's: halved as often as it allows, by averaging, then resized once."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from models.frame import ChannelOrder, DecodeTarget, Frame, Pixels, as_image

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

    def image(self, image: Image.Image, extent_wh: tuple[float, float]) -> Image.Image:
        """Return an L or RGB image of Pillow's at the target's size.

        `extent_wh`: how many columns and rows count; the last one may count in part.
        """
        ...


@dataclass(frozen=True, slots=True)
class Unscaled:
    """Leaves every pixel in its place."""

    target: DecodeTarget | None = None

    def frame(self, pixels_hwc: Pixels, channel_order: ChannelOrder) -> Frame:
        """Return the frame, a view of the pixels."""
        return Frame(pixels_hwc, channel_order, _size_wh(pixels_hwc))

    def image(self, image: Image.Image, extent_wh: tuple[float, float]) -> Image.Image:  # noqa: ARG002
        """Return the image."""
        return image


@dataclass(frozen=True, slots=True)
class AveragingScaler:
    """Averages squares of 2, 4, 8 ... pixels while enough remain, then resizes once, antialiased bilinear."""

    target: DecodeTarget

    def frame(self, pixels_hwc: Pixels, channel_order: ChannelOrder) -> Frame:
        """Return the frame at the target's size."""
        size_wh = _size_wh(pixels_hwc)
        scale = averaging_scale(size_wh, self.target)
        averaged = as_image(pixels_hwc, channel_order) if scale == 1 else _averaged(pixels_hwc, channel_order, scale)
        return Frame(np.asarray(self._resized(averaged, size_wh, scale)), "rgb", size_wh)

    def image(self, image: Image.Image, extent_wh: tuple[float, float]) -> Image.Image:
        """Return an L or RGB image at the target's size."""
        scale = averaging_scale(image.size, self.target)
        return self._resized(image if scale == 1 else image.reduce(scale), extent_wh, scale)

    def _resized(self, image: Image.Image, extent_wh: tuple[float, float], scale: int) -> Image.Image:
        box = (0, 0, extent_wh[0] / scale, extent_wh[1] / scale)
        return image.resize(self.target.size_wh, Image.Resampling.BILINEAR, box)


def averaging_scale(size_wh: tuple[int, int], target: DecodeTarget) -> int:
    """Return the largest power of two by which a picture can be divided and keep the pixels of the target."""
    scale = 1
    while all(side // (2 * scale) >= wanted for side, wanted in zip(size_wh, target.size_wh, strict=True)):
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


def _size_wh(pixels_hwc: Pixels) -> tuple[int, int]:
    return pixels_hwc.shape[1], pixels_hwc.shape[0]
