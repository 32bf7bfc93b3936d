"""Seeded mutants of good pictures: mutant number i of a seed is always the same bytes.

Each is a good file with bits flipped (everywhere, as zzuf does, or in its head only), with a piece of its structure (a
JPEG segment, a PNG chunk, a part of a WebP or BMP) removed, doubled or moved, or cut short. Half of the PNGs get
correct checksums again, to get past the checksum test. Raw frames get wrong lengths and odd parameters instead.
"""

import itertools
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from tools.hostile.pictures import WRITERS, photo

ENCODED_KINDS = ("jpeg-baseline", "jpeg-progressive", "png-rgb", "webp-lossy", "webp-lossless", "bmp-24", "bmp-rle8")
RAW_KIND = "x-raw"
KINDS = (*ENCODED_KINDS, RAW_KIND)
SIZE_WH = (160, 120)
LOWEST_RATE, HIGHEST_RATE = 0.0001, 0.01
"""Shares of the bits that are flipped."""
HEAD_BYTES = 700
"""Longer than the headers and tables of a small picture."""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_OVERHEAD_BYTES = 12
"""Length, name and checksum of a chunk."""
CHECKSUM_BYTES = 4
JPEG_MARKER = re.compile(rb"\xff[\xc0-\xfe]")
BMP_PARTS_END = (14, 54, 54 + 1024)
"""Offsets after the file header, the info header, and a palette of 256 entries."""
WEBP_PARTS_END = (12, 20, 30)
"""Offsets after the file header, the chunk header, and that of the pixels."""
STRIPES = 8
NAUGHTY_NUMBERS = (
    *("", "0", "-1", "-0", "+1", "00", "0160", "1.0", "1e3", "0x10", "NaN", "inf", "null", "\xb2", '"160"', "1_0"),
    *(str(2**bits + offset) for bits in (15, 16, 31, 32, 63, 64) for offset in (-1, 0, 1)),
    *("9" * 400, "9" * 5000, "160,160", "160;160", "%31", "160 ", "1 0"),
)
NAUGHTY_FORMATS = ("", "bgr", "BGR24", "rgb24", "nv12", "i420", "yuv420p", "bgr24\xe9", "../bgr24", "%00", "x" * 5000)

Change = Callable[[bytes, np.random.Generator], bytes]


@dataclass(frozen=True, slots=True)
class Hostile:
    """One request that the service must survive.

    `group`: the row of the report that counts it. `must_refuse`: only a 4xx is right.
    """

    group: str
    name: str
    body: bytes
    media_type: str = "application/octet-stream"
    must_refuse: bool = False


def mutant(seed: int, number: int) -> Hostile:
    """Return one mutant; the kinds take turns."""
    rng = np.random.default_rng([seed, number])
    kind = KINDS[number % len(KINDS)]
    name = f"mutant-{seed}-{number}"
    if kind == RAW_KIND:
        return _raw_mutant(name, rng)
    change = list(CHANGES)[rng.choice(len(CHANGES), p=list(CHANGES.values()))]
    body = change(good_file(kind), rng)
    return Hostile(kind, name, with_right_checksums(body) if rng.integers(2) else body)


@cache
def good_file(kind: str) -> bytes:
    """Return the file that the mutants of a kind start from; for a raw frame, its pixels."""
    return photo(SIZE_WH).tobytes() if kind == RAW_KIND else WRITERS[kind](photo(SIZE_WH))


def raw_media_type(width: object, height: object, pixel_format: str = "bgr24") -> str:
    """Return the media type of a raw frame."""
    return f"image/x-raw;format={pixel_format};width={width};height={height}"


def with_right_checksums(body: bytes) -> bytes:
    """Return a PNG with the checksum of each chunk corrected, and any other file unchanged."""
    if not body.startswith(PNG_SIGNATURE):
        return body
    signature, *chunks = pieces(body)
    return signature + b"".join(_with_right_checksum(chunk) for chunk in chunks)


def _with_right_checksum(chunk: bytes) -> bytes:
    if len(chunk) < PNG_OVERHEAD_BYTES:  # cut short
        return chunk
    return chunk[:-CHECKSUM_BYTES] + struct.pack(">I", zlib.crc32(chunk[4:-CHECKSUM_BYTES]))


def _flip_bits(body: bytes, rng: np.random.Generator) -> bytes:
    return _flipped(body, len(body), rng)


def _flip_bits_of_head(body: bytes, rng: np.random.Generator) -> bytes:
    return _flipped(body, min(HEAD_BYTES, len(body)), rng)


def _flipped(body: bytes, length: int, rng: np.random.Generator) -> bytes:
    """Flip bits in the first `length` bytes, at least one."""
    rate = np.exp(rng.uniform(np.log(LOWEST_RATE), np.log(HIGHEST_RATE)))
    bits = rng.integers(length * 8, size=max(1, rng.binomial(length * 8, rate)))
    content = np.frombuffer(body, np.uint8).copy()
    np.bitwise_xor.at(content, bits // 8, (1 << bits % 8).astype(np.uint8))
    return content.tobytes()


def _cut_short(body: bytes, rng: np.random.Generator) -> bytes:
    return body[: rng.integers(1, len(body))]


def _remove_piece(body: bytes, rng: np.random.Generator) -> bytes:
    parts = pieces(body)
    del parts[rng.integers(1, len(parts))]
    return b"".join(parts)


def _double_piece(body: bytes, rng: np.random.Generator) -> bytes:
    parts = pieces(body)
    at = rng.integers(1, len(parts))
    return b"".join([*parts[:at], *[parts[at]] * int(rng.choice((2, 3, 200))), *parts[at + 1 :]])


def _move_piece(body: bytes, rng: np.random.Generator) -> bytes:
    parts = pieces(body)
    piece = parts.pop(rng.integers(1, len(parts)))
    parts.insert(rng.integers(1, len(parts) + 1), piece)
    return b"".join(parts)


def pieces(body: bytes) -> list[bytes]:
    """Return the parts of the file by its format; the first holds the signature."""
    cuts = [0, *_cuts(body), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(cuts)]


def _cuts(body: bytes) -> list[int]:
    if body.startswith(PNG_SIGNATURE):
        return list(_chunk_starts(body))
    stripes = range(len(body) // STRIPES, len(body), len(body) // STRIPES)
    if body.startswith(b"RIFF"):
        return [*WEBP_PARTS_END, *stripes]
    if body.startswith(b"BM"):
        return [*BMP_PARTS_END, *stripes]
    return [match.start() for match in JPEG_MARKER.finditer(body, 2)]


def _chunk_starts(png: bytes) -> Iterator[int]:
    start = len(PNG_SIGNATURE)
    while start + PNG_OVERHEAD_BYTES <= len(png):
        yield start
        start += PNG_OVERHEAD_BYTES + int.from_bytes(png[start : start + 4])


def _raw_mutant(name: str, rng: np.random.Generator) -> Hostile:
    """Return a raw frame with a wrong length, an odd parameter, or other pixels."""
    pixels = good_file(RAW_KIND)
    match rng.integers(4):
        case 0:
            return Hostile(RAW_KIND, name, _wrong_length(pixels, rng), raw_media_type(*SIZE_WH), must_refuse=True)
        case 1:
            return Hostile(RAW_KIND, name, pixels, _odd_label(rng))
        case 2:
            return Hostile(RAW_KIND, name, pixels, _label_without_a_parameter(rng))
        case _:
            return Hostile(RAW_KIND, name, _flip_bits(pixels, rng), raw_media_type(*SIZE_WH))


def _wrong_length(pixels: bytes, rng: np.random.Generator) -> bytes:
    """Return the pixels with up to two rows missing or too many."""
    difference = int(rng.integers(1, 2 * SIZE_WH[0] * 3))
    return pixels[:-difference] if rng.integers(2) else pixels + pixels[:difference]


def _odd_label(rng: np.random.Generator) -> str:
    width, height = SIZE_WH
    number = NAUGHTY_NUMBERS[rng.integers(len(NAUGHTY_NUMBERS))]
    odd = (
        raw_media_type(number, height),
        raw_media_type(width, number),
        raw_media_type(number, number),
        raw_media_type(width, height, NAUGHTY_FORMATS[rng.integers(len(NAUGHTY_FORMATS))]),
    )
    return odd[rng.integers(len(odd))]


def _label_without_a_parameter(rng: np.random.Generator) -> str:
    """Return a media type in which one parameter is missing or occurs twice."""
    media_type, *parameters = raw_media_type(*SIZE_WH).split(";")
    at = rng.integers(len(parameters))
    parameters[at : at + 1] = [parameters[at]] * int(rng.choice((0, 2)))
    return ";".join([media_type, *parameters])


CHANGES: dict[Change, float] = {
    _flip_bits: 0.5,
    _flip_bits_of_head: 0.2,
    _remove_piece: 0.1,
    _double_piece: 0.05,
    _move_piece: 0.05,
    _cut_short: 0.1,
}
"""What is done to encoded pictures, and to which share of them."""
