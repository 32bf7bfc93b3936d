"""Traps are what they say."""

import io
import struct
import warnings
import zlib

from PIL import Image

from conformance.pictures import traps


def test_the_bomb_is_a_valid_png_of_few_bytes() -> None:
    content = traps.png_bomb()
    assert len(content) < 130_000
    packed_bytes = struct.unpack(">I", content[33:37])[0]
    rows = zlib.decompressobj()
    length = 0
    packed = content[41 : 41 + packed_bytes]
    while not rows.eof:
        length += len(rows.decompress(packed, 1 << 24))
        packed = rows.unconsumed_tail
    assert length == 30_000 * (1 + 3_750)
    assert content[41 + packed_bytes :][4:].startswith(b"\0\0\0\0IEND")


def test_pillow_reads_the_size_of_the_bomb() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(io.BytesIO(traps.png_bomb()))
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    assert image.size == (30_000, 30_000)
    assert image.mode == "1"


def test_the_bmp_claims_more_than_it_has() -> None:
    content = traps.bmp_of_claims()
    assert struct.unpack("<ii", content[18:26]) == (2**31 - 1, 2**31 - 1)
    assert len(content) < 200
