"""From all pixels of a picture to the model's: halved by averaging while enough remain, then resized once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from models.frame import ChannelOrder, DecodeTarget, Frame, Pixels, as_image, region_px
from models.letterbox import Letterbox, Size

STRIP_BYTES = 1 << 19
"""Averaged at a time: this stays in the processor's cache, and the picture is never copied whole."""
BAND_ROWS = 64
"""Converted at a time: this keeps intermediate arrays small."""


def bands(height: int) -> Iterator[slice]:
    """Yield the slices that cut `height` rows into bands, top to bottom; the last one may be shorter."""
    return (slice(top, top + BAND_ROWS) for top in range(0, height, BAND_ROWS))


class Scaler(Protocol):
    """Brings pictures to the size that the model needs. Immutable, for several threads at once."""

    @property
    def target(self) -> DecodeTarget | None:
        """Return the size and part of the picture that the model needs; None: all pixels stay as they are."""
        ...

    def frame(self, pixels_hwc: Pixels, channel_order: ChannelOrder) -> Frame:
        """Return the frame of uint8 pixels [H, W, channels], any view."""
        ...

    def image(self, image: Image.Image, extent_wh: tuple[float, float], letterbox: Letterbox) -> Image.Image:
        """Return the part of an L or RGB image that the letterbox shows, at the letterbox's size.

        `extent_wh`: the columns and rows that belong to the picture; of the last ones perhaps only a share does.
        """
        ...


def letterbox_of(scaler: Scaler, size_wh: Size) -> Letterbox:
    """Return where the scaler places a picture of that size, in pixels."""
    return scaler.target.letterbox(size_wh) if scaler.target else Letterbox(size_wh, size_wh)


@dataclass(frozen=True, slots=True)
class Unscaled:
    """Keeps all pixels."""

    target: DecodeTarget | None = None

    def frame(self, pixels_hwc: Pixels, channel_order: ChannelOrder) -> Frame:
        """Return the frame, a view of the pixels."""
        return Frame(pixels_hwc, channel_order, _size_wh(pixels_hwc))

    def image(
        self,
        image: Image.Image,
        extent_wh: tuple[float, float],  # noqa: ARG002
        letterbox: Letterbox,  # noqa: ARG002
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
        letterbox = self.target.letterbox(size_wh)
        scale = averaging_scale(size_wh, letterbox)
        averaged = as_image(pixels_hwc, channel_order) if scale == 1 else _averaged(pixels_hwc, channel_order, scale)
        return Frame(np.asarray(_resized(averaged, size_wh, scale, letterbox)), "rgb", size_wh, letterbox.region_xyxy)

    def image(self, image: Image.Image, extent_wh: tuple[float, float], letterbox: Letterbox) -> Image.Image:
        """Return the part of an L or RGB image that the letterbox shows, at the letterbox's size."""
        scale = averaging_scale(image.size, letterbox)
        return _resized(image if scale == 1 else image.reduce(scale), extent_wh, scale, letterbox)


def _resized(image: Image.Image, extent_wh: tuple[float, float], scale: int, letterbox: Letterbox) -> Image.Image:
    box = region_px(letterbox, (extent_wh[0] / scale, extent_wh[1] / scale), image.size)
    return image.resize(letterbox.size_wh, Image.Resampling.BILINEAR, box)


def averaging_scale(size_wh: Size, letterbox: Letterbox) -> int:
    """Return the largest power of two by which a picture can be divided and still has the letterbox's pixels."""
    scale = 1
    while all(side // (2 * scale) >= needed for side, needed in zip(size_wh, letterbox.whole_wh, strict=True)):
        scale *= 2
    return scale


def _averaged(pixels_hwc: Pixels, channel_order: ChannelOrder, scale: int) -> Image.Image:
    """Return the averages of squares of `scale` by `scale` pixels; at the edges, of the pixels that exist."""
    height, width = pixels_hwc.shape[:2]
    rows = max(1, STRIP_BYTES // (pixels_hwc[0].size * scale)) * scale
    averaged = Image.new("RGB", (-(-width // scale), -(-height // scale)))
    for top in range(0, height, rows):
        strip = as_image(pixels_hwc[top : top + rows], channel_order).reduce(scale)
        averaged.paste(strip, (0, top // scale))
    return averaged


def _size_wh(pixels_hwc: Pixels) -> Size:
    return pixels_hwc.shape[1], pixels_hwc.shape[0]
