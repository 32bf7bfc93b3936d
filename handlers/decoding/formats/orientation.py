"""The EXIF orientation of a file: how its picture lies.

Reads one tag and nothing else of the metadata, with an amount of work that the file cannot raise. What is malformed
counts as no orientation. Layout: CIPA DC-008 (Exif 2.32), 4.5 and 4.6; TIFF 6.0, section 2.
"""

import struct

from handlers.decoding.essence import FILL, MAX_CHUNKS, SIGNATURE_BYTES, SOS
from models.frame import Body

UPRIGHT = 1
"""The orientation of a picture that needs no turn."""
MOST = 8
TAG, SHORT = 0x0112, 3
MAX_ENTRIES = 500
"""Of a block that are looked at. Cameras write some twenty, in the order of their tags."""
BYTE_ORDERS = {b"II\x2a\0": "<", b"MM\0\x2a": ">"}
"""By how a block begins."""
PREFIX = b"Exif\0\0"
"""Before the block in a JPEG; some programs write it into other files, too."""
APP1 = 0xE1
MAX_SEGMENTS = 64
"""Of a JPEG that are looked at, and fill bytes. The block is in one of the first two, or behind a colour profile."""


def read_orientation(exif: Body) -> int:
    """Return the orientation, 1..8, that a block of EXIF gives; UPRIGHT if it gives none, or is malformed."""
    block = memoryview(exif)
    if block[: len(PREFIX)] == PREFIX:
        block = block[len(PREFIX) :]
    order = BYTE_ORDERS.get(bytes(block[:4]))
    if order is None:
        return UPRIGHT
    try:
        (at,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, at)
        for entry in range(min(count, MAX_ENTRIES)):
            tag, kind, values, value = struct.unpack_from(f"{order}HHIH", block, at + 2 + 12 * entry)
            if tag == TAG:
                is_sound = (kind, values) == (SHORT, 1) and UPRIGHT <= value <= MOST
                return int(value) if is_sound else UPRIGHT
    except struct.error:  # the block ends before
        pass
    return UPRIGHT


def jpeg_exif(body: Body) -> Body:
    """Return the first block of EXIF in a JPEG, empty if there is none before the pixels."""
    view, at = memoryview(body), 2
    for _ in range(MAX_SEGMENTS):
        fill, marker = bytes(view[at : at + 2]).ljust(2, b"\0")
        if fill != FILL or marker == SOS:
            break
        if marker == FILL:  # any number of these may stand before a marker
            at += 1
            continue
        end = at + 2 + max(2, int.from_bytes(view[at + 2 : at + 4]))
        if marker == APP1 and view[at + 4 : at + 4 + len(PREFIX)] == PREFIX:
            return view[at + 4 : end]
        at = end
    return b""


def png_exif(body: Body) -> Body:
    """Return the first block of EXIF in a PNG, empty if there is none."""
    view, at = memoryview(body), SIGNATURE_BYTES
    for _ in range(MAX_CHUNKS):
        name, end = bytes(view[at + 4 : at + 8]), at + 8 + int.from_bytes(view[at : at + 4])
        if name == b"eXIf":
            return view[at + 8 : end]
        if not name or name == b"IEND":
            break
        at = end + 4  # behind the checksum
    return b""
