"""What is refused before a pixel is allocated."""

from handlers.errors import TooManyPixelsError, UndecodableFrameError

MAX_SCANS = 100
MAX_SCAN_PIXELS = 16
"""Pixels that all scans of a JPEG may touch, as a multiple of the pixel limit. Ordinary progressive files have about
ten scans, and each costs about as much as decoding the picture once."""


def refuse_too_many_pixels(size_wh: tuple[int, int], max_pixels: int) -> None:
    """Raise TooManyPixelsError when a picture of this (width, height) has more than `max_pixels` pixels."""
    width, height = size_wh
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"The picture is {width} x {height} pixels, over the limit of {max_pixels}; "
            "send smaller frames or have FRAMEHOOK_MAX_PIXELS raised."
        )


def refuse_too_many_scans(body: bytes, size_wh: tuple[int, int], max_pixels: int) -> None:
    """Raise UndecodableFrameError when a JPEG file has more scans than decoding it may cost.

    Counts the markers (ISO/IEC 10918-1, B.1.1.3: SOS), which entropy-coded data never contains.
    """
    width, height = size_wh
    scans = body.count(b"\xff\xda")
    if scans > MAX_SCANS or scans * width * height > MAX_SCAN_PIXELS * max_pixels:
        raise UndecodableFrameError(f"The JPEG picture has {scans} scans, more than a picture of its size needs.")
