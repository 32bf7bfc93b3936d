"""Small good pictures in every format and kind that the service accepts, made from one photo.

Pillow writes most of them; the kinds of BMP that it cannot write are written here, following the BITMAPINFOHEADER
section of the Windows documentation.
"""

import io
import itertools
import struct
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PHOTO = Path(__file__).resolve().parents[2] / "examples" / "street.jpg"
FILE_HEADER_BYTES, INFO_HEADER_BYTES = 14, 40
RGB, RLE8, RLE4, BITFIELDS = 0, 1, 2, 3
"""Values of biCompression."""
MASKS = {16: (0xF800, 0x07E0, 0x001F), 32: (0xFF0000, 0x00FF00, 0x0000FF)}
"""Where red, green and blue lie in a BITFIELDS pixel."""
RUN = 255
"""Longest run of RLE."""
END_OF_LINE, END_OF_BITMAP = b"\0\0", b"\0\1"

Writer = Callable[[Image.Image], bytes]


@cache
def photo(size_wh: tuple[int, int]) -> Image.Image:
    """Return the photo at this (width, height), RGB."""
    with Image.open(PHOTO) as picture:
        return picture.convert("RGB").resize(size_wh, Image.Resampling.BILINEAR)


def _pillow(format_name: str, mode: str, picture: Image.Image, **options: Any) -> bytes:
    """Return a picture in this mode as Pillow writes it."""
    buffer = io.BytesIO()
    picture.convert(mode).save(buffer, format_name, **options)
    return buffer.getvalue()


def _png_16_bit(picture: Image.Image) -> bytes:
    grey = np.asarray(picture.convert("L")).astype(np.uint16) * 257  # 255 becomes 65535
    return _pillow("PNG", "I;16", Image.fromarray(grey))


def _bmp_rle(bits: int, picture: Image.Image) -> bytes:
    """Return a palette BMP whose rows are runs of one colour."""
    indices = _palette_indices(picture, bits)
    pixels = b"".join(_runs(row, bits) + END_OF_LINE for row in indices) + END_OF_BITMAP
    return bmp(picture.size, bits, RLE8 if bits == 8 else RLE4, _palette(picture, bits), pixels)  # noqa: PLR2004


def _bmp_palette(bits: int, picture: Image.Image) -> bytes:
    """Return an uncompressed palette BMP of 1, 4 or 8 bits a pixel."""
    width, _ = picture.size
    planes = np.unpackbits(_palette_indices(picture, bits)[:, :, None], axis=2)[:, :, 8 - bits :]
    rows = np.packbits(planes.reshape(len(planes), width * bits), axis=1)
    return bmp(picture.size, bits, RGB, _palette(picture, bits), _padded(rows))


def _bmp_bitfields(bits: int, picture: Image.Image) -> bytes:
    """Return a BMP of 16 or 32 bits per pixel with masks for its colours."""
    pixels = np.zeros((picture.height, picture.width), np.uint32)
    for channel, mask in enumerate(MASKS[bits]):
        values = np.asarray(picture)[::-1, :, channel].astype(np.uint32)
        pixels |= values * mask // 255 & mask
    rows = pixels.astype(f"<u{bits // 8}").view(np.uint8)
    return bmp(picture.size, bits, BITFIELDS, struct.pack("<3I", *MASKS[bits]), _padded(rows))


def bmp(size_wh: tuple[int, int], bits: int, compression: int, table: bytes, pixels: bytes) -> bytes:
    """Return a BMP file. `table`: the palette or the masks."""
    offset = FILE_HEADER_BYTES + INFO_HEADER_BYTES + len(table)
    file_header = struct.pack("<2sIHHI", b"BM", offset + len(pixels), 0, 0, offset)
    head = (INFO_HEADER_BYTES, *size_wh, 1, bits, compression, len(pixels), 0, 0)
    info_header = struct.pack("<IiiHHIIiiII", *head, 0 if compression == BITFIELDS else len(table) // 4, 0)
    return file_header + info_header + table + pixels


def _quantised(picture: Image.Image, bits: int) -> Image.Image:
    return picture.quantize(2**bits, method=Image.Quantize.MEDIANCUT)


def _palette(picture: Image.Image, bits: int) -> bytes:
    """Return 2 ** bits entries of blue, green, red and a zero."""
    colours = np.zeros((2**bits, 4), np.uint8)
    rgb = np.array(_quantised(picture, bits).getpalette("RGB"), np.uint8).reshape(-1, 3)
    colours[: len(rgb), :3] = rgb[: len(colours), ::-1]
    return colours.tobytes()


def _palette_indices(picture: Image.Image, bits: int) -> NDArray[np.uint8]:
    """Return [H, W], the bottom row first as BMP has it."""
    return np.asarray(_quantised(picture, bits), np.uint8)[::-1]


def _runs(row: NDArray[np.uint8], bits: int) -> bytes:
    """Return one row as pairs of a length and a pixel; with 4 bits a pixel, the pixel twice."""
    starts = [0, *(np.flatnonzero(np.diff(row)) + 1), len(row)]
    pairs = bytearray()
    for start, end in itertools.pairwise(starts):
        pixel = int(row[start]) * (1 if bits == 8 else 0x11)  # noqa: PLR2004
        for at in range(start, end, RUN):
            pairs += bytes((min(RUN, end - at), pixel))
    return bytes(pairs)


def _padded(rows: NDArray[np.uint8]) -> bytes:
    """Return rows of bytes, each filled up to a multiple of 4."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4))).tobytes()


WRITERS: dict[str, Writer] = {
    "jpeg-baseline": partial(_pillow, "JPEG", "RGB"),
    "jpeg-progressive": partial(_pillow, "JPEG", "RGB", progressive=True),
    "jpeg-grey": partial(_pillow, "JPEG", "L"),
    "jpeg-cmyk": partial(_pillow, "JPEG", "CMYK"),
    "jpeg-restarts": partial(_pillow, "JPEG", "RGB", restart_marker_rows=1),
    "png-rgb": partial(_pillow, "PNG", "RGB"),
    "png-rgba": partial(_pillow, "PNG", "RGBA"),
    "png-grey": partial(_pillow, "PNG", "L"),
    "png-grey-alpha": partial(_pillow, "PNG", "LA"),
    "png-1-bit": partial(_pillow, "PNG", "1"),
    "png-palette": partial(_pillow, "PNG", "P"),
    "png-palette-transparent": partial(_pillow, "PNG", "P", transparency=0),
    "png-16-bit": _png_16_bit,
    "webp-lossy": partial(_pillow, "WEBP", "RGB"),
    "webp-alpha": partial(_pillow, "WEBP", "RGBA", exif=b"Exif\0\0II\x2a\0"),
    "webp-lossless": partial(_pillow, "WEBP", "RGB", lossless=True),
    "bmp-1": partial(_bmp_palette, 1),
    "bmp-4": partial(_bmp_palette, 4),
    "bmp-8": partial(_bmp_palette, 8),
    "bmp-16": partial(_bmp_bitfields, 16),
    "bmp-24": partial(_pillow, "BMP", "RGB"),
    "bmp-32": partial(_bmp_bitfields, 32),
    "bmp-rle4": partial(_bmp_rle, 4),
    "bmp-rle8": partial(_bmp_rle, 8),
}
"""Kind of file → its writer."""
