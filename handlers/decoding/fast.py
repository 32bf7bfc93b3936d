"""The fast route: libjpeg-turbo's scaled decoding in eighths, and OpenCV's resizing. Needs the extra `fast`."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from handlers.decoding.limits import refuse_too_many_pixels, refuse_too_many_scans
from handlers.decoding.scaling import Scaler, averaging_scale
from models.frame import ChannelOrder, DecodeTarget, Frame, Pixels

COLOUR_SPACES = ("Gray", "YCbCr", "RGB")
"""Those of a JPEG file that libjpeg-turbo converts to RGB."""

RGB_IN: dict[ChannelOrder, slice] = {
    "rgb": slice(3),
    "rgba": slice(3),
    "bgr": slice(2, None, -1),
    "bgra": slice(2, None, -1),
    "argb": slice(1, 4),
    "abgr": slice(3, 0, -1),
}
"""Where red, green and blue lie."""

cv2.setNumThreads(1)  # the lanes are the parallelism


@dataclass(frozen=True, slots=True)
class FastScaler:
    """Resizes by OpenCV, bilinear without antialiasing: what is much larger is halved first, two or more times at once.

    Halving to 1/4 and less averages the four pixels in the middle of each square, not all of it.
    """

    target: DecodeTarget

    def frame(self, pixels_hwc: Pixels, channel_order: ChannelOrder) -> Frame:
        """Return the frame at the target's size."""
        height, width = pixels_hwc.shape[:2]
        rgb = self._pixels(pixels_hwc)[:, :, RGB_IN[channel_order]]
        return Frame(rgb, "rgb", (width, height))

    def image(self, image: Image.Image, extent_wh: tuple[float, float]) -> Image.Image:  # noqa: ARG002
        """Return an L or RGB image at the target's size."""
        return Image.fromarray(self._pixels(np.asarray(image)))

    def _pixels(self, pixels_hwc: Pixels) -> Pixels:
        """Return [H, W, channels] or [H, W], any view, at the target's size."""
        if pixels_hwc.strides[0] < 0:  # bottom row first: OpenCV would have to copy it all
            return self._pixels(pixels_hwc[::-1])[::-1]
        size_wh = (pixels_hwc.shape[1], pixels_hwc.shape[0])
        scale = averaging_scale(size_wh, self.target)
        if scale > 1:
            pixels_hwc = _resized(pixels_hwc, (size_wh[0] // scale, size_wh[1] // scale))
        return _resized(pixels_hwc, self.target.size_wh)


def _resized(pixels_hwc: Pixels, size_wh: tuple[int, int]) -> Pixels:
    return cv2.resize(pixels_hwc, size_wh, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def decode_jpeg(body: bytes, max_pixels: int, scaler: Scaler) -> Frame | None:
    """Return a JPEG file's frame, or None when it is of a kind for Pillow; raises what its neighbours raise."""
    try:
        height, width, colour_space, _ = simplejpeg.decode_jpeg_header(body)
    except ValueError:  # odd files that Pillow puts up with
        return None
    refuse_too_many_pixels((width, height), max_pixels)
    refuse_too_many_scans(body, (width, height), max_pixels)
    if colour_space not in COLOUR_SPACES or scaler.target is None:
        return None
    least_width, least_height = scaler.target.size_wh
    try:
        pixels = simplejpeg.decode_jpeg(body, "RGB", min_width=least_width, min_height=least_height, min_factor=1)
    except ValueError:
        return None
    return replace(scaler.frame(pixels, "rgb"), source_size_wh=(width, height))
