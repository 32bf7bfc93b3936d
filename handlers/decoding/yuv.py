"""Planes of luma and chroma → RGB."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from handlers.decoding.scaling import Scaler, bands, letterbox_of
from models.frame import Frame, Pixels
from models.letterbox import Letterbox, Size

BT601_LIMITED = np.array(
    [
        [255 / 219, 0, 1.402 * 255 / 224],
        [255 / 219, -0.344136 * 255 / 224, -0.714136 * 255 / 224],
        [255 / 219, 1.772 * 255 / 224, 0],
    ],
    np.float32,
)
"""Rows red, green, blue; columns Y - 16, Cb - 128, Cr - 128 (ITU-R BT.601-7, 2.5.1 to 2.5.3, of 8 bits)."""
BLACK = np.array([16, 128, 128], np.float32)


def yuv420p(planes: Sequence[Pixels], scaler: Scaler) -> Frame:
    """Return the frame of planes Y [H, W], Cb and Cr [H / 2, W / 2], both rounded up, all uint8.

    Each plane is resized separately, before conversion: both are linear, so their order only changes rounding and
    clipping. If nothing is scaled, chroma is enlarged to the size of luma.
    """
    height, width = planes[0].shape
    images = [Image.fromarray(plane) for plane in planes]
    letterbox = letterbox_of(scaler, (width, height))
    luma = scaler.image(images[0], (width, height), letterbox)
    chroma = [_chroma(image, scaler, (width, height), letterbox) for image in images[1:]]
    rgb = _to_rgb([np.asarray(image) for image in (luma, *chroma)])
    return Frame(rgb, "rgb", (width, height), letterbox.region_xyxy)


def _chroma(image: Image.Image, scaler: Scaler, size_wh: Size, letterbox: Letterbox) -> Image.Image:
    """Return a plane of chroma at the size of the scaled luma. `size_wh`: of the luma as received, in pixels."""
    extent_wh = (size_wh[0] / 2, size_wh[1] / 2)
    if scaler.target:
        return scaler.image(image, extent_wh, letterbox)
    return image.resize(size_wh, Image.Resampling.BILINEAR, (0, 0, *extent_wh))


def _to_rgb(ycbcr: Sequence[Pixels]) -> Pixels:
    """Return uint8 [H, W, 3] RGB of planes Y, Cb, Cr, all [H, W]."""
    rgb = np.empty((*ycbcr[0].shape, 3), np.uint8)
    for rows in bands(len(rgb)):  # so that floating point values exist for one band only
        levels = np.stack([plane[rows] for plane in ycbcr], axis=-1) - BLACK
        rgb[rows] = np.clip(np.rint(levels @ BT601_LIMITED.T), 0, 255)
    return rgb
