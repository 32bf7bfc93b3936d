"""The fast route: libjpeg-turbo's scaled decoding in eighths, and OpenCV's resizing. Needs the extra `fast`."""

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from handlers.decoding.limits import refuse_large_jpeg
from handlers.decoding.scaling import Scaler, averaging_scale
from models.boxes import BoxXyxy
from models.frame import Body, ChannelOrder, DecodeTarget, Frame, Pixels, region_px
from models.letterbox import Letterbox, Size

COLOUR_SPACES = ("Gray", "YCbCr", "RGB")
"""JPEG colour spaces that libjpeg-turbo converts to RGB."""

cv2.setNumThreads(1)  # lanes run in parallel already


@dataclass(frozen=True, slots=True)
class FastScaler:
    """Resizes with OpenCV, bilinear without antialiasing; a much larger picture is first reduced by a power of two.

    Reducing to 1/4 and less averages the four pixels in the middle of each square, not all of them.
    """

    target: DecodeTarget

    def frame(self, pixels_hwc: Pixels, channel_order: ChannelOrder) -> Frame:
        """Return the frame at the target's size."""
        height, width = pixels_hwc.shape[:2]
        letterbox = self.target.letterbox((width, height))
        pixels = np.ascontiguousarray(self.pixels(pixels_hwc, (width, height), letterbox))
        rgb = np.empty((*pixels.shape[:2], 3), np.uint8)
        source_channels = (channel_order.index(channel) for channel in "rgb")
        cv2.mixChannels([pixels], [rgb], [*itertools.chain(*zip(source_channels, range(3), strict=True))])
        return Frame(rgb, "rgb", (width, height), letterbox.region_xyxy)

    def image(self, image: Image.Image, extent_wh: tuple[float, float], letterbox: Letterbox) -> Image.Image:
        """Return the part of an L or RGB image that the letterbox shows, at the letterbox's size."""
        return Image.fromarray(self.pixels(np.asarray(image), extent_wh, letterbox))

    def pixels(self, pixels_hwc: Pixels, extent_wh: tuple[float, float], letterbox: Letterbox) -> Pixels:
        """Return the part of [H, W, channels] or [H, W], any view, that the letterbox shows; see `Scaler.image`."""
        if pixels_hwc.strides[0] < 0:  # bottom row first: OpenCV would copy all of it
            return self.pixels(pixels_hwc[::-1], extent_wh, letterbox)[::-1]
        size_wh = (pixels_hwc.shape[1], pixels_hwc.shape[0])
        scale = averaging_scale(size_wh, letterbox)
        smaller_wh = (size_wh[0] // scale, size_wh[1] // scale)
        if scale > 1:
            pixels_hwc = _resized(pixels_hwc, smaller_wh, (0, 0, *size_wh))
        shares = (smaller_wh[0] / size_wh[0], smaller_wh[1] / size_wh[1])
        reduced_extent_wh = (extent_wh[0] * shares[0], extent_wh[1] * shares[1])
        return _resized(pixels_hwc, letterbox.size_wh, region_px(letterbox, reduced_extent_wh, smaller_wh))


def _resized(pixels_hwc: Pixels, size_wh: Size, box_xyxy: BoxXyxy) -> Pixels:
    """Return the pixels within the box, resized bilinearly; pixels are squares, not points."""
    try:
        return _resampled(pixels_hwc, size_wh, box_xyxy).astype(np.uint8, copy=False)
    except cv2.error as error:  # its arguments are right: memory does not suffice
        raise MemoryError from error


def _resampled(pixels_hwc: Pixels, size_wh: Size, box_xyxy: BoxXyxy) -> cv2.typing.MatLike:
    if box_xyxy == (0, 0, pixels_hwc.shape[1], pixels_hwc.shape[0]):
        return cv2.resize(pixels_hwc, size_wh, interpolation=cv2.INTER_LINEAR)
    left, top, right, bottom = box_xyxy
    columns, rows = (right - left) / size_wh[0], (bottom - top) / size_wh[1]
    to_source = np.array([[columns, 0, left + (columns - 1) / 2], [0, rows, top + (rows - 1) / 2]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(pixels_hwc, to_source, size_wh, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def decode_jpeg(body: Body, max_pixels: int, scaler: Scaler) -> Frame | None:
    """Return a JPEG file's frame, or None if it is of a kind that Pillow decodes.

    Raises TooManyPixelsError and UndecodableFrameError.
    """
    try:
        height, width, colour_space, _ = simplejpeg.decode_jpeg_header(body)
    except ValueError:  # unusual files that Pillow accepts
        return None
    refuse_large_jpeg(body, (width, height), max_pixels)
    if colour_space not in COLOUR_SPACES or scaler.target is None:
        return None
    letterbox = scaler.target.letterbox((width, height))
    least_width, least_height = letterbox.whole_wh
    try:
        pixels = simplejpeg.decode_jpeg(body, "RGB", min_width=least_width, min_height=least_height, min_factor=1)
    except ValueError:
        return None
    scale = next(eighths / 8 for eighths in range(1, 9) if -(-width * eighths // 8) == pixels.shape[1])
    rgb = FastScaler(scaler.target).pixels(pixels, (width * scale, height * scale), letterbox)
    return Frame(rgb, "rgb", (width, height), letterbox.region_xyxy)
