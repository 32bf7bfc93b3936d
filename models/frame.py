"""A decoded picture, whatever it was encoded as."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ChannelOrder: TypeAlias = Literal["rgb", "bgr", "rgba", "bgra", "argb", "abgr"]
"""What the last axis of pixels holds. `a` is alpha or padding, which nobody looks at."""

PILLOW_RAW_MODES: dict[ChannelOrder, str] = {
    "rgb": "RGB",
    "bgr": "BGR",
    "rgba": "RGBX",
    "bgra": "BGRX",
    "argb": "XRGB",
    "abgr": "XBGR",
}

PixelFormat: TypeAlias = Literal[
    "yuv420p", "rgb565be", "rgb565le", "rgb555be", "rgb555le", "rgb24", "bgr24", "argb", "rgba", "abgr", "bgra"
]
"""The layouts of raw frames; each means FFmpeg's pixel format of the same name."""

PIXEL_FORMAT_NAMES: tuple[PixelFormat, ...] = get_args(PixelFormat)

Pixels: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class DecodeTarget:
    """How many pixels the model wants: a decoder that is told may deliver just so many, stretched, never fewer.

    `size_wh`: (width, height) in pixels.
    """

    size_wh: tuple[int, int]


def as_image(pixels_hwc: Pixels, channel_order: ChannelOrder) -> Image.Image:
    """Return uint8 [H, W, channels] pixels, any view, as an RGB image of Pillow's: one copy, into its own layout."""
    bottom_up = pixels_hwc.strides[0] < 0
    rows = np.ascontiguousarray(pixels_hwc[::-1] if bottom_up else pixels_hwc)
    mode, orientation = PILLOW_RAW_MODES[channel_order], -1 if bottom_up else 1
    return Image.frombytes("RGB", rows.shape[1::-1], rows, "raw", mode, 0, orientation)


@dataclass(frozen=True, slots=True)
class Frame:
    """The pixels of one picture.

    `pixels_hwc`: uint8 [H, W, channels], full range 0..255, top row first; a view where the layout allows.
    `channel_order`: the meaning of the last axis.
    `source_size_wh`: (width, height) of the picture as received, in pixels; the pixels may be fewer when the
    decoder scaled. Boxes are relative to the source, so scaling leaves them alone.
    """

    pixels_hwc: Pixels
    channel_order: ChannelOrder
    source_size_wh: tuple[int, int]

    def __post_init__(self) -> None:
        """Refuse anything but non-empty uint8 [H, W, channels]."""
        if self.pixels_hwc.dtype != np.uint8 or self.pixels_hwc.shape[2:] != (len(self.channel_order),):
            raise ValueError(
                f"expected uint8 [H, W, {len(self.channel_order)}], got {self.pixels_hwc.dtype} {self.pixels_hwc.shape}"
            )
        if not self.pixels_hwc.size:
            raise ValueError(f"expected at least one pixel, got {self.pixels_hwc.shape}")

    def rgb(self, size_wh: tuple[int, int]) -> Pixels:
        """Return the picture at `size_wh` as C-contiguous uint8 [height, width, 3] RGB.

        One antialiased bilinear resize that ignores the aspect ratio; none when the size fits already.
        """
        fits = size_wh == self.pixels_hwc.shape[1::-1]
        if fits and self.channel_order == "rgb":
            return np.ascontiguousarray(self.pixels_hwc)
        image = as_image(self.pixels_hwc, self.channel_order)
        return np.asarray(image if fits else image.resize(size_wh, Image.Resampling.BILINEAR))
