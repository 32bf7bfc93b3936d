"""Raw pixels as the seeded server reads them."""

import numpy as np
from numpy.typing import NDArray

ORDERS = {
    "rgb24": (0, 1, 2),
    "bgr24": (2, 1, 0),
    "rgba": (0, 1, 2),
    "bgra": (2, 1, 0),
    "argb": (1, 2, 3),
    "abgr": (3, 2, 1),
}
"""The places of red, green and blue in a pixel."""
WORDS = {"rgb565be": (6, ">u2"), "rgb565le": (6, "<u2"), "rgb555be": (5, ">u2"), "rgb555le": (5, "<u2")}
"""The bits of green, and the type of the words."""
PIXEL_FORMATS = (*ORDERS, *WORDS, "yuv420p")


def length(pixel_format: str, size_wh: tuple[int, int]) -> int:
    """Return the bytes of a frame."""
    width, height = size_wh
    if pixel_format == "yuv420p":
        return width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2)
    return width * height * (2 if pixel_format in WORDS else 4 if "a" in pixel_format else 3)


def read_raw(body: bytes, pixel_format: str, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the pixels of a frame of the right length, HWC RGB."""
    width, height = size_wh
    if pixel_format == "yuv420p":
        return _yuv(np.frombuffer(body, np.uint8), width, height)
    if pixel_format in WORDS:
        greens, kind = WORDS[pixel_format]
        words = np.frombuffer(body, kind).reshape(height, width).astype(np.uint16)
        red, green, blue = words >> (5 + greens) & 31, words >> 5 & (2**greens - 1), words & 31
        return np.stack([red << 3, green << (8 - greens), blue << 3], axis=-1).astype(np.uint8)
    return np.frombuffer(body, np.uint8).reshape(height, width, -1)[..., list(ORDERS[pixel_format])]


def _yuv(body: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    low, wide = (height + 1) // 2, (width + 1) // 2
    luma = (body[: width * height].reshape(height, width).astype(float) - 16) * (255 / 219)
    halves = body[width * height :].reshape(2, low, wide).astype(float) - 128
    blue, red = halves.repeat(2, axis=1).repeat(2, axis=2)[:, :height, :width] * (255 / 224)
    planes = [luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue]
    return np.stack(planes, axis=-1).round().clip(0, 255).astype(np.uint8)
