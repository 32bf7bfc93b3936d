"""Pixels packed into words of 16 or 32 bits, each colour in some of the bits."""

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from handlers.decoding.scaling import bands
from models.frame import Pixels

Masks: TypeAlias = tuple[int, int, int]
"""Which bits of a word are red, green and blue."""

RGB565: Masks = (0xF800, 0x07E0, 0x001F)
RGB555: Masks = (0x7C00, 0x03E0, 0x001F)


def unpack16(words: NDArray[np.uint16], masks: Masks, *, swapped: bool = False) -> Pixels:
    """Return uint8 [H, W, 4] RGBA (alpha 0) of native-endian words [H, W].

    `swapped`: the two bytes of each word are in the other order.
    """
    return _table(masks, swapped)[words].view(np.uint8).reshape(*words.shape, 4)


def unpack32(words: NDArray[np.uint32], masks: Masks) -> Pixels:
    """Return uint8 [H, W, 3] RGB of native-endian words [H, W]."""
    rgb = np.empty((*words.shape, 3), np.uint8)
    for rows in bands(len(words)):  # numpy makes indices of 8 bytes a pixel on the way
        for channel, mask in enumerate(masks):
            rgb[rows, :, channel] = _level(words[rows], mask)
    return rgb


@lru_cache(maxsize=16)
def _table(masks: Masks, swapped: bool) -> NDArray[np.uint32]:  # noqa: FBT001  # lru_cache needs plain arguments
    """Return the RGBA bytes of each of the 65536 words, as one uint32 each."""
    words = np.arange(1 << 16, dtype=np.uint16)
    if swapped:
        words = words.byteswap()
    rgba = np.zeros((words.size, 4), np.uint8)
    rgba[:, :3] = unpack32(words.astype(np.uint32)[None], masks)[0]
    return rgba.view(np.uint32)[:, 0]


def _level(words: NDArray[np.uint32], mask: int) -> Pixels:
    """Return one colour, scaled to 0..255 and rounded; of more than eight bits only the high eight count."""
    if not mask:
        return np.zeros(words.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    bits = (mask >> shift).bit_length()
    levels = (words & np.uint32(mask)) >> np.uint32(shift + max(0, bits - 8))
    max_level = (1 << min(bits, 8)) - 1
    scaled: Pixels = np.rint(np.arange(max_level + 1) * (255 / max_level)).astype(np.uint8)
    return np.take(scaled, levels)
