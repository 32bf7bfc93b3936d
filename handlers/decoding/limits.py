"""Checks made before any pixel is allocated: reject files whose structure costs more than decoding them should.

A codec that runs on a thread cannot be stopped, so its work is bounded beforehand. Pillow reads segments, chunks and
run-length coded BMP pixels one by one in Python, so their number is limited.
"""

from handlers.errors import TooManyPixelsError, UndecodableFrameError
from models.letterbox import Size

MAX_SIDE_PX = 65535
"""The longest side that JPEG can have. A picture of one very long row would cost many times its pixels."""
MAX_SCANS = 100
MAX_SCAN_PIXELS = 20
"""Pixels that all scans of a JPEG may cover together, as a multiple of the pixel limit. Ordinary progressive files have
ten to eighteen scans (CMYK), and each costs about as much as decoding the picture once."""
MAX_SEGMENTS = 1000
"""Segments, and fill bytes between them, before the pixels of a JPEG."""
MAX_PNG_CHUNKS, MAX_ANCILLARY_CHUNKS = 10_000, 100
"""Chunks of a PNG, and ancillary chunks among them, without those of an animation's frames."""
MAX_RUN_LENGTH_PIXELS = 1_000_000
"""Pixels of a run-length coded BMP."""

SOI_BYTES, PNG_SIGNATURE_BYTES = 2, 8
FILL, STUFFED, TEM, RST0, EOI, SOS = 0xFF, 0x00, 0x01, 0xD0, 0xD9, 0xDA
"""JPEG markers without a length (ISO/IEC 10918-1, table B.1), and the one before the pixels."""
ANCILLARY = 0x20
"""This bit of the first letter of a chunk's name marks ancillary chunks (ISO/IEC 15948, 5.4)."""
ANIMATION = {b"fcTL", b"fdAT"}


def refuse_too_many_pixels(size_wh: Size, max_pixels: int) -> None:
    """Raise TooManyPixelsError if a picture of that size has more than `max_pixels` pixels, or too long a side."""
    width, height = size_wh
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"The picture is {width} x {height} pixels, over the limit of {max_pixels}; "
            "send smaller frames, or raise FRAMEHOOK_MAX_PIXELS."
        )
    if max(size_wh) > MAX_SIDE_PX:
        raise TooManyPixelsError(f"The picture is {width} x {height} pixels; no side may be longer than {MAX_SIDE_PX}.")


def refuse_large_picture(_: bytes, size_wh: Size, max_pixels: int) -> None:
    """Raise TooManyPixelsError if a picture of that size has too many pixels; its bytes do not matter."""
    refuse_too_many_pixels(size_wh, max_pixels)


def refuse_large_jpeg(body: bytes, size_wh: Size, max_pixels: int) -> None:
    """Raise TooManyPixelsError if a JPEG has too many pixels, UndecodableFrameError if it has too many scans."""
    refuse_too_many_pixels(size_wh, max_pixels)
    refuse_too_many_scans(body, size_wh, max_pixels)


def refuse_too_many_scans(body: bytes, size_wh: Size, max_pixels: int) -> None:
    """Raise UndecodableFrameError if a JPEG has more scans than a picture of that size needs.

    Counts the markers (ISO/IEC 10918-1, B.1.1.3: SOS), which entropy-coded data never contains.
    """
    width, height = size_wh
    scans = body.count(bytes((FILL, SOS)))
    if scans > MAX_SCANS or scans * width * height > MAX_SCAN_PIXELS * max_pixels:
        raise UndecodableFrameError(f"The JPEG picture has {scans} scans, more than a picture of its size needs.")


def refuse_jpeg_segments(body: bytes) -> None:
    """Raise UndecodableFrameError if a JPEG has too many segments before its pixels."""
    at = SOI_BYTES
    for _ in range(MAX_SEGMENTS):
        marker = body[at + 1 : at + 2]
        if body[at : at + 1] != bytes((FILL,)) or not marker or marker[0] == SOS:
            return
        at += _segment_bytes(marker[0], body[at + 2 : at + 4])
    raise UndecodableFrameError(f"The JPEG picture has more than {MAX_SEGMENTS} segments before its pixels.")


def _segment_bytes(marker: int, length: bytes) -> int:
    """Return the bytes from a marker to the next one. `length`: the two bytes behind the marker."""
    if marker == FILL:
        return 1
    if marker in {STUFFED, TEM} or RST0 <= marker <= EOI:
        return 2
    return 2 + max(2, int.from_bytes(length))


def refuse_png_chunks(body: bytes) -> None:
    """Raise UndecodableFrameError if a PNG has too many chunks, or more than one colour profile to unpack."""
    at, ancillary, profiles = PNG_SIGNATURE_BYTES, 0, 0
    for _ in range(MAX_PNG_CHUNKS):
        name = body[at + 4 : at + 8]
        if len(name) < len(b"IEND") or name == b"IEND":
            return
        ancillary += bool(name[0] & ANCILLARY) and name not in ANIMATION
        profiles += name == b"iCCP"
        if ancillary > MAX_ANCILLARY_CHUNKS or profiles > 1:
            break
        at += 12 + int.from_bytes(body[at : at + 4])
    raise UndecodableFrameError(
        f"The PNG picture has more than {MAX_PNG_CHUNKS} chunks, more than {MAX_ANCILLARY_CHUNKS} ancillary ones, "
        "or several colour profiles."
    )


def refuse_costly_runs(body: bytes, offset: int, size_wh: Size) -> None:
    """Raise UndecodableFrameError if a run-length coded BMP has too many pixels, or more codes than pixels need.

    `offset`: where the codes begin, in bytes. A code has two bytes; a picture needs at most one for each pixel, two for
    each row, and one at its end.
    """
    width, height = size_wh
    needed_bytes = 2 * width * height + 4 * height + 2
    if width * height > MAX_RUN_LENGTH_PIXELS or len(body) - offset > needed_bytes:
        raise UndecodableFrameError(
            f"The run-length coded BMP picture is {width} x {height} pixels of {len(body) - offset} bytes; expected at "
            f"most {MAX_RUN_LENGTH_PIXELS} pixels, and no more codes than its pixels need."
        )
