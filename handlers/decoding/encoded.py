"""Encoded pictures: the table of codecs. The bytes themselves select their codec."""

import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile

from handlers.decoding import essence, foreign
from handlers.decoding.essence import END_OF_IMAGE
from handlers.decoding.formats import bmp, orientation, webp
from handlers.decoding.limits import START_OF_SCAN, refuse_large_jpeg, refuse_large_picture
from handlers.decoding.scaling import Scaler, letterbox_of
from handlers.decoding.turning import AS_STORED, TURNS, Turn
from handlers.errors import UndecodableFrameError
from models.frame import Body, Frame
from models.letterbox import Size

Image.MAX_IMAGE_PIXELS = None  # limits.py checks our own limit instead, for every picture
warnings.filterwarnings("ignore", module="PIL")  # its texts quote the file: logged and remembered, each one for ever

PILLOW_ERRORS = (OSError, ValueError, SyntaxError, LookupError, TypeError, EOFError, struct.error, zlib.error)
"""What Pillow's decoders raise for damaged files: they have no common base."""

UNKNOWN = "unknown"

BYTES_A_PIXEL = 8
"""The most memory that decoding takes."""

RESTART_INTERVAL = b"\xff\xdd"
RESTART = re.compile(rb"\xff[\xd0-\xd7]")
LOOK_AHEAD = b"\xff\0" * 8
"""Eight bytes of ones: libjpeg reads so far ahead. No Huffman code consists of ones, so each code that a picture lacks
takes 17 of these bits, and they replace no more than the end of the last two blocks of 8 x 8 samples."""


def _load(picture: ImageFile.ImageFile, _: Body) -> None:
    picture.load()


def _load_jpeg(picture: ImageFile.ImageFile, essence: Body) -> None:
    """Decode the pixels as `picture.load` does, but raise OSError when data are missing before the end marker.

    Once libjpeg has seen a marker, it fills up whatever is missing, and Pillow does not pass its warning on. Without
    one it waits. So the end marker comes last, when all scans are complete: then libjpeg skips the pieces that stand
    before it, a byte and a restart marker. A picture of one sequential scan is complete without an end marker.
    """
    [(name, extents, _, arguments)] = picture.tile
    picture.load_prepare()
    decoder = Image._getdecoder(picture.mode, name, arguments, picture.decoderconfig)  # noqa: SLF001  # load() tells less
    try:
        decoder.setimage(picture.im, extents)
        for piece in _pieces(essence):
            consumed, error = decoder.decode(piece)
            if consumed < 0:
                break
            if consumed < len(piece):
                raise OSError("expected more data before the end marker")
        if consumed >= 0 or error < 0:
            raise OSError(f"libjpeg has failed: {error}")
    finally:
        decoder.cleanup()
    picture.tile = []


def _pieces(essence: Body) -> Iterator[bytes]:
    """Yield a JPEG in pieces, each of which libjpeg consumes whole if it needs no more data."""
    yield b"".join([essence[: -len(END_OF_IMAGE)], LOOK_AHEAD])
    yield b"\0"  # a decoder that waits for data takes several bytes at once, or none
    file = bytes(essence)  # bytes are not copied
    scan_at = file.rindex(START_OF_SCAN)
    restarts = len(RESTART.findall(file, scan_at)) if file.find(RESTART_INTERVAL, 0, scan_at) >= 0 else 0
    yield bytes((0xFF, 0xD0 + restarts % 8, 0))  # one that waits for this restart waits for data behind it
    yield END_OF_IMAGE


@dataclass(frozen=True, slots=True)
class Codec:
    """One encoded format.

    `name`: the one in messages; in upper case, Pillow's. `signature`: how its files begin.
    `essence`: what its decoders need of a file, without metadata; raises UndecodableFrameError for too many parts, and
    ValueError if damaged.
    `refuse_large`: rejects files of too many pixels, or of too much work for their size.
    `exif`: its first block of EXIF, perhaps malformed; empty if there is none. Never raises.
    `shortcut`: decodes some kinds faster than Pillow, and returns None for the others; raises ValueError if damaged.
    `load`: decodes the pixels of a picture that Pillow opened from this essence; raises as Pillow does.
    """

    name: str
    signature: re.Pattern[bytes]
    essence: Callable[[Body], Body]
    exif: Callable[[Body], Body] = lambda _: b""
    refuse_large: Callable[[Body, Size, int], None] = refuse_large_picture
    shortcut: Callable[[Body, int, Scaler], Frame | None] = lambda *_: None
    load: Callable[[ImageFile.ImageFile, Body], None] = _load

    def decode(self, body: Body, max_pixels: int, scaler: Scaler) -> Frame:
        """Decode one file of this format.

        If the scaler has a target, JPEG is decoded at the smallest of 1/1, 1/2, 1/4 and 1/8 that still has the target's
        pixels, and the frame gets the target's size. Raises TooManyPixelsError, from the file's header alone,
        UndecodableFrameError, and MemoryError.
        """
        try:
            needed = self.essence(body)
            frame = self.shortcut(needed, max_pixels, scaler)
            return self._decode_with_pillow(needed, max_pixels, scaler) if frame is None else frame
        except PILLOW_ERRORS as error:
            raise UndecodableFrameError(
                f"The bytes begin like a {self.name} picture but are damaged or incomplete."
            ) from error

    def _decode_with_pillow(self, body: Body, max_pixels: int, scaler: Scaler) -> Frame:
        with Image.open(io.BytesIO(body), formats=(self.name.upper(),)) as picture:
            size_wh = picture.size
            self.refuse_large(body, size_wh, max_pixels)
            letterbox = letterbox_of(scaler, size_wh)
            drafted = picture.draft(scaler.mode, letterbox.whole_wh) if scaler.target else None
            self._load(picture, body, size_wh)
            pixels = scaler.image(_plain_image(picture), drafted[1][2:] if drafted else size_wh, letterbox)
            rgb = np.asarray(pixels if pixels.mode == "RGB" else pixels.convert("RGB"))
            return Frame(rgb, "rgb", size_wh, letterbox.region_xyxy)

    def _load(self, picture: ImageFile.ImageFile, body: Body, size_wh: Size) -> None:
        """Decode the pixels. Raises what Pillow raises, and MemoryError.

        libjpeg reports damage when its memory does not suffice. `size_wh`: of the whole picture, in pixels.
        """
        try:
            self.load(picture, body)
        except OSError:
            np.empty((*size_wh, BYTES_A_PIXEL), np.uint8)  # as much as decoding may take: if there is less, no damage
            raise


def decode(body: Body, max_pixels: int, scaler: Scaler) -> Frame:
    """Decode the bytes of one picture in one of the formats of CODECS.

    Grey, palette, 1-bit, 16-bit and CMYK pictures are converted to RGB, alpha is dropped, and the picture lies as it is
    stored. Raises UndecodableFrameError, TooManyPixelsError and MemoryError.
    """
    if not body:
        raise UndecodableFrameError(f"The request has no body; expected one {FORMAT_NAMES} picture.")
    codec = _codec_of(body)
    if codec:
        return codec.decode(body, max_pixels, scaler)
    raise UndecodableFrameError(foreign.refusal(body, FORMAT_NAMES))


def format_of(body: Body) -> str:
    """Return the name in lower case of the codec for these bytes, or UNKNOWN."""
    codec = _codec_of(body)
    return codec.name.lower() if codec else UNKNOWN


def turn_of(body: Body) -> Turn:
    """Return how to turn the picture in a body so that it is upright, by its EXIF orientation."""
    codec = _codec_of(body)
    return TURNS[orientation.read_orientation(codec.exif(body))] if codec else AS_STORED


def _codec_of(body: Body) -> Codec | None:
    return next((codec for codec in CODECS.values() if codec.signature.match(body)), None)


def _plain_image(picture: Image.Image) -> Image.Image:
    """Return the picture as grey (L) or RGB, the modes that can be scaled."""
    if picture.mode in {"L", "RGB"}:
        return picture
    if picture.mode.startswith("I;16"):  # Pillow clips these at 255 instead of scaling them
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    picture.info.pop("transparency", None)  # Pillow warns if a palette has one
    return picture.convert("RGB")


CODECS = {
    "image/jpeg": Codec(
        "JPEG",
        re.compile(rb"\xff\xd8"),
        essence.jpeg,
        orientation.jpeg_exif,
        refuse_large_jpeg,
        load=_load_jpeg,
    ),
    "image/png": Codec("PNG", re.compile(rb"\x89PNG\r\n\x1a\n"), essence.png, orientation.png_exif),
    "image/webp": Codec("WebP", re.compile(rb"RIFF.{4}WEBP", re.DOTALL), webp.essence, webp.exif, shortcut=webp.decode),
    "image/bmp": Codec("BMP", re.compile(rb"BM"), essence.whole, shortcut=bmp.decode),
}

_NAMES = [codec.name for codec in CODECS.values()]
FORMAT_NAMES = f"{', '.join(_NAMES[:-1])} or {_NAMES[-1]}"
"""The formats in words, for messages: "JPEG, PNG, WebP or BMP"."""
