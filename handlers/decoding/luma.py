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
from handlers.decoding.turning import Turn
from models.frame import Body, ChannelOrder, DecodeTarget, Frame, Pixels, RawLayout, as_image
from models.letterbox import Letterbox, Size

LEAST = DecodeTarget((160, 100), "within")
"""The size that luma has at least, unless the picture is smaller; in one direction it is less than twice that. A
movement by 2 of 768 pixels changes a pixel of such luma by nearly half of its contrast."""
MOST_PX = 512
"""The longest side of luma, of a very long picture: what is remembered of a stream must be little."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """A scaler that keeps every n-th row and column, the largest n that leaves enough."""

    target: DecodeTarget = LEAST
    mode: PictureMode = "L"

    def frame(self, pixels_hwc: Pixels, channel_order: ChannelOrder) -> Frame:
        """Return the frame, a view of the pixels."""
        size_wh = pixels_hwc.shape[1], pixels_hwc.shape[0]
        return Frame(_every(pixels_hwc, _steps_xy(size_wh, self.target)), channel_order, size_wh)

    def image(self, image: Image.Image, extent_wh: tuple[float, float], letterbox: Letterbox) -> Image.Image:  # noqa: ARG002
        """Return the image, each pixel the mean of n x n."""
        return image.reduce(_steps_xy(image.size, self.target))


def encoded_luma(body: Body, max_pixels: int, turn: Turn) -> tuple[Pixels, Size]:
    """Return uint8 [h, w] of a picture in one of CODECS, and its size in pixels, both turned.

    Raises UndecodableFrameError, TooManyPixelsError and MemoryError.
    """
    frame = encoded.decode(body, max_pixels, Sampled(turn.target(LEAST)))
    return turn.pixels(_luma(frame)), turn.size(frame.source_size_wh)


def raw_luma(body: Body, layout: RawLayout, max_pixels: int) -> tuple[Pixels, Size]:
    """Return uint8 [h, w] of a raw body, and its size in pixels; raises TooManyPixelsError and RawFrameError.

    A format of several planes has luma in the first one. It keeps its range.
    """
    rows_format = LAYOUTS[layout.pixel_format]
    rows = planes_of(body, layout, max_pixels)[0]
    samples_hwb = rows.reshape(len(rows), -1, rows_format.planes[0].sample_bytes)
    few_hwb = np.ascontiguousarray(_every(samples_hwb, _steps_xy(layout.size_wh, LEAST)))
    if len(rows_format.planes) > 1:
        return few_hwb[..., 0], layout.size_wh
    return _luma(rows_format.read([few_hwb.reshape(len(few_hwb), -1)], Unscaled())), layout.size_wh


def _steps_xy(size_wh: Size, target: DecodeTarget) -> tuple[int, int]:
    """Return of how many columns, and of how many rows, one is kept."""
    least_wh = target.letterbox(size_wh).size_wh
    step = min(side // least for side, least in zip(size_wh, least_wh, strict=True))
    width, height = size_wh
    return max(step, -(-width // MOST_PX)), max(step, -(-height // MOST_PX))


def _every(pixels_hwc: Pixels, steps_xy: tuple[int, int]) -> Pixels:
    """Return every n-th column and every m-th row, from the middle of the first ones."""
    step_x, step_y = steps_xy
    return pixels_hwc[step_y // 2 :: step_y, step_x // 2 :: step_x]


def _luma(frame: Frame) -> Pixels:
    return np.asarray(as_image(frame.pixels_hwc, frame.channel_order).convert("L"))
