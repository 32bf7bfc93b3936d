"""The photos that servers are asked about, as squares of the size that most topologies ask for."""

import io
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import IO

from PIL import Image, UnidentifiedImageError

from conformance.errors import ConformanceError

SIDE_PX = 416
"""Width and height of what the sample topologies send."""
SHIPPED = ("astronaut", "cup", "cat", "street")
UNREADABLE = (
    ArithmeticError, AttributeError, EOFError, LookupError, OSError, SyntaxError, TypeError, ValueError,
    struct.error, zlib.error,
)  # fmt: skip
"""What Pillow's decoders raise at broken pictures."""
MAX_PIXELS = 64_000_000
LARGEST = 8
"""How many pictures of their own users may give."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo: RGB, SIDE_PX x SIDE_PX."""

    name: str
    image: Image.Image

    @property
    def cut(self) -> "Photo":
        """Return the middle of the photo, made as large as the whole: objects reach over its edges."""
        side = SIDE_PX
        box = (side // 4, side // 4, side - side // 4, side - side // 4)
        return Photo(f"the middle of {self.name}", self.image.crop(box).resize((side, side), Image.Resampling.LANCZOS))


def shipped_photos() -> tuple[Photo, ...]:
    """Return the photos of this package: a person, a cup, a cat, and a street with people and a car."""
    folder = files(__package__)
    return tuple(_photo(name, io.BytesIO((folder / f"{name}.jpg").read_bytes())) for name in SHIPPED)


def own_photos(paths: Sequence[Path]) -> tuple[Photo, ...]:
    """Return photos of files, cut to squares around their middle. Raises ConformanceError."""
    if len(paths) > LARGEST:
        raise ConformanceError(f"{len(paths)} pictures were given; expected at most {LARGEST}.")
    return tuple(_read(path) for path in paths)


def _read(path: Path) -> Photo:
    reason = "cannot be read"
    try:
        if path.is_file():
            with path.open("rb") as file, warnings.catch_warnings(action="ignore"):
                return _photo(path.name, file)
    except UnidentifiedImageError:
        reason = "is no picture"
    except Image.DecompressionBombError:
        reason = f"has more than {MAX_PIXELS:,} pixels"
    except UNREADABLE:
        pass
    raise ConformanceError(f"{path} {reason}.")


def _photo(name: str, file: IO[bytes]) -> Photo:
    image = Image.open(file)
    if image.width * image.height > MAX_PIXELS:
        raise ConformanceError(f"{name} has more than {MAX_PIXELS:,} pixels.")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.convert("RGB").crop((left, top, left + side, top + side))
    return Photo(name, square.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS))
