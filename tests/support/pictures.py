"""Pictures, encoded in every way a camera may."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support.client import ROOT

STREET = ROOT / "examples" / "street.jpg"
PHOTOS = Path(__file__).parent.parent / "data"


def encode(picture: Image.Image, name: str, **options: object) -> bytes:
    encoded = io.BytesIO()
    picture.save(encoded, name, **options)
    return encoded.getvalue()


def street() -> Image.Image:
    return Image.open(STREET).convert("RGB")


def street_as(name: str) -> bytes:
    """Return the street photo in another format, pixel for pixel (JPEG: the file itself)."""
    return STREET.read_bytes() if name == "JPEG" else encode(street(), name)


def blank(size_wh: tuple[int, int] = (64, 64)) -> bytes:
    """Return a picture on which there is nothing."""
    return encode(Image.new("RGB", size_wh, (128, 128, 128)), "PNG")


def grey16(picture: Image.Image) -> Image.Image:
    """Return a picture as 16-bit grey, each level the 8-bit one times 257."""
    pixels: NDArray[np.uint16] = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    return Image.fromarray(pixels)


def png(size_wh: tuple[int, int], bits: int, colour_type: int, pixels: NDArray[np.generic]) -> bytes:
    """Write a PNG by hand, rows unfiltered: ISO/IEC 15948. The pixels are big-endian, [H, W, channels]."""
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", *size_wh, bits, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def bmp(picture: Image.Image, bits: int, *, top_down: bool, gap_bytes: int) -> bytes:
    """Write a BMP by hand: 16 (5-5-5), 24 or 32 bits a pixel, rows padded to four bytes, a gap before the pixels."""
    bgr: NDArray[np.uint16] = np.asarray(picture.convert("RGB"))[:, :, ::-1].astype(np.uint16)
    if bits == 16:
        blue, green, red = (bgr[..., channel] >> 3 for channel in range(3))
        rows = (red << 10 | green << 5 | blue).astype("<u2").view(np.uint8)
    else:
        padded = np.pad(bgr, ((0, 0), (0, 0), (0, bits // 8 - 3)))
        rows = padded.astype(np.uint8).reshape(picture.height, -1)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
    pixels = (rows if top_down else rows[::-1]).tobytes()
    offset = 54 + gap_bytes
    height = -picture.height if top_down else picture.height
    file_header = struct.pack("<2sIHHI", b"BM", offset + len(pixels), 0, 0, offset)
    info_header = struct.pack("<IiiHHIIiiII", 40, picture.width, height, 1, bits, 0, len(pixels), 0, 0, 0, 0)
    return file_header + info_header + b"\0" * gap_bytes + pixels
