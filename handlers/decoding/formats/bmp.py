"""BMP files without compression, as views of their own bytes.

Pillow decodes the other kinds: those with a palette, with run-length coding, or with the shortest header. Layout:
Microsoft's "Bitmap Storage" (BITMAPFILEHEADER, then BITMAPINFOHEADER, V2 to V5), rows padded to four bytes, bottom row
first unless the height is negative.
"""

import struct
from dataclasses import dataclass

import numpy as np

from handlers.decoding.bitfields import RGB555, Masks, unpack16, unpack32
from handlers.decoding.limits import refuse_costly_runs, refuse_too_many_pixels
from handlers.decoding.scaling import Scaler
from models.frame import Body, ChannelOrder, Frame, Pixels
from models.letterbox import Size

FILE_HEADER_BYTES = 14
INFO_HEADER_BYTES = 40
HEADER_SIZES = {INFO_HEADER_BYTES, 52, 56, 64, 108, 124}
"""In bytes, of the header behind the file header: info, V2, V3, OS/2 2.x, V4, V5."""
OFFSET_AT, SIZE_AT = 10, 18
MASKS_BYTES = 12
BI_RGB = 0
RUN_LENGTHS = {1, 2}
"""BI_RLE8 and BI_RLE4."""
MASKED = {3, 6}
"""BI_BITFIELDS and BI_ALPHABITFIELDS."""
MASKS_AT = FILE_HEADER_BYTES + INFO_HEADER_BYTES
"""Offset of the masks of BI_BITFIELDS: behind the info header; from V2 on they are fields of the header."""
RGB888: Masks = (0xFF0000, 0x00FF00, 0x0000FF)
BYTE_ORDERS: dict[int, ChannelOrder] = {24: "bgr", 32: "bgra"}
"""Order of the channels in memory with the masks RGB888, by the bits of a pixel."""
WORD_BITS = 16


@dataclass(frozen=True, slots=True)
class Header:
    """The headers of an uncompressed BMP file.

    `size_wh`: (width, height) in pixels. `bits`: of a pixel. `offset`: where the pixels begin, in bytes. `masks`: the
    bits of red, green and blue in a pixel.
    """

    size_wh: Size
    top_down: bool
    bits: int
    offset: int
    masks: Masks


def decode(body: Body, max_pixels: int, scaler: Scaler) -> Frame | None:
    """Return a BMP file's frame, or None if it is of a kind that Pillow decodes.

    Raises ValueError for a damaged file, TooManyPixelsError, and UndecodableFrameError for costly run-length coding.
    """
    header = _read_header(body)
    if header is None:
        return None
    refuse_too_many_pixels(header.size_wh, max_pixels)
    return scaler.frame(*_read_pixels(header, _read_rows(body, header)))


def _read_header(body: Body) -> Header | None:
    """Return the headers, or None if they are not those of an uncompressed file of 16, 24 or 32 bits.

    Raises ValueError for a picture without pixels or whose pixels overlap the headers, and UndecodableFrameError for
    costly run-length coding.
    """
    try:
        offset, header_bytes = struct.unpack_from("<II", body, OFFSET_AT)
        if header_bytes not in HEADER_SIZES:
            return None
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", body, SIZE_AT)
        masks = _read_masks(body, bits, compression)
    except struct.error:
        return None
    if compression in RUN_LENGTHS:
        refuse_costly_runs(body, offset, (abs(width), abs(height)))
    headers_end = max(FILE_HEADER_BYTES + header_bytes, MASKS_AT + MASKS_BYTES if compression in MASKED else 0)
    if width <= 0 or height == 0 or 0 < offset < headers_end:  # Pillow would read a negative width as a huge one
        raise ValueError(f"expected pixels behind byte {headers_end}, got {width} x {height} at byte {offset}")
    return Header((width, abs(height)), height < 0, bits, offset or headers_end, masks) if masks else None


def _read_masks(body: Body, bits: int, compression: int) -> Masks | None:
    if compression == BI_RGB:
        return {16: RGB555, 24: RGB888, 32: RGB888}.get(bits)
    if compression in MASKED and bits in {16, 32}:
        masks: Masks = struct.unpack_from("<III", body, MASKS_AT)
        return masks if all(_is_run_of_ones(mask, bits) for mask in masks) else None
    return None


def _is_run_of_ones(mask: int, bits: int) -> bool:
    return mask == 0 or (mask + (mask & -mask) == 1 << mask.bit_length() and mask < 1 << bits)


def _read_rows(body: Body, header: Header) -> Pixels:
    """Return uint8 [H, bytes of a row], top row first: a view of the file without padding.

    The last row may lack its padding. Raises ValueError if the file ends too early.
    """
    width, height = header.size_wh
    row_bytes = (width * header.bits + 7) // 8
    stride_bytes = (row_bytes + 3) // 4 * 4
    needed_bytes = stride_bytes * (height - 1) + row_bytes
    if header.offset + needed_bytes > len(body):
        raise ValueError(f"expected {needed_bytes} bytes of pixels, got {len(body) - header.offset}")
    rows = np.ndarray((height, row_bytes), np.uint8, body, header.offset, (stride_bytes, 1))
    return rows if header.top_down else rows[::-1]


def _read_pixels(header: Header, rows: Pixels) -> tuple[Pixels, ChannelOrder]:
    width, height = header.size_wh
    if header.bits == WORD_BITS:
        return unpack16(rows.view("<u2").astype(np.uint16, copy=False), header.masks), "rgba"
    if header.masks == RGB888:
        order = BYTE_ORDERS[header.bits]
        return rows.reshape(height, width, len(order)), order
    return unpack32(rows.view("<u4").astype(np.uint32, copy=False), header.masks), "rgb"
