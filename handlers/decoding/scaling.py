"""From all the pixels to the model's: halved as often as it allows, by averaging, then resized once."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from models.frame import DecodeTarget, Pixels, as_image

STRIP_BYTES = 1 << 19
"""What is averaged at a time: it stays in a processor's cache, and the picture is never copied whole."""


class Scaler(Protocol):
    """Brings pixels to the size that the model wants; immutable."""

    @property
    def target(self) -> DecodeTarget | None:
        """Return what the model wants; None: pictures stay as they are."""
        ...

    def pixels(self, pixels_hwc: Pixels, extent_wh: tuple[float, float] | None = None) -> Pixels:
        """Return [H, W, channels] or [H, W], any view, at the target's size.

        `extent_wh`: how many columns and rows count, by default all; the last one may count in part.
        """
        ...

    def image(self, image: Image.Image, extent_wh: tuple[float, float]) -> Image.Image:
        """Return the same of an L or RGB image that Pillow holds already."""
        ...


class Unscaled:
    """Leaves every pixel in its place."""

    target: DecodeTarget | None = None

    def pixels(self, pixels_hwc: Pixels, extent_wh: tuple[float, float] | None = None) -> Pixels:  # noqa: ARG002
        """Return the pixels."""
        return pixels_hwc

    def image(self, image: Image.Image, extent_wh: tuple[float, float]) -> Image.Image:  # noqa: ARG002
        """Return the image."""
        return image


@dataclass(frozen=True, slots=True)
class AveragingScaler:
    """Averages squares of 2, 4, 8 … pixels while enough remain, then resizes once, antialiased bilinear."""

    target: DecodeTarget

    def pixels(self, pixels_hwc: Pixels, extent_wh: tuple[float, float] | None = None) -> Pixels:
        """Return [H, W, channels] or [H, W], any view, at the target's size."""
        height, width = pixels_hwc.shape[:2]
        scale = averaging_scale((width, height), self.target)
        return np.asarray(self._resized(as_image(_averaged(pixels_hwc, scale)), extent_wh or (width, height), scale))

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


def _averaged(pixels_hwc: Pixels, scale: int) -> Pixels:
    """Return the averages of squares of `scale` by `scale` pixels; those at the edge average what is there."""
    if scale == 1:
        return pixels_hwc
    height, row_bytes = pixels_hwc.shape[0], pixels_hwc[0].size
    rows = max(1, STRIP_BYTES // (row_bytes * scale)) * scale
    strips = [as_image(pixels_hwc[top : top + rows]).reduce(scale) for top in range(0, height, rows)]
    return np.concatenate([np.asarray(strip) for strip in strips])
