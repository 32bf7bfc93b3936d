"""Lossless WebP files written bit by bit, as RFC 9649 describes them: with any number of groups of prefix codes."""

import struct

import numpy as np

LITERAL_CODES = (256 + 24, 256, 256, 256, 40)
"""The sizes of the five alphabets of a group: green with lengths, red, blue, alpha, distances."""
COLOUR_TABLE = 3
EIGHT_BITS = (17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8)
"""Symbols of the code for lengths of codes, in their order, up to the length 8."""


class BitWriter:
    """Writes numbers, the least significant bits first."""

    def __init__(self) -> None:
        self._bits: list[int] = []

    def write(self, number: int, count: int) -> None:
        """Write the lowest bits of a number."""
        self._bits += [number >> place & 1 for place in range(count)]

    def code_of_zero(self) -> None:
        """Write a code whose only symbol is 0; it then takes no bits."""
        self.write(0b0001, 4)

    def code_of_bytes(self, size: int) -> None:
        """Write a code of an alphabet of that size in which each byte takes eight bits, and no other symbol exists."""
        self.write(0, 1)
        self.write(len(EIGHT_BITS) - 4, 4)
        for symbol in EIGHT_BITS:
            self.write(int(symbol in {0, 8}), 3)
        self.write(0, 1)
        for symbol in range(size):
            self.write(int(symbol < 256), 1)  # noqa: PLR2004  # the length 8 for a byte, else 0

    def byte(self, number: int) -> None:
        """Write a byte in such a code, which puts its most significant bit first."""
        self._bits += [number >> place & 1 for place in reversed(range(8))]

    def packed(self) -> bytes:
        """Return what was written, and as many zeros as a decoder may read ahead."""
        return np.packbits(np.array(self._bits, np.uint8), bitorder="little").tobytes() + bytes(8)


def lossless_webp(size_wh: tuple[int, int], groups: int, transforms: tuple[int, ...] = ()) -> bytes:
    """Return a black picture whose blocks of 4 x 4 pixels take turns with so many groups of codes.

    `transforms`: the numbers of transforms that are announced before it, each with an image of one pixel.
    """
    width, height = size_wh
    bits = BitWriter()
    bits.write(0x2F, 8)
    bits.write(width - 1, 14)
    bits.write(height - 1, 14)
    bits.write(0, 4)
    for transform in transforms:
        bits.write(1 | transform << 1, 3)
        _one_pixel(bits, transform)
    bits.write(0, 2)  # no more transforms, no cache of colours
    bits.write(1, 1)
    bits.write(0, 3)  # blocks of 4 x 4
    columns = -(-width // 8) if COLOUR_TABLE in transforms else width  # eight indices are one pixel
    _image_of_groups(bits, -(-columns // 4) * -(-height // 4), groups)
    for _ in range(groups * len(LITERAL_CODES)):
        bits.code_of_zero()
    return riff_webp(bits.packed())


def _one_pixel(bits: BitWriter, transform: int) -> None:
    """Write the image of a transform: for numbers 0 and 1 one block of 512 x 512 pixels, for 3 one colour."""
    if transform in {0, 1}:
        bits.write(7, 3)
    elif transform == COLOUR_TABLE:
        bits.write(0, 8)
    else:
        return
    bits.write(0, 1)  # no cache of colours
    for _ in LITERAL_CODES:
        bits.code_of_zero()


def _image_of_groups(bits: BitWriter, blocks: int, groups: int) -> None:
    bits.write(0, 1)  # no cache of colours
    bits.code_of_bytes(LITERAL_CODES[0])
    bits.code_of_bytes(LITERAL_CODES[1])
    for _ in LITERAL_CODES[2:]:
        bits.code_of_zero()
    for block in range(blocks):
        high, low = divmod(block % groups, 256)
        bits.byte(low)  # green
        bits.byte(high)  # red


def riff_webp(content: bytes, name: bytes = b"VP8L") -> bytes:
    """Return a WebP file of one chunk."""
    padded = content + bytes(len(content) % 2)
    return struct.pack("<4sI4s4sI", b"RIFF", 12 + len(padded), b"WEBP", name, len(content)) + padded
