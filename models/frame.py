"""A decoded picture, whatever it was encoded as."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ChannelOrder: TypeAlias = Literal["rgb", "bgr"]

CHANNELS = 3


@dataclass(frozen=True, slots=True)
class DecodeTarget:
    """How many pixels the model wants: a decoder may deliver fewer than the source has, never fewer than this.

    `size_wh`: (width, height) in pixels.
    """

    size_wh: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """The pixels of one picture.

    `pixels_hwc`: uint8 [H, W, 3], full range 0..255, top row first; a view where the layout allows.
    `channel_order`: the meaning of the last axis.
    `source_size_wh`: (width, height) of the picture as received, in pixels; the pixels may be fewer when the
    decoder scaled. Boxes are relative to the source, so scaling leaves them alone.
    """

    pixels_hwc: NDArray[np.uint8]
    channel_order: ChannelOrder
    source_size_wh: tuple[int, int]

    def __post_init__(self) -> None:
        """Refuse anything but non-empty uint8 [H, W, 3]."""
        if self.pixels_hwc.dtype != np.uint8 or self.pixels_hwc.shape[2:] != (CHANNELS,):
            raise ValueError(f"expected uint8 [H, W, 3], got {self.pixels_hwc.dtype} {self.pixels_hwc.shape}")
        if not self.pixels_hwc.size:
            raise ValueError(f"expected at least one pixel, got {self.pixels_hwc.shape}")

    def rgb(self, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the picture at `size_wh` as C-contiguous uint8 [height, width, 3] RGB.

        One antialiased bilinear resize that ignores the aspect ratio; none when the size fits already.
        """
        pixels_hwc = self.pixels_hwc
        height, width = pixels_hwc.shape[:2]
        if (width, height) != size_wh:
            picture = Image.fromarray(np.ascontiguousarray(pixels_hwc))
            pixels_hwc = np.asarray(picture.resize(size_wh, Image.Resampling.BILINEAR))
        if self.channel_order == "bgr":
            pixels_hwc = pixels_hwc[:, :, ::-1]
        return np.ascontiguousarray(pixels_hwc)
