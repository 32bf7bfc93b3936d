"""What is refused before a pixel is allocated: whatever would cost more than the pixels that it brings.

A codec that runs on a thread cannot be stopped, so its work is bounded beforehand. Pillow reads a file's segments and
chunks, and run-length coded BMP pixels, one by one in Python: their number is what counts there.
"""

from handlers.errors import TooManyPixelsError, UndecodableFrameError

MAX_SIDE_PX = 65535
"""The longest side that JPEG can have; a picture of a single line would cost many times its pixels."""
MAX_SCANS = 100
MAX_SCAN_PIXELS = 20
"""Pixels that all scans of a JPEG may touch, as a multiple of the pixel limit. Ordinary progressive files have ten
to eighteen (CMYK), and each costs about as much as decoding the picture once."""
MAX_SEGMENTS = 1000
"""Segments, and fill bytes between them, in front of the pixels of a JPEG."""
MAX_CHUNKS, MAX_ANCILLARY_CHUNKS = 10_000, 100
"""Chunks of a PNG, and those of them that are not the picture's own; frames of an animation do not count as such."""
MAX_RUN_LENGTH_PIXELS = 1_000_000
"""Pixels of a run-length coded BMP."""

SOI_BYTES, PNG_SIGNATURE_BYTES = 2, 8
FILL, STUFFED, TEM, RST0, EOI, SOS = 0xFF, 0x00, 0x01, 0xD0, 0xD9, 0xDA
"""JPEG markers without a length (ISO/IEC 10918-1, table B.1), and the one in front of the pixels."""
ANCILLARY = 0x20
"""The bit of a chunk's name that says so (ISO/IEC 15948, 5.4)."""
ANIMATION = {b"fcTL", b"fdAT"}


def refuse_too_many_pixels(size_wh: tuple[int, int], max_pixels: int) -> None:
    """Raise TooManyPixelsError when a picture of this (width, height) has more than `max_pixels` pixels."""
    width, height = size_wh
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"The picture is {width} x {height} pixels, over the limit of {max_pixels}; "
            "send smaller frames or have FRAMEHOOK_MAX_PIXELS raised."
        )
    if max(size_wh) > MAX_SIDE_PX:
        raise TooManyPixelsError(f"The picture is {width} x {height} pixels; no side may be longer than {MAX_SIDE_PX}.")


def refuse_large_picture(_: bytes, size_wh: tuple[int, int], max_pixels: int) -> None:
    """Raise TooManyPixelsError when a picture of this size has too many pixels, whatever else it holds."""
    refuse_too_many_pixels(size_wh, max_pixels)


def refuse_large_jpeg(body: bytes, size_wh: tuple[int, int], max_pixels: int) -> None:
    """Raise TooManyPixelsError or UndecodableFrameError when a JPEG has too many pixels, or scans for its size."""
    refuse_too_many_pixels(size_wh, max_pixels)
    refuse_too_many_scans(body, size_wh, max_pixels)


def refuse_too_many_scans(body: bytes, size_wh: tuple[int, int], max_pixels: int) -> None:
    """Raise UndecodableFrameError when a JPEG has more scans than decoding a picture of its size may cost.

    Counts the markers (ISO/IEC 10918-1, B.1.1.3: SOS), which entropy-coded data never contains.
    """
    width, height = size_wh
    scans = body.count(bytes((FILL, SOS)))
    if scans > MAX_SCANS or scans * width * height > MAX_SCAN_PIXELS * max_pixels:
        raise UndecodableFrameError(f"The JPEG picture has {scans} scans, more than a picture of its size needs.")


def refuse_jpeg_segments(body: bytes) -> None:
    """Raise UndecodableFrameError when a JPEG has too many segments in front of its pixels."""
    at = SOI_BYTES
    for _ in range(MAX_SEGMENTS):
        marker = body[at + 1 : at + 2]
        if body[at : at + 1] != bytes((FILL,)) or not marker or marker[0] == SOS:
            return
        at += _segment_bytes(marker[0], body[at + 2 : at + 4])
    raise UndecodableFrameError(f"The JPEG picture has more than {MAX_SEGMENTS} segments in front of its pixels.")


def _segment_bytes(marker: int, length: bytes) -> int:
    """Return how far it is to the next marker."""
    if marker == FILL:
        return 1
    if marker in {STUFFED, TEM} or RST0 <= marker <= EOI:
        return 2
    return 2 + max(2, int.from_bytes(length))


def refuse_png_chunks(body: bytes) -> None:
    """Raise UndecodableFrameError when a PNG has too many chunks, or more than one colour profile to unpack."""
    at, ancillary, profiles = PNG_SIGNATURE_BYTES, 0, 0
    for _ in range(MAX_CHUNKS):
        name = body[at + 4 : at + 8]
        if len(name) < len(b"IEND") or name == b"IEND":
            return
        ancillary += bool(name[0] & ANCILLARY) and name not in ANIMATION
        profiles += name == b"iCCP"
        if ancillary > MAX_ANCILLARY_CHUNKS or profiles > 1:
            break
        at += 12 + int.from_bytes(body[at : at + 4])
    raise UndecodableFrameError(
        f"The PNG picture has more than {MAX_CHUNKS} chunks, {MAX_ANCILLARY_CHUNKS} of them beside the picture, "
        "or several colour profiles."
    )


def refuse_costly_runs(body: bytes, offset: int, size_wh: tuple[int, int]) -> None:
    """Raise UndecodableFrameError when a run-length coded BMP would take long: too many pixels, or more codes.

    `offset`: where its codes begin. A picture needs at most a code of two bytes a pixel, two a row, and one at its end.
    """
    width, height = size_wh
    most_bytes = 2 * width * height + 4 * height + 2
    if width * height > MAX_RUN_LENGTH_PIXELS or len(body) - offset > most_bytes:
        raise UndecodableFrameError(
            f"The run-length coded BMP picture is {width} x {height} pixels of {len(body) - offset} bytes; expected at "
            f"most {MAX_RUN_LENGTH_PIXELS} pixels, and no more codes than its pixels need."
        )
