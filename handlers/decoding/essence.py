"""What a decoder needs of a file, and nothing else.

Parsers of metadata work in Python, by the number or even the square of what a file brings. So no decoder sees any:
EXIF, colour profiles, comments, texts, animations and junk stay behind. A scan of the file skips parts by
their lengths, bounds their number, and copies once. It repairs one thing, the missing end marker of a JPEG, which some
cameras leave out; whatever else is damaged is refused here or by the decoder.
"""

import zlib

import numpy as np

from handlers.errors import UndecodableFrameError
from models.frame import Body, Pixels

MAX_SEGMENTS = 1000
"""Segments of a JPEG. Ordinary progressive files have fewer than a hundred."""
MAX_TABLE_BYTES = 128 << 10
"""Of a JPEG's headers and tables together: Pillow copies what is left of a segment for each table in it."""
FILL, SOI, EOI, SOS = 0xFF, 0xD8, 0xD9, 0xDA
"""The byte before each marker; the markers of the picture's start and end, and of a scan (ISO/IEC 10918-1, B.1.1.3)."""
NEEDED = {0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, SOS}
"""Frame headers of baseline, extended and progressive Huffman coding; Huffman tables, quantization tables, the restart
interval, and scan headers."""
FRAMES = {0xC0, 0xC1, 0xC2}
PRECISION_AT, PRECISION = 4, 8
"""Where a frame header gives the bits of a sample, behind its marker and length; how many libjpeg decodes."""
OTHER_FRAMES = set(range(0xC3, 0xD0)) - {0xC4, 0xCC}
"""Frame headers of arithmetic coding, six times as expensive, and of lossless and hierarchical coding."""
MISPLACED = {SOI, 0xDE, 0xDF, *range(0xF0, 0xFE)}
"""Markers that libjpeg refuses wherever they come."""
COLOUR = {0xE0: (b"JFIF\0", 14), 0xEE: (b"Adobe", 12)}
"""Segments that say how colours are coded → how their content begins, and the bytes of it that matter."""
IS_MARKER = np.isin(np.arange(256), [*range(0xC0, 0xD0), *range(0xD8, 0xFF)])
"""By the byte behind FILL. Restart markers, stuffed and fill bytes belong to the data around them."""
END_OF_IMAGE = bytes((FILL, EOI))
FIRST_WINDOW_BYTES, MAX_WINDOW_BYTES = 64, 1 << 18

MAX_CHUNKS = 10_000
SIGNATURE_BYTES = 8
NEEDED_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
"""Header, palette, pixels and end of a PNG; transparency is dropped with alpha."""


def whole(body: Body) -> Body:
    """Return all of a file whose decoder reads nothing but headers and pixels."""
    return body


def jpeg(body: Body) -> bytes:
    """Return the frame header, tables, scans, colour markers and end marker of the first picture in a JPEG.

    The end marker is there even if the file lacks it. Raises ValueError for a marker out of place or a part that is cut
    off, and UndecodableFrameError for too many parts or another coding.
    """
    view, octets = memoryview(body), np.frombuffer(body, np.uint8)
    parts: list[Body] = [bytes((FILL, SOI))]
    at, table_bytes, in_scan = len(parts[0]), 0, False
    for _ in range(MAX_SEGMENTS):
        start = _next_marker(octets, at)
        if in_scan:
            parts.append(view[at:start])
        if start == len(view) or view[start + 1] == EOI:
            return b"".join([*parts, END_OF_IMAGE])
        at = start + 2 + max(2, int.from_bytes(view[start + 2 : start + 4]))
        segment = _needed_segment(view[start:at], in_scan=in_scan)
        if segment and at > len(view):
            raise ValueError(f"expected {at} bytes, got {len(view)}")
        parts.append(segment)
        table_bytes += len(segment)
        in_scan = view[start + 1] == SOS
        if table_bytes > MAX_TABLE_BYTES:
            break
    raise UndecodableFrameError(
        f"The JPEG picture has more than {MAX_SEGMENTS} segments, or tables of more than {MAX_TABLE_BYTES} bytes."
    )


def png(body: Body) -> bytes:
    """Return the header, palette, pixels and end of a PNG.

    Raises UndecodableFrameError for too many chunks, and ValueError if the checksum of pixels is wrong: Pillow checks
    those of the other chunks.
    """
    view, at = memoryview(body), SIGNATURE_BYTES
    parts: list[Body] = [view[:at]]
    for _ in range(MAX_CHUNKS):
        name = bytes(view[at + 4 : at + 8])
        end = at + 12 + int.from_bytes(view[at : at + 4])  # with length, name and checksum
        if name in NEEDED_CHUNKS:
            parts.append(view[at:end])
        if name == b"IDAT" and end <= len(view):
            _check_pixels(view[at + 4 : end])
        if name == b"IEND" or len(name) < len(b"IEND") or not name.isalpha():
            return b"".join(parts)
        at = end
    raise UndecodableFrameError(f"The PNG picture has more than {MAX_CHUNKS} chunks.")


def _check_pixels(chunk: memoryview) -> None:
    """Raise ValueError if the checksum at the end of a chunk is not that of its name and pixels."""
    if zlib.crc32(chunk[:-4]) != int.from_bytes(chunk[-4:]):
        raise ValueError("expected another checksum of pixels")


def _next_marker(octets: Pixels, at: int) -> int:
    """Return where the next marker begins, its FILL byte; the length of the file if there is none."""
    window_bytes = FIRST_WINDOW_BYTES
    while at < len(octets) - 1:
        if octets[at] == FILL and IS_MARKER[octets[at + 1]]:
            return at
        window = octets[at : at + window_bytes + 1]
        fills = np.flatnonzero(window[:-1] == FILL)
        markers = fills[IS_MARKER[window[fills + 1]]]
        if len(markers):
            return at + int(markers[0])
        at += window_bytes
        window_bytes = min(8 * window_bytes, MAX_WINDOW_BYTES)  # so that a near marker costs little
    return len(octets)


def _needed_segment(segment: memoryview, *, in_scan: bool) -> Body:
    """Return what the decoder needs of a segment that begins with its marker; perhaps nothing.

    `in_scan`: whether the data of a scan ends here. Raises ValueError for a marker out of place, and
    UndecodableFrameError for another coding.
    """
    marker = segment[1]
    if marker in OTHER_FRAMES and not in_scan:
        raise UndecodableFrameError(
            "The JPEG picture is coded in arithmetic, lossless or hierarchical mode; send baseline or progressive JPEG "
            "with Huffman codes."
        )
    if marker in FRAMES and segment[PRECISION_AT] != PRECISION:
        raise UndecodableFrameError(
            f"The JPEG picture has {segment[PRECISION_AT]} bits a sample; send one of {PRECISION} bits."
        )
    if marker in MISPLACED | OTHER_FRAMES:
        raise ValueError(f"expected no marker {marker:#x} here")
    if marker in NEEDED:
        return segment
    name, length = COLOUR.get(marker, (b"", 0))
    content = segment[4 : 4 + length]
    if not name or len(content) < length or content[: len(name)] != name:
        return b""
    return b"".join([segment[:2], (2 + length).to_bytes(2), content])
