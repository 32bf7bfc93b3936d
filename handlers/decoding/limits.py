"""Checks made before any pixel is allocated: reject files whose structure costs more than decoding them should.

A codec that runs on a thread cannot be stopped, so its work is bounded beforehand. `essence.py` bounds the parts of a
file. Pillow reads run-length coded BMP pixels one by one in Python, so their number is limited.
"""

from handlers.errors import TooManyPixelsError, UndecodableFrameError
from models.frame import Body
from models.letterbox import Size

MAX_SIDE_PX = 65535
"""The longest side that a JPEG's header can hold. A picture of one very long row would cost many times its pixels."""
MAX_JPEG_SIDE_PX = 65500
"""libjpeg's own limit; it would call a larger picture damaged."""
MAX_SCANS = 100
MAX_SCAN_PIXELS = 20
"""Pixels that all scans of a JPEG may cover together, as a multiple of the pixel limit. Ordinary progressive files have
ten to eighteen scans (CMYK), and each costs about as much as decoding the picture once."""
WEBP_SHARE = (2, 3)
"""Of the pixel limit, for a WebP picture: its decoder takes 12 bytes a pixel, the others at most 8."""
MAX_RUN_LENGTH_PIXELS = 1_000_000
"""Pixels of a run-length coded BMP."""

START_OF_SCAN = b"\xff\xda"


def refuse_too_many_pixels(size_wh: Size, max_pixels: int, max_side_px: int = MAX_SIDE_PX) -> None:
    """Raise TooManyPixelsError if a picture of that size has more than `max_pixels` pixels, or too long a side."""
    width, height = size_wh
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"The picture is {width} x {height} pixels, over the limit of {max_pixels}; "
            "send smaller frames, or raise FRAMEHOOK_MAX_PIXELS."
        )
    if max(size_wh) > max_side_px:
        raise TooManyPixelsError(f"The picture is {width} x {height} pixels; no side may be longer than {max_side_px}.")


def refuse_large_picture(_: Body, size_wh: Size, max_pixels: int) -> None:
    """Raise TooManyPixelsError if a picture of that size has too many pixels; its bytes do not matter."""
    refuse_too_many_pixels(size_wh, max_pixels)


def refuse_large_jpeg(body: Body, size_wh: Size, max_pixels: int) -> None:
    """Raise TooManyPixelsError if a JPEG has too many pixels, UndecodableFrameError if it has too many scans."""
    refuse_too_many_pixels(size_wh, max_pixels, MAX_JPEG_SIDE_PX)
    refuse_too_many_scans(body, size_wh, max_pixels)


def refuse_large_webp(size_wh: Size, max_pixels: int) -> None:
    """Raise TooManyPixelsError if a WebP picture of that size has too many pixels."""
    (width, height), (share, whole) = size_wh, WEBP_SHARE
    if width * height > max_pixels * share // whole:
        raise TooManyPixelsError(
            f"The WebP picture is {width} x {height} pixels, over the limit of {max_pixels * share // whole} for WebP; "
            "send smaller frames or JPEG, or raise FRAMEHOOK_MAX_PIXELS."
        )


def refuse_too_many_scans(body: Body, size_wh: Size, max_pixels: int) -> None:
    """Raise UndecodableFrameError if a JPEG has more scans than a picture of that size needs.

    Counts the markers (ISO/IEC 10918-1, B.1.1.3: SOS), which entropy-coded data never contains. `body`: its essence.
    """
    width, height = size_wh
    scans = bytes(body).count(START_OF_SCAN)  # bytes are not copied
    if scans > MAX_SCANS or scans * width * height > MAX_SCAN_PIXELS * max_pixels:
        raise UndecodableFrameError(f"The JPEG picture has {scans} scans, more than a picture of its size needs.")


def refuse_costly_runs(body: Body, offset: int, size_wh: Size) -> None:
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
