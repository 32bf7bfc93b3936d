"""A decoded picture, independent of how it was encoded."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.boxes import BoxXyxy
from models.letterbox import WHOLE, Letterbox, ResizeMode, Size, fit_letterbox

ChannelOrder: TypeAlias = Literal["rgb", "bgr", "rgba", "bgra", "argb", "abgr"]
"""What the last axis of pixels holds. `a` is alpha or padding, which is ignored."""

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

Body: TypeAlias = bytes | memoryview
"""The bytes of a frame as received: of one object, or of memory that processes share. One byte an item."""


@dataclass(frozen=True, slots=True)
class RawLayout:
    """How the pixels of a raw frame lie in its body.

    `size_wh`: (width, height) in pixels. `strides_bytes`: of each plane, from one row to the next. `padded_height`: the
    rows that the planes have space for; in GStreamer's I420 one more than an odd height.
    """

    pixel_format: PixelFormat
    size_wh: Size
    strides_bytes: tuple[int, ...]
    padded_height: int


@dataclass(frozen=True, slots=True)
class DecodeTarget:
    """The pixels that the model needs. A decoder that knows them may deliver only those.

    `size_wh`: (width, height) of the model's canvas in pixels. `resize`, `crop_share`: how a picture is fitted to it.
    """

    size_wh: Size
    resize: ResizeMode = "stretch"
    crop_share: float = 1

    def letterbox(self, source_wh: Size) -> Letterbox:
        """Return where a picture of that size, in pixels, lies on the canvas."""
        return fit_letterbox(source_wh, self.size_wh, self.resize, self.crop_share)


def as_image(pixels_hwc: Pixels, channel_order: ChannelOrder) -> Image.Image:
    """Return uint8 [H, W, channels] pixels as Pillow's RGB image. Copies once; the pixels may be any view."""
    rows, orientation = contiguous_rows(pixels_hwc)
    return Image.frombytes("RGB", rows.shape[1::-1], rows, "raw", PILLOW_RAW_MODES[channel_order], 0, orientation)


def contiguous_rows(pixels_hwc: Pixels) -> tuple[Pixels, int]:
    """Return pixels, any view, as they lie in memory, and Pillow's orientation: 1 from the top, -1 from the bottom.

    Copies them only where something lies between the rows.
    """
    bottom_up = pixels_hwc.strides[0] < 0
    return np.ascontiguousarray(pixels_hwc[::-1] if bottom_up else pixels_hwc), -1 if bottom_up else 1


@dataclass(frozen=True, slots=True)
class Frame:
    """The pixels of one picture.

    `pixels_hwc`: uint8 [H, W, channels], full range 0..255, top row first; a view where the layout allows.
    `channel_order`: the meaning of the last axis.
    `source_size_wh`: (width, height) of the picture as received, in pixels. `pixels_hwc` is smaller if the decoder
    scaled it down. Boxes are shares of the source, so scaling does not change them.
    `region_xyxy`: the part of the source that the pixels show, as shares of its size.
    Raises ValueError for pixels that are not uint8, not [H, W, channels], or empty.
    """

    pixels_hwc: Pixels
    channel_order: ChannelOrder
    source_size_wh: Size
    region_xyxy: BoxXyxy = WHOLE

    def __post_init__(self) -> None:
        """Check type and shape."""
        if self.pixels_hwc.dtype != np.uint8 or self.pixels_hwc.shape[2:] != (len(self.channel_order),):
            raise ValueError(
                f"expected uint8 [H, W, {len(self.channel_order)}], got {self.pixels_hwc.dtype} {self.pixels_hwc.shape}"
            )
        if not self.pixels_hwc.size:
            raise ValueError(f"expected at least one pixel, got {self.pixels_hwc.shape}")

    @property
    def is_whole(self) -> bool:
        """Return whether the pixels are all that the picture as received has."""
        return self.pixels_hwc.shape[1::-1] == self.source_size_wh and self.region_xyxy == WHOLE

    def cropped(self, left: int, top: int, right: int, bottom: int) -> "Frame":
        """Return a part of a whole frame as a frame of its own; the edges in pixels, the part not empty."""
        pixels_hwc = self.pixels_hwc[top:bottom, left:right]
        return Frame(pixels_hwc, self.channel_order, (pixels_hwc.shape[1], pixels_hwc.shape[0]))

    def rgb(self, size_wh: Size) -> Pixels:
        """Return the whole picture stretched to `size_wh`; see `rgb_in`."""
        return self.rgb_in(Letterbox(size_wh, size_wh))

    def rgb_in(self, letterbox: Letterbox) -> Pixels:
        """Return the part of the picture that the letterbox shows, at the letterbox's size.

        C-contiguous uint8 [height, width, 3], RGB. Resizes once, antialiased bilinear, or not at all if the decoder has
        delivered exactly that. Raises ValueError if the pixels show another part of the picture.
        """
        if self.region_xyxy not in {letterbox.region_xyxy, WHOLE}:
            raise ValueError(f"expected pixels of {letterbox.region_xyxy}, got {self.region_xyxy}")
        fits = letterbox.size_wh == self.pixels_hwc.shape[1::-1] and self.region_xyxy == letterbox.region_xyxy
        if fits and self.channel_order == "rgb":
            return np.ascontiguousarray(self.pixels_hwc)
        image = as_image(self.pixels_hwc, self.channel_order)
        if fits:
            return np.asarray(image)
        box = None if self.region_xyxy == letterbox.region_xyxy else region_px(letterbox, image.size, image.size)
        return np.asarray(image.resize(letterbox.size_wh, Image.Resampling.BILINEAR, box))


def region_px(letterbox: Letterbox, extent_wh: tuple[float, float], limit_wh: Size) -> BoxXyxy:
    """Return the part that the letterbox shows of a picture of `extent_wh` pixels, in pixels, at most `limit_wh`."""
    left, top, right, bottom = letterbox.region_xyxy
    return (
        left * extent_wh[0],
        top * extent_wh[1],
        min(right * extent_wh[0], limit_wh[0]),
        min(bottom * extent_wh[1], limit_wh[1]),
    )
