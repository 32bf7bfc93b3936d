"""WebP files: what the decoder needs of them, their EXIF, and their pixels.

Layout: RFC 9649. Pillow's class for these files reads all of a file and holds 20 bytes a pixel; its decoder is called
here without it.
"""

import struct
from collections.abc import Iterator

import numpy as np
from PIL import _webp

from handlers.decoding.formats.webp_lossless import refuse_many_codes
from handlers.decoding.limits import refuse_large_webp
from handlers.decoding.scaling import Scaler
from handlers.errors import UndecodableFrameError
from models.frame import Body, Frame
from models.letterbox import Size

HEADER_BYTES = 12
"""RIFF, a length and WEBP. The length is not read: those of the chunks decide."""
CHUNK_HEADER_BYTES = 8
CHUNK_AT, CONTENT_AT = HEADER_BYTES, HEADER_BYTES + CHUNK_HEADER_BYTES
"""Where the pixels' chunk and the pixels begin in an essence."""
MAX_CHUNKS = 1000
LOSSLESS = b"VP8L"
PIXELS = {b"VP8 ", LOSSLESS}
ANIMATION = {b"ANIM", b"ANMF"}
LOSSY_MARK, LOSSLESS_MARK = b"\x9d\x01\x2a", 0x2F
"""Before the size (RFC 6386, 9.1, behind three bytes; RFC 9649, 3.4)."""
LOSSLESS_HEADER_BYTES = 5
SIDE_BITS = 14
SIDE = (1 << SIDE_BITS) - 1
BYTES_A_PIXEL = 12
"""The most memory that decoding takes: libwebp holds two canvases, and the pixels are copied from one."""


def _chunks(body: Body) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each of the first chunks, and where its content begins and ends if none of it is cut off."""
    view, at = memoryview(body), HEADER_BYTES
    for _ in range(MAX_CHUNKS):
        if at >= len(view):
            return
        start, length = at + CHUNK_HEADER_BYTES, int.from_bytes(view[at + 4 : at + CHUNK_HEADER_BYTES], "little")
        yield bytes(view[at : at + 4]), start, start + length
        at = start + length + length % 2


def essence(body: Body) -> bytes:
    """Return the pixels of a WebP as a file of their own, without alpha, metadata, and what comes behind them.

    Raises UndecodableFrameError for an animation, and ValueError if the pixels are cut off, or not in the first chunks.
    """
    for name, start, end in _chunks(body):
        if name in ANIMATION:
            raise UndecodableFrameError("The WebP picture is an animation; send single pictures of it.")
        if name in PIXELS:
            if end > len(body):
                raise ValueError(f"expected {end} bytes, got {len(body)}")
            length, padding = end - start, bytes((end - start) % 2)
            headers = struct.pack("<4sI4s4sI", b"RIFF", 12 + length + len(padding), b"WEBP", name, length)
            return b"".join([headers, memoryview(body)[start:end], padding])
    raise ValueError(f"expected pixels in the first {MAX_CHUNKS} chunks")


def exif(body: Body) -> Body:
    """Return the first block of EXIF in a WebP, empty if there is none in the first chunks."""
    return next((memoryview(body)[start:end] for name, start, end in _chunks(body) if name == b"EXIF"), b"")


def decode(file: Body, max_pixels: int, scaler: Scaler) -> Frame:
    """Return the frame of a file that `essence` has returned.

    Raises ValueError and OSError for a damaged file, TooManyPixelsError, and MemoryError.
    """
    size_wh = _read_size(file)
    refuse_large_webp(size_wh, max_pixels)
    if file[CHUNK_AT : CHUNK_AT + 4] == LOSSLESS:
        refuse_many_codes(memoryview(file)[CONTENT_AT + LOSSLESS_HEADER_BYTES :], size_wh)
    try:
        rgba, _ = _webp.WebPAnimDecoder(bytes(file)).get_next()
    except OSError:
        np.empty((*size_wh, BYTES_A_PIXEL), np.uint8)  # as much as decoding may take: if there is less, no damage
        raise
    return scaler.frame(np.frombuffer(rgba, np.uint8).reshape(size_wh[1], size_wh[0], 4), "rgba")


def _read_size(file: Body) -> Size:
    """Return (width, height) in pixels; raises ValueError if there is none."""
    if file[CHUNK_AT : CHUNK_AT + 4] == LOSSLESS:
        mark, bits = struct.unpack_from("<BI", file, CONTENT_AT)
        if mark == LOSSLESS_MARK:
            return 1 + (bits & SIDE), 1 + (bits >> SIDE_BITS & SIDE)
    else:
        mark, width, height = struct.unpack_from("<3x3sHH", file, CONTENT_AT)
        if mark == LOSSY_MARK:
            return width & SIDE, height & SIDE
    raise ValueError(f"expected the mark of pixels, got {mark!r}")
