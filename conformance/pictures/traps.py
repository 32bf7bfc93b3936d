"""Pictures that no camera sends: they claim, or have, more pixels than a server should work on."""

import struct
import zlib

from PIL import Image

from conformance.pictures.encoding import bmp

BOMB_SIDE_PX = 30_000
PIECE_BYTES = 1 << 20
LARGEST_INT32 = 2**31 - 1
GREY, BIT_DEPTH = 0, 1


def png_bomb() -> bytes:
    """Return a valid PNG of 110 KB, black, BOMB_SIDE_PX wide and high, of one bit a pixel."""
    header = struct.pack(">IIBBBBB", BOMB_SIDE_PX, BOMB_SIDE_PX, BIT_DEPTH, GREY, 0, 0, 0)
    raw_bytes = BOMB_SIDE_PX * (1 + (BOMB_SIDE_PX + 7) // 8)
    pieces = (_chunk(b"IHDR", header), _chunk(b"IDAT", _zeros(raw_bytes)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces)


def bmp_of_claims() -> bytes:
    """Return a BMP of some bytes whose header claims LARGEST_INT32 pixels in width and height."""
    content = bytearray(bmp(Image.new("RGB", (4, 4))))
    content[18:26] = struct.pack("<ii", LARGEST_INT32, LARGEST_INT32)
    return bytes(content)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _zeros(length: int) -> bytes:
    """Return so many zeros as zlib writes them; one piece is compressed once and repeated, which takes no time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = packer.compress(bytes(PIECE_BYTES)) + packer.flush(zlib.Z_FULL_FLUSH)
    count, rest = divmod(length, PIECE_BYTES)
    end = packer.compress(bytes(rest)) + packer.flush()
    adler32 = (length % 65521) << 16 | 1
    return b"\x78\xda" + piece * count + end + struct.pack(">I", adler32)
