"""Pictures that are expensive to decode.

Some fill a body with small pieces that a decoder reads one by one; others pack the largest allowed number of pixels
into very few bytes. The service may accept or refuse them, but must do so soon.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from PIL import Image

from tools.hostile.mutations import PNG_SIGNATURE, Hostile, pieces
from tools.hostile.pictures import RLE4, RLE8, WRITERS, bmp, photo
from tools.hostile.webp_lossless import lossless_webp

BODY_BYTES, PIXELS, SIDE_PX = 32 * 2**20, 36_000_000, 6000
"""The service's default limits, and the side of a square picture at the limit."""
MOST_JPEG_PX = 65_500
SMALL_WH = (64, 48)
BEHIND_HEADER, BEFORE_END = 2, -1
"""Places in a PNG, as indices of pieces."""
START_OF_FRAME = {"jpeg-baseline": b"\xff\xc0", "jpeg-cmyk": b"\xff\xc0", "jpeg-progressive": b"\xff\xc2"}
START_OF_SCAN, END_OF_IMAGE, HUFFMAN_TABLES = b"\xff\xda", b"\xff\xd9", b"\xff\xc4"
ZEROS = zlib.compress(bytes(1_000_000))


def bombs() -> Iterator[Hostile]:
    """Yield all pictures, each made when it is needed."""
    for name, write in BOMBS.items():
        yield Hostile("bombs", name, write())


def _filled(piece: bytes, beside: bytes) -> bytes:
    """Return as many of a piece as fit into a body beside something else."""
    return piece * ((BODY_BYTES - len(beside)) // len(piece))


def _png_full_of(chunk: bytes, place: int = BEHIND_HEADER) -> bytes:
    """Return a small PNG with as many of a chunk as fit."""
    body = WRITERS["png-rgb"](photo(SMALL_WH))
    parts = pieces(body)
    parts.insert(place, _filled(chunk, body))
    return b"".join(parts)


def _chunk(name: bytes, content: bytes = b"") -> bytes:
    checked = name + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def _black_png(width: int, height: int) -> bytes:
    deflate = zlib.compressobj(zlib.Z_BEST_SPEED)
    whole, rest = divmod((1 + 3 * width) * height, BODY_BYTES)
    lengths = [*[BODY_BYTES] * whole, rest]
    content = b"".join([*(deflate.compress(bytes(length)) for length in lengths), deflate.flush()])
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG_SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", content) + _chunk(b"IEND")


def _jpeg_full_of(segment: bytes, before: bytes = b"") -> bytes:
    """Return a small JPEG with as many of a segment as fit, at its beginning or before the last of these markers."""
    body = WRITERS["jpeg-progressive"](photo(SMALL_WH))
    at = body.rindex(before) if before else 2
    return body[:at] + _filled(segment, body) + body[at:]


def _jpeg_said_to_be(width: int, height: int, kind: str, more_scans: int = 0) -> bytes:
    """Return a small JPEG whose header names this size, and whose first scan is repeated this many times."""
    body = WRITERS[kind](photo(SMALL_WH))
    at = body.index(START_OF_FRAME[kind]) + 5
    body = body[:at] + struct.pack(">HH", height, width) + body[at + 4 :]
    start = body.index(START_OF_SCAN)
    end = body.index(HUFFMAN_TABLES, start) if more_scans else len(body)
    return body[:end] + body[start:end] * more_scans + body[end:]


def _noise(size_wh: tuple[int, int]) -> Image.Image:
    width, height = size_wh
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8))


def _rle(width: int, height: int, content: bytes, compression: int = RLE8) -> bytes:
    """Return a palette BMP with these commands."""
    bits = {RLE8: 8, RLE4: 4}[compression]
    return bmp((width, height), bits, compression, b"\x10\x20\x30\0" * 2**bits, content)


def _rle_full_of(command: bytes, compression: int = RLE8) -> bytes:
    return _rle(SIDE_PX, SIDE_PX, _filled(command, _rle(1, 1, b"")), compression)


BOMBS: dict[str, Callable[[], bytes]] = {
    "png-of-unknown-chunks": partial(_png_full_of, _chunk(b"prIv")),
    "png-of-empty-data": partial(_png_full_of, _chunk(b"IDAT"), BEFORE_END),
    "png-of-texts": partial(_png_full_of, _chunk(b"tEXt", b"a\0")),
    "png-of-packed-texts": partial(_png_full_of, _chunk(b"zTXt", b"a\0\0" + ZEROS)),
    "png-of-profiles": partial(_png_full_of, _chunk(b"iCCP", b"a\0\0" + ZEROS)),
    "png-of-palettes": partial(_png_full_of, _chunk(b"PLTE", bytes(3))),
    "png-of-one-text": lambda: _png_full_of(_chunk(b"tEXt", bytes(BODY_BYTES - 2**16))),
    "png-of-one-row": partial(_black_png, PIXELS, 1),
    "png-of-one-column": partial(_black_png, 1, PIXELS),
    "png-of-zeros": partial(_black_png, SIDE_PX, SIDE_PX),
    "png-too-large": partial(_black_png, 5 * SIDE_PX, 5 * SIDE_PX),
    "jpeg-of-comments": partial(_jpeg_full_of, b"\xff\xfe\0\2"),
    "jpeg-of-late-comments": partial(_jpeg_full_of, b"\xff\xfe\0\2", START_OF_SCAN),
    "jpeg-of-applications": partial(_jpeg_full_of, b"\xff\xe0\0\2"),
    "jpeg-of-exif": partial(_jpeg_full_of, b"\xff\xe1\0\x08Exif\0\0"),
    "jpeg-of-profiles": partial(_jpeg_full_of, b"\xff\xe2\0\x10ICC_PROFILE\0\1\1"),
    "jpeg-of-photoshop": partial(_jpeg_full_of, b"\xff\xed\0\x10Photoshop 3.0\0"),
    "jpeg-of-fill-bytes": partial(_jpeg_full_of, b"\xff"),
    "jpeg-of-stuffing": partial(_jpeg_full_of, b"\xff\0"),
    "jpeg-of-tables": partial(_jpeg_full_of, b"\xff\xdb\0\x43\0" + bytes(range(1, 65))),
    "jpeg-of-restarts": partial(_jpeg_full_of, b"\xff\xd0", END_OF_IMAGE),
    "jpeg-of-late-fill-bytes": partial(_jpeg_full_of, b"\xff", END_OF_IMAGE),
    "jpeg-of-scans": partial(_jpeg_said_to_be, 2000, 2000, "jpeg-progressive", 5000),
    "jpeg-of-allowed-scans": partial(_jpeg_said_to_be, SIDE_PX, SIDE_PX, "jpeg-progressive", 6),
    "jpeg-of-nothing": partial(_jpeg_said_to_be, SIDE_PX, SIDE_PX, "jpeg-baseline"),
    "jpeg-of-nothing-cmyk": partial(_jpeg_said_to_be, SIDE_PX, SIDE_PX, "jpeg-cmyk"),
    "jpeg-of-nothing-wide": partial(_jpeg_said_to_be, MOST_JPEG_PX, PIXELS // MOST_JPEG_PX, "jpeg-progressive"),
    "jpeg-of-nothing-high": partial(_jpeg_said_to_be, PIXELS // MOST_JPEG_PX, MOST_JPEG_PX, "jpeg-progressive"),
    "webp-of-codes": lambda: lossless_webp((1024, 1024), 65_536),
    "webp-of-allowed-codes": lambda: lossless_webp((1024, 1024), 2600),
    "webp-of-chunks": lambda: b"RIFF\0\0\0\0WEBP" + _filled(b"prIv\0\0\0\0", b""),
    "webp-of-noise": lambda: WRITERS["webp-lossless"](_noise((3200, 3200))),
    "webp-of-nothing": lambda: WRITERS["webp-lossless"](Image.new("RGB", (4898, 4898))),
    "webp-too-large": lambda: WRITERS["webp-lossless"](Image.new("RGB", (SIDE_PX, SIDE_PX))),
    "rle-of-short-rows": partial(_rle, SIDE_PX, SIDE_PX, b"\1\1\0\0" * SIDE_PX + b"\0\1"),
    "rle-of-one-row": partial(_rle, PIXELS, 1, b"\1\1\0\0\0\1"),
    "rle-of-one-column": partial(_rle, 1, PIXELS, b"\1\1\0\0\0\1"),
    "rle-of-moves": partial(_rle, PIXELS, 1, b"\0\2\xff\xff" * 100),
    "rle-of-pixels": partial(_rle_full_of, b"\1\1"),
    "rle-of-pixels-4-bit": partial(_rle_full_of, b"\1\1", RLE4),
    "rle-of-still-moves": partial(_rle_full_of, b"\0\2\0\0"),
    "rle-of-literals": partial(_rle_full_of, b"\0\3\1\1\1\0"),
    "rle-of-row-ends": partial(_rle_full_of, b"\0\0"),
    "bmp-of-one-column": lambda: bmp((1, PIXELS // 5), 24, 0, b"", bytes(4 * PIXELS // 5)),
    "bmp-of-one-row": lambda: bmp((PIXELS // 4, 1), 24, 0, b"", bytes(3 * PIXELS // 4)),
}
"""The function that writes each picture."""
