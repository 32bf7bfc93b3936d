"""Pixels packed into words: 16 or 32 bits that each colour has a part of."""

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.frame import Pixels

Masks: TypeAlias = tuple[int, int, int]
"""Which bits of a word are red, green and blue."""

RGB565: Masks = (0xF800, 0x07E0, 0x001F)
RGB555: Masks = (0x7C00, 0x03E0, 0x001F)
BAND_ROWS = 64
"""Rows unpacked at a time: numpy makes indices of 8 bytes a pixel on the way."""


def unpack16(words: NDArray[np.uint16], masks: Masks, *, swapped: bool = False) -> Pixels:
    """Return uint8 [H, W, 4] RGBA (alpha 0) of native-endian words [H, W]; `swapped`: their bytes are the other way."""
    return _table(masks, swapped)[words].view(np.uint8).reshape(*words.shape, 4)


def unpack32(words: NDArray[np.uint32], masks: Masks) -> Pixels:
    """Return uint8 [H, W, 3] RGB of native-endian words [H, W]."""
    rgb = np.empty((*words.shape, 3), np.uint8)
    for top in range(0, len(words), BAND_ROWS):
        for channel, mask in enumerate(masks):
            rgb[top : top + BAND_ROWS, :, channel] = _level(words[top : top + BAND_ROWS], mask)
    return rgb


@lru_cache(maxsize=16)
def _table(masks: Masks, swapped: bool) -> NDArray[np.uint32]:  # noqa: FBT001  # the cache wants plain arguments
    """Return the four bytes of every word there is, as one uint32 each."""
    words = np.arange(1 << 16, dtype=np.uint16)
    if swapped:
        words = words.byteswap()
    rgba = np.zeros((words.size, 4), np.uint8)
    rgba[:, :3] = unpack32(words.astype(np.uint32)[None], masks)[0]
    return rgba.view(np.uint32)[:, 0]


def _level(words: NDArray[np.uint32], mask: int) -> Pixels:
    """Return one colour, 0..255: the nearest to its share of the most that its bits can hold, or their high eight."""
    if not mask:
        return np.zeros(words.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    bits = (mask >> shift).bit_length()
    levels = (words & np.uint32(mask)) >> np.uint32(shift + max(0, bits - 8))
    most = (1 << min(bits, 8)) - 1
    nearest: Pixels = np.rint(np.arange(most + 1) * (255 / most)).astype(np.uint8)
    return np.take(nearest, levels)
