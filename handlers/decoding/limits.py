"""What is refused before a pixel is allocated."""

from handlers.errors import TooManyPixelsError


def refuse_too_many_pixels(size_wh: tuple[int, int], max_pixels: int) -> None:
    """Raise TooManyPixelsError when a picture of this (width, height) has more than `max_pixels` pixels."""
    width, height = size_wh
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"The picture is {width} x {height} pixels, over the limit of {max_pixels}; "
            "send smaller frames or have FRAMEHOOK_MAX_PIXELS raised."
        )
