"""Planes of luma and chroma → RGB."""

from collections.abc import Sequence

import numpy as np

from handlers.decoding.scaling import AveragingScaler, Scaler
from models.frame import DecodeTarget, Pixels

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
BAND_ROWS = 64
"""Rows converted at a time, so that no picture is held whole in floating point."""


def yuv420p(planes: Sequence[Pixels], scaler: Scaler) -> Pixels:
    """Return uint8 [H, W, 3] RGB at the target's size, by default that of the luma.

    Each plane is resized by itself: conversion and resizing are linear, so their order makes no difference.
    """
    luma, *chroma = planes
    height, width = luma.shape
    to_size = scaler if scaler.target else AveragingScaler(DecodeTarget((width, height)))
    ycbcr = [scaler.pixels(luma), *(to_size.pixels(plane, (width / 2, height / 2)) for plane in chroma)]
    rgb = np.empty((*ycbcr[0].shape, 3), np.uint8)
    for top in range(0, len(rgb), BAND_ROWS):
        band = np.stack([plane[top : top + BAND_ROWS] for plane in ycbcr], axis=-1) - BLACK
        rgb[top : top + BAND_ROWS] = np.clip(np.rint(band @ BT601_LIMITED.T), 0, 255)
    return rgb
