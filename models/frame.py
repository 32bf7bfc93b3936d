"""A decoded picture, whatever it was encoded as."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ChannelOrder: TypeAlias = Literal["rgb", "bgr", "rgba", "bgra", "argb", "abgr"]
"""What the last axis of pixels holds. `a` is alpha or padding, which nobody looks at."""

RGB_IN: dict[ChannelOrder, slice] = {
    "rgb": slice(3),
    "rgba": slice(3),
    "bgr": slice(2, None, -1),
    "bgra": slice(2, None, -1),
    "argb": slice(1, 4),
    "abgr": slice(3, 0, -1),
}
"""Where red, green and blue lie."""

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


def as_image(pixels_hwc: Pixels) -> Image.Image:
    """Return uint8 [H, W], [H, W, 3] or [H, W, 4] pixels for Pillow, which copies only those of three channels.

    Four channels are RGBX, whichever they are: Pillow would weigh the others with what it took for alpha.
    """
    contiguous = np.ascontiguousarray(pixels_hwc)
    mode = {1: "L", 3: "RGB", 4: "RGBX"}[contiguous.size // (contiguous.shape[0] * contiguous.shape[1])]
    return Image.frombuffer(mode, contiguous.shape[1::-1], contiguous, "raw", mode, 0, 1)


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
        pixels_hwc = self.pixels_hwc
        if size_wh != pixels_hwc.shape[1::-1]:
            pixels_hwc = np.asarray(as_image(pixels_hwc).resize(size_wh, Image.Resampling.BILINEAR))
        return np.ascontiguousarray(pixels_hwc[:, :, RGB_IN[self.channel_order]])
