"""Encoded pictures: the table of codecs. The bytes themselves decide which one decodes them."""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from handlers.decoding.limits import refuse_too_many_pixels
from handlers.errors import UndecodableFrameError
from models.frame import DecodeTarget, Frame

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked instead, for every picture: limits.py

PILLOW_ERRORS = (OSError, ValueError, SyntaxError, LookupError, TypeError, EOFError, struct.error, zlib.error)
"""What Pillow's decoders raise for bad files; it names no common base."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One encoded format.

    `name`: Pillow's name of it, which is also the one for people. `signature`: how its files begin.
    """

    name: str
    signature: bytes

    def decode(self, body: bytes, max_pixels: int, target: DecodeTarget | None) -> Frame:
        """Decode one file of this format.

        JPEG is decoded at the smallest of 1/1, 1/2, 1/4 and 1/8 that still has the pixels of `target`. Raises
        TooManyPixelsError, told from the file's header, and UndecodableFrameError.
        """
        try:
            with Image.open(io.BytesIO(body), formats=(self.name,)) as picture:
                size_wh = picture.size
                refuse_too_many_pixels(size_wh, max_pixels)
                if target is not None:
                    picture.draft("RGB", target.size_wh)
                return Frame(_rgb_pixels(picture), "rgb", size_wh)
        except PILLOW_ERRORS as error:
            raise UndecodableFrameError(
                f"What was sent begins like a {self.name} picture but is damaged or incomplete."
            ) from error


def decode(body: bytes, max_pixels: int, target: DecodeTarget | None = None) -> Frame:
    """Decode the bytes of one picture, in whichever of the formats of CODECS they are.

    Grey, palette, 1-bit, 16-bit and CMYK pictures are converted to RGB, alpha is dropped, EXIF orientation is not
    applied. Raises UndecodableFrameError and TooManyPixelsError.
    """
    if not body:
        raise UndecodableFrameError("The request has no body; expected one JPEG, PNG or BMP picture.")
    for codec in CODECS.values():
        if body.startswith(codec.signature):
            return codec.decode(body, max_pixels, target)
    raise UndecodableFrameError("What was sent is not a JPEG, PNG or BMP picture, whatever its Content-Type says.")


def _rgb_pixels(picture: Image.Image) -> NDArray[np.uint8]:
    """Return uint8 [H, W, 3] RGB."""
    if picture.mode.startswith("I;16"):  # Pillow's own conversion clips these at 255 instead of scaling them
        grey = (np.asarray(picture) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.mode == "P" and "transparency" in picture.info:  # Pillow warns on the direct way
        picture = picture.convert("RGBA")
    return np.asarray(picture.convert("RGB"))


CODECS = {
    "image/jpeg": Codec("JPEG", b"\xff\xd8"),
    "image/png": Codec("PNG", b"\x89PNG\r\n\x1a\n"),
    "image/bmp": Codec("BMP", b"BM"),
}

ALIASES = ("image/jpg", "application/octet-stream")
"""Further media types that are accepted as the label of an encoded picture."""
