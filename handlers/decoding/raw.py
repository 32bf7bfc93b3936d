"""Raw frames: the table of pixel formats, and how planes and rows lie in a body.

A pixel format is FFmpeg's of the same name; yuv420p is read as BT.601 in limited range.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from handlers.decoding.bitfields import RGB555, RGB565, Masks, unpack16
from handlers.decoding.limits import refuse_too_many_pixels
from handlers.decoding.scaling import Scaler
from handlers.decoding.yuv import yuv420p
from handlers.errors import RawFrameError
from models.frame import Body, ChannelOrder, Frame, PixelFormat, Pixels, RawLayout
from models.letterbox import Size

ROW_ALIGNMENT = 4
"""GStreamer pads rows to a multiple of so many bytes."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane of a format: the bytes of a sample, and the pixels in each direction that share a sample."""

    sample_bytes: int
    subsampling: int = 1

    def size(self, size_wh: Size) -> tuple[int, int]:
        """Return the bytes of a row, without padding, and the number of rows."""
        columns, rows = (-(-side // self.subsampling) for side in size_wh)
        return columns * self.sample_bytes, rows


@dataclass(frozen=True, slots=True)
class Layout:
    """One row of the table: the planes of a format, and how to read them.

    `read`: makes a frame of the planes, each uint8 [rows, bytes of a row] without padding.
    """

    planes: tuple[Plane, ...]
    read: Callable[[Sequence[Pixels], Scaler], Frame]


def _packed(channel_order: ChannelOrder) -> Layout:
    channels = len(channel_order)

    def read(planes: Sequence[Pixels], scaler: Scaler) -> Frame:
        [rows] = planes
        return scaler.frame(rows.reshape(len(rows), -1, channels), channel_order)

    return Layout((Plane(channels),), read)


def _words(masks: Masks, byte_order: str) -> Layout:
    def read(planes: Sequence[Pixels], scaler: Scaler) -> Frame:
        [rows] = planes
        return scaler.frame(unpack16(rows.view("<u2"), masks, swapped=byte_order == ">"), "rgba")

    return Layout((Plane(2),), read)


LAYOUTS: dict[PixelFormat, Layout] = {
    "yuv420p": Layout((Plane(1), Plane(1, subsampling=2), Plane(1, subsampling=2)), yuv420p),
    "rgb565be": _words(RGB565, ">"),
    "rgb565le": _words(RGB565, "<"),
    "rgb555be": _words(RGB555, ">"),
    "rgb555le": _words(RGB555, "<"),
    "rgb24": _packed("rgb"),
    "bgr24": _packed("bgr"),
    "argb": _packed("argb"),
    "rgba": _packed("rgba"),
    "abgr": _packed("abgr"),
    "bgra": _packed("bgra"),
}


def layout_bytes(layout: RawLayout) -> int:
    """Return the length of a body of this layout."""
    return sum(stride * rows for stride, rows in _plane_sizes(layout))


def decode_raw(body: Body, layout: RawLayout, max_pixels: int, scaler: Scaler) -> Frame:
    """Return the frame of a raw body, at the scaler's size; raises TooManyPixelsError and RawFrameError."""
    return LAYOUTS[layout.pixel_format].read(planes_of(body, layout, max_pixels), scaler)


def planes_of(body: Body, layout: RawLayout, max_pixels: int) -> list[Pixels]:
    """Return views of the planes of a raw body, without padding; raises TooManyPixelsError and RawFrameError."""
    refuse_too_many_pixels(layout.size_wh, max_pixels)
    expected_bytes = layout_bytes(layout)
    if len(body) != expected_bytes:
        width, height = layout.size_wh
        strides = ", ".join(map(str, layout.strides_bytes))
        raise RawFrameError(
            f"A frame of {width} x {height} in {layout.pixel_format} with rows of {strides} bytes takes "
            f"{expected_bytes} bytes; received {len(body)}."
        )
    views, offset = [], 0
    for plane, (stride, rows) in zip(LAYOUTS[layout.pixel_format].planes, _plane_sizes(layout), strict=True):
        row_bytes, used_rows = plane.size(layout.size_wh)
        padded_plane = np.frombuffer(body, np.uint8, stride * rows, offset).reshape(rows, stride)
        views.append(padded_plane[:used_rows, :row_bytes])
        offset += stride * rows
    return views


def _plane_sizes(layout: RawLayout) -> list[tuple[int, int]]:
    """Return the stride in bytes and the number of rows of each plane, with padding."""
    planes = LAYOUTS[layout.pixel_format].planes
    rows = [plane.size((layout.size_wh[0], layout.padded_height))[1] for plane in planes]
    return list(zip(layout.strides_bytes, rows, strict=True))


def tight(pixel_format: PixelFormat, size_wh: Size) -> RawLayout:
    """Return the layout without padding."""
    planes = LAYOUTS[pixel_format].planes
    return RawLayout(pixel_format, size_wh, tuple(plane.size(size_wh)[0] for plane in planes), size_wh[1])


def padded(pixel_format: PixelFormat, size_wh: Size) -> RawLayout:
    """Return the layout that GStreamer uses by default: rows of whole words, whole blocks of chroma."""
    planes = LAYOUTS[pixel_format].planes
    block = max(plane.subsampling for plane in planes)
    strides = tuple(_round_up(plane.size(size_wh)[0], ROW_ALIGNMENT) for plane in planes)
    return RawLayout(pixel_format, size_wh, strides, _round_up(size_wh[1], block))


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
