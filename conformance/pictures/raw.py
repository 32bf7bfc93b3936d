"""Pictures as raw pixels, in the formats of the protocol; their names are FFmpeg's."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MEDIA_TYPE = "image/x-raw"
OPAQUE = 255


def _packed(order: str, pixels: NDArray[np.uint8]) -> bytes:
    """Return bytes of colours in an order of letters of r, g, b, a."""
    alpha = np.full(pixels.shape[:2], OPAQUE, np.uint8)
    planes = {"r": pixels[..., 0], "g": pixels[..., 1], "b": pixels[..., 2], "a": alpha}
    return np.stack([planes[letter] for letter in order], axis=-1).tobytes()


def _words(greens: int, order: str, pixels: NDArray[np.uint8]) -> bytes:
    """Return words of 5 bits red, `greens` bits green, 5 bits blue; `order`: < or >, the low or the high byte first."""
    red, green, blue = (pixels[..., channel].astype(np.uint16) for channel in range(3))
    words = (red >> 3) << (5 + greens) | (green >> (8 - greens)) << 5 | blue >> 3
    return words.astype(f"{order}u2").tobytes()


def _yuv420p(pixels: NDArray[np.uint8]) -> bytes:
    """Return planes of luma and chroma, BT.601 in limited range, after the equations of ITU-R BT.601."""
    red, green, blue = (pixels[..., channel].astype(np.float64) / 255 for channel in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = [_halved((blue - luma) / 1.772), _halved((red - luma) / 1.402)]
    planes = [16 + 219 * luma, *(128 + 224 * plane for plane in chroma)]
    return b"".join(plane.round().astype(np.uint8).tobytes() for plane in planes)


def _halved(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of two by two values; the last row and column are doubled if they are single."""
    height, width = plane.shape
    even = np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge")
    means: NDArray[np.float64] = even.reshape((height + 1) // 2, 2, (width + 1) // 2, 2).mean(axis=(1, 3))
    return means


LOSSLESS = ("rgb24", "bgr24", "argb", "rgba", "abgr", "bgra")
_WRITERS: dict[str, Callable[[NDArray[np.uint8]], bytes]] = {
    "yuv420p": _yuv420p,
    "rgb565be": partial(_words, 6, ">"),
    "rgb565le": partial(_words, 6, "<"),
    "rgb555be": partial(_words, 5, ">"),
    "rgb555le": partial(_words, 5, "<"),
    **{name: partial(_packed, name.removesuffix("24")) for name in LOSSLESS},
}
PIXEL_FORMATS = tuple(_WRITERS)


def raw(image: Image.Image, pixel_format: str) -> bytes:
    """Return a picture as raw pixels, rows without padding. `pixel_format`: one of PIXEL_FORMATS."""
    return _WRITERS[pixel_format](np.asarray(image.convert("RGB")))
