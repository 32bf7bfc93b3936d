"""Pictures, encoded in every way that a camera may use."""

import io
import itertools
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lab import ROOT

STREET = ROOT / "examples" / "street.jpg"
PHOTOS = ROOT / "tests" / "data"
ORIENTATION = 0x0112
"""The tag of EXIF."""
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""EXIF orientation → how the upright picture becomes the stored one."""


def encode(picture: Image.Image, name: str, **options: object) -> bytes:
    """Return a picture in one of Pillow's formats."""
    encoded = io.BytesIO()
    picture.save(encoded, name, **{"compress_level": 1} | options)  # of PNG, several times as fast as the default
    return encoded.getvalue()


def street() -> Image.Image:
    """Return the street photo, RGB."""
    return Image.open(STREET).convert("RGB")


def street_as(name: str) -> bytes:
    """Return the street photo in another format, pixel for pixel (JPEG: the file itself)."""
    return STREET.read_bytes() if name == "JPEG" else encode(street(), name)


def lying(picture: Image.Image, orientation: int, name: str = "JPEG") -> bytes:
    """Return a file with this EXIF orientation that shows the picture to who applies it."""
    method = STORED[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = picture if method is None else picture.transpose(method)
    return encode(stored, name, exif=exif, quality=95, lossless=True)


def blank(size_wh: tuple[int, int] = (64, 64)) -> bytes:
    """Return a picture without any object."""
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


def bmp(picture: Image.Image, bits: int, *, top_down: bool = False, gap_bytes: int = 0) -> bytes:
    """Write a BMP by hand: 16 (5-5-5), 24 or 32 bits a pixel, rows padded to four bytes, a gap before the pixels."""
    bgr: NDArray[np.uint16] = np.asarray(picture.convert("RGB"))[:, :, ::-1].astype(np.uint16)
    if bits == 16:
        blue, green, red = (bgr[..., channel] >> 3 for channel in range(3))
        rows = (red << 10 | green << 5 | blue).astype("<u2").view(np.uint8)
    else:
        padded = np.pad(bgr, ((0, 0), (0, 0), (0, bits // 8 - 3)))
        rows = padded.astype(np.uint8).reshape(picture.height, -1)
    height = -picture.height if top_down else picture.height
    return bmp_file((picture.width, height), bits, rows, gap=b"\0" * gap_bytes)


def bmp_words(picture: Image.Image, bits: int, masks: tuple[int, int, int], header_bytes: int = 40) -> bytes:
    """Write a BMP by hand whose words of 16 or 32 bits have red, green and blue under these masks."""
    rgb = np.asarray(picture.convert("RGB")).astype(np.uint64)
    words = np.zeros(rgb.shape[:2], np.uint64)
    for channel, mask in enumerate(masks):
        if mask:
            lowest = mask & -mask
            words |= (rgb[..., channel] * (mask // lowest) + 127) // 255 * lowest
    rows = words.astype(f"<u{bits // 8}").view(np.uint8)
    packed_masks = struct.pack("<III", *masks)
    return bmp_file(picture.size, bits, rows, compression=3, gap=packed_masks, header_bytes=header_bytes)


def bmp_palette(picture: Image.Image, bits: int) -> bytes:
    """Write a BMP by hand of 1, 4 or 8 bits a pixel, with the colours of a picture of mode P."""
    indices = np.asarray(picture)
    per_byte = 8 // bits
    padded = np.pad(indices, ((0, 0), (0, -indices.shape[1] % per_byte)))
    groups = padded.reshape(len(indices), -1, per_byte).astype(np.uint16)
    rows = sum(groups[..., place] << (8 - bits * (place + 1)) for place in range(per_byte))
    return bmp_file(picture.size, bits, np.asarray(rows).astype(np.uint8), gap=_bmp_colours(picture, bits))


def bmp_runs(picture: Image.Image) -> bytes:
    """Write a BMP by hand of 8 bits a pixel, compressed by runs (BI_RLE8), with the colours of a picture of mode P."""
    rows = []
    for row in np.asarray(picture)[::-1]:
        starts = [0, *(np.flatnonzero(np.diff(row)) + 1), len(row)]
        runs = [
            bytes((min(255, end - at), row[start]))
            for start, end in itertools.pairwise(starts)
            for at in range(start, end, 255)
        ]
        rows.append(b"".join(runs) + b"\0\0")
    pixels = np.frombuffer(b"".join(rows) + b"\0\1", np.uint8)[None]
    return bmp_file(picture.size, 8, pixels, compression=1, gap=_bmp_colours(picture, 8))


def _bmp_colours(picture: Image.Image, bits: int) -> bytes:
    rgb = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)[: 1 << bits]
    bgrx = np.zeros((1 << bits, 4), np.uint8)
    bgrx[: len(rgb), :3] = rgb[:, ::-1]
    return bgrx.tobytes()


def bmp_file(  # noqa: PLR0913
    size_wh: tuple[int, int],
    bits: int,
    rows: NDArray[np.uint8],
    *,
    compression: int = 0,
    gap: bytes = b"",
    header_bytes: int = 40,
) -> bytes:
    """Put headers before rows given top row first; a negative height keeps them in that order.

    `gap`: the bytes after the info header; the first of them are fields of a longer header.
    """
    if compression != 1:
        rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
    pixels = (rows if size_wh[1] < 0 else rows[::-1]).tobytes()
    fields = struct.pack("<IiiHHIIiiII", header_bytes, *size_wh, 1, bits, compression, len(pixels), 0, 0, 0, 0)
    info_header = fields + gap.ljust(header_bytes - 40, b"\0")
    offset = 14 + len(info_header)
    return struct.pack("<2sIHHI", b"BM", offset + len(pixels), 0, 0, offset) + info_header + pixels
