"""Planes of luma and chroma → RGB."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from handlers.decoding.scaling import AveragingScaler, Scaler, place
from models.frame import DecodeTarget, Frame, Pixels

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


def yuv420p(planes: Sequence[Pixels], scaler: Scaler) -> Frame:
    """Return the frame of planes of luma [H, W] and of blue and red chroma [H / 2, W / 2], both rounded up.

    Each plane is resized by itself: conversion and resizing are linear, so but for rounding and clipping their order
    makes no difference. Where nothing is scaled, chroma is brought to the size of luma.
    """
    height, width = planes[0].shape
    images = [Image.fromarray(plane) for plane in planes]
    placed = place(scaler, (width, height))
    luma = scaler.image(images[0], (width, height), placed)
    chroma_scaler = scaler if scaler.target else AveragingScaler(DecodeTarget((width, height)))
    chroma = [chroma_scaler.image(image, (width / 2, height / 2), placed) for image in images[1:]]
    return Frame(_to_rgb([np.asarray(image) for image in (luma, *chroma)]), "rgb", (width, height), placed.region_xyxy)


def _to_rgb(ycbcr: Sequence[Pixels]) -> Pixels:
    """Return uint8 [H, W, 3] RGB of planes Y, Cb, Cr, all [H, W]."""
    rgb = np.empty((*ycbcr[0].shape, 3), np.uint8)
    for top in range(0, len(rgb), BAND_ROWS):
        band = np.stack([plane[top : top + BAND_ROWS] for plane in ycbcr], axis=-1) - BLACK
        rgb[top : top + BAND_ROWS] = np.clip(np.rint(band @ BT601_LIMITED.T), 0, 255)
    return rgb
