"""Encoded pictures: the table of codecs. The bytes themselves decide which one decodes them."""

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile, PngImagePlugin

from handlers.decoding import bmp
from handlers.decoding.limits import (
    refuse_jpeg_segments,
    refuse_large_jpeg,
    refuse_large_picture,
    refuse_png_chunks,
)
from handlers.decoding.scaling import Scaler, place
from handlers.errors import UndecodableFrameError
from models.frame import Frame

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked instead, for every picture: limits.py
PngImagePlugin.MAX_TEXT_MEMORY = PngImagePlugin.MAX_TEXT_CHUNK  # all texts of a PNG together, unpacked: 1 MiB

PILLOW_ERRORS = (OSError, ValueError, SyntaxError, LookupError, TypeError, EOFError, struct.error, zlib.error)
"""What Pillow's decoders raise for bad files; it names no common base."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One encoded format.

    `name`: Pillow's name of it, which is also the one for people. `signature`: how its files begin.
    `refuse_costly`: refuses files whose parts would take long to read, before any of them is. `refuse_large`: refuses
    those that are too much work for their size, or of too many pixels.
    `shortcut`: decodes the kinds of it for which there is a faster way than Pillow's; None for the others.
    """

    name: str
    signature: bytes
    refuse_costly: Callable[[bytes], None] = lambda _: None
    refuse_large: Callable[[bytes, tuple[int, int], int], None] = refuse_large_picture
    shortcut: Callable[[bytes, int, Scaler], Frame | None] = lambda *_: None

    def decode(self, body: bytes, max_pixels: int, scaler: Scaler) -> Frame:
        """Decode one file of this format.

        When the scaler has a target, JPEG is decoded at the smallest of 1/1, 1/2, 1/4 and 1/8 that still has its
        pixels, and every frame is brought to its size. Raises TooManyPixelsError, told from the file's header, and
        UndecodableFrameError.
        """
        self.refuse_costly(body)
        try:
            frame = self.shortcut(body, max_pixels, scaler)
            return self._decode_with_pillow(body, max_pixels, scaler) if frame is None else frame
        except PILLOW_ERRORS as error:
            raise UndecodableFrameError(
                f"What was sent begins like a {self.name} picture but is damaged or incomplete."
            ) from error

    def _decode_with_pillow(self, body: bytes, max_pixels: int, scaler: Scaler) -> Frame:
        with Image.open(io.BytesIO(body), formats=(self.name,)) as picture:
            size_wh = picture.size
            self.refuse_large(body, size_wh, max_pixels)
            picture.decodermaxblock = max(ImageFile.MAXBLOCK, len(body))  # in pieces, what is left is copied each time
            placed = place(scaler, size_wh)
            drafted = picture.draft("RGB", placed.whole_wh) if scaler.target else None
            pixels = scaler.image(_plain_image(picture), drafted[1][2:] if drafted else size_wh, placed)
            rgb = np.asarray(pixels if pixels.mode == "RGB" else pixels.convert("RGB"))
            return Frame(rgb, "rgb", size_wh, placed.region_xyxy)


def decode(body: bytes, max_pixels: int, scaler: Scaler, codecs: Mapping[str, Codec] | None = None) -> Frame:
    """Decode the bytes of one picture, in whichever of the formats of `codecs` (by default CODECS) they are.

    Grey, palette, 1-bit, 16-bit and CMYK pictures are converted to RGB, alpha is dropped, EXIF orientation is not
    applied. Raises UndecodableFrameError and TooManyPixelsError.
    """
    if not body:
        raise UndecodableFrameError("The request has no body; expected one JPEG, PNG or BMP picture.")
    codec = _codec_of(body, codecs or CODECS)
    if codec:
        return codec.decode(body, max_pixels, scaler)
    raise UndecodableFrameError("What was sent is not a JPEG, PNG or BMP picture, whatever its Content-Type says.")


def format_of(body: bytes) -> str:
    """Return what the bytes of an encoded picture are: jpeg, png, bmp or unknown."""
    codec = _codec_of(body, CODECS)
    return codec.name.lower() if codec else "unknown"


def _codec_of(body: bytes, codecs: Mapping[str, Codec]) -> Codec | None:
    return next((codec for codec in codecs.values() if body.startswith(codec.signature)), None)


def _plain_image(picture: Image.Image) -> Image.Image:
    """Return the picture as grey (L) or RGB, which can be averaged."""
    if picture.mode in {"L", "RGB"}:
        return picture
    if picture.mode.startswith("I;16"):  # Pillow's own conversion clips these at 255 instead of scaling them
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    picture.info.pop("transparency", None)  # Pillow warns of a palette's
    return picture.convert("RGB")


CODECS = {
    "image/jpeg": Codec("JPEG", b"\xff\xd8", refuse_jpeg_segments, refuse_large_jpeg),
    "image/png": Codec("PNG", b"\x89PNG\r\n\x1a\n", refuse_png_chunks),
    "image/bmp": Codec("BMP", b"BM", shortcut=bmp.decode),
}

ALIASES = ("image/jpg", "application/octet-stream")
"""Further media types that are accepted as the label of an encoded picture."""
