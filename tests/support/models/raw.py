"""Writes raw frames independently of the decoder: the formats as FFmpeg's documentation describes them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handlers.decoding.raw import LAYOUTS
from models.frame import PixelFormat, RawLayout

Pixels = NDArray[np.uint8]
FILLER = 0xA5
"""The value of padding bytes, which no decoder may read."""


@dataclass(frozen=True, slots=True)
class Format:
    """`write`: RGB picture → rows of each plane, and the picture that these represent. `tolerance`: in levels."""

    write: Callable[[Pixels], tuple[list[Pixels], Pixels]]
    tolerance: int = 0


def packed(order: str) -> Format:
    def write(rgb: Pixels) -> tuple[list[Pixels], Pixels]:
        channels = {"r": rgb[..., 0], "g": rgb[..., 1], "b": rgb[..., 2], "a": np.full(rgb.shape[:2], FILLER, np.uint8)}
        return [np.stack([channels[name] for name in order], axis=-1).reshape(len(rgb), -1)], rgb

    return Format(write)


def words(green_bits: int, byte_order: str) -> Format:
    def write(rgb: Pixels) -> tuple[list[Pixels], Pixels]:
        most = (31, 2**green_bits - 1, 31)
        levels = [rgb[..., channel].astype(np.uint16) * most[channel] // 255 for channel in range(3)]
        word = levels[0] << (5 + green_bits) | levels[1] << 5 | levels[2]
        if green_bits == 5:
            word |= np.random.default_rng(0).integers(0, 2, word.shape, np.uint16) << 15
        held = np.stack([np.rint(level * 255 / top) for level, top in zip(levels, most, strict=True)], axis=-1)
        return [word.astype(f"{byte_order}u2").view(np.uint8).reshape(len(rgb), -1)], held.astype(np.uint8)

    return Format(write)


def write_yuv420p(rgb: Pixels) -> tuple[list[Pixels], Pixels]:
    """Write the green channel as a grey picture, since chroma interpolation is not specified."""
    grey = rgb[..., 1]
    chroma = np.full(((len(grey) + 1) // 2, (grey.shape[1] + 1) // 2), 128, np.uint8)
    luma = np.rint(16 + grey * (219 / 255)).astype(np.uint8)
    return [luma, chroma, chroma], np.repeat(grey[:, :, None], 3, axis=2)


FORMATS: dict[PixelFormat, Format] = {
    "yuv420p": Format(write_yuv420p, tolerance=1),
    "rgb565be": words(6, ">"),
    "rgb565le": words(6, "<"),
    "rgb555be": words(5, ">"),
    "rgb555le": words(5, "<"),
    "rgb24": packed("rgb"),
    "bgr24": packed("bgr"),
    "argb": packed("argb"),
    "rgba": packed("rgba"),
    "abgr": packed("abgr"),
    "bgra": packed("bgra"),
}


def raw(rgb: Pixels, layout: RawLayout) -> tuple[bytes, Pixels]:
    """Return the body of a picture in this layout, and the picture that it represents."""
    planes, held = FORMATS[layout.pixel_format].write(rgb)
    rooms = [
        np.full((plane.size((layout.size_wh[0], layout.padded_height))[1], stride), FILLER, np.uint8)
        for plane, stride in zip(LAYOUTS[layout.pixel_format].planes, layout.strides_bytes, strict=True)
    ]
    for room, rows in zip(rooms, planes, strict=True):
        room[: rows.shape[0], : rows.shape[1]] = rows
    return b"".join(room.tobytes() for room in rooms), held
