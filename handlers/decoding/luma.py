"""Reduced luma: enough of a picture to see whether anything in it has moved, before the picture is decoded.

JPEG is decoded at the smallest of 1/1, 1/2, 1/4 and 1/8 that is large enough, without colours. Of BMP and raw frames,
every n-th row and column is read. PNG cannot be decoded in part. All limits and errors are those of decoding.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from handlers.decoding import encoded
from handlers.decoding.raw import LAYOUTS, planes_of
from handlers.decoding.scaling import PictureMode, Unscaled
from models.frame import Body, ChannelOrder, DecodeTarget, Frame, Pixels, RawLayout, as_image
from models.letterbox import Letterbox, Size

LEAST = DecodeTarget((160, 100), "within")
"""The size that luma has at least, unless the picture is smaller; in one direction it is less than twice that. A
movement by 2 of 768 pixels changes a pixel of such luma by nearly half of its contrast."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """A scaler that keeps every n-th row and column, the largest n that leaves enough."""

    target: DecodeTarget = LEAST
    mode: PictureMode = "L"

    def frame(self, pixels_hwc: Pixels, channel_order: ChannelOrder) -> Frame:
        """Return the frame, a view of the pixels."""
        size_wh = pixels_hwc.shape[1], pixels_hwc.shape[0]
        return Frame(_every(pixels_hwc, _step(size_wh)), channel_order, size_wh)

    def image(self, image: Image.Image, extent_wh: tuple[float, float], letterbox: Letterbox) -> Image.Image:  # noqa: ARG002
        """Return the image, each pixel the mean of n x n."""
        return image.reduce(_step(image.size))


def encoded_luma(body: Body, max_pixels: int) -> tuple[Pixels, Size]:
    """Return uint8 [h, w] of a picture in one of CODECS, and its size in pixels.

    Raises UndecodableFrameError, TooManyPixelsError and MemoryError.
    """
    frame = encoded.decode(body, max_pixels, Sampled())
    return _luma(frame), frame.source_size_wh


def raw_luma(body: Body, layout: RawLayout, max_pixels: int) -> tuple[Pixels, Size]:
    """Return uint8 [h, w] of a raw body, and its size in pixels; raises TooManyPixelsError and RawFrameError.

    A format of several planes has luma in the first one. It keeps its range.
    """
    rows_format = LAYOUTS[layout.pixel_format]
    rows = planes_of(body, layout, max_pixels)[0]
    samples_hwb = rows.reshape(len(rows), -1, rows_format.planes[0].sample_bytes)
    few_hwb = np.ascontiguousarray(_every(samples_hwb, _step(layout.size_wh)))
    if len(rows_format.planes) > 1:
        return few_hwb[..., 0], layout.size_wh
    return _luma(rows_format.read([few_hwb.reshape(len(few_hwb), -1)], Unscaled())), layout.size_wh


def _step(size_wh: Size) -> int:
    """Return of how many rows and columns one is kept."""
    least_wh = LEAST.letterbox(size_wh).size_wh
    return min(side // least for side, least in zip(size_wh, least_wh, strict=True))


def _every(pixels_hwc: Pixels, step: int) -> Pixels:
    """Return every n-th row and column, from the middle of the first n."""
    return pixels_hwc[step // 2 :: step, step // 2 :: step]


def _luma(frame: Frame) -> Pixels:
    return np.asarray(as_image(frame.pixels_hwc, frame.channel_order).convert("L"))
