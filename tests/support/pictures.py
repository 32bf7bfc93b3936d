"""Pictures, encoded in every way a camera may."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support.client import ROOT

STREET = ROOT / "examples" / "street.jpg"
PHOTOS = Path(__file__).parent.parent / "data"


def encode(picture: Image.Image, name: str, **options: object) -> bytes:
    encoded = io.BytesIO()
    picture.save(encoded, name, **options)
    return encoded.getvalue()


def street() -> Image.Image:
    return Image.open(STREET).convert("RGB")


def street_as(name: str) -> bytes:
    """Return the street photo in another format, pixel for pixel (JPEG: the file itself)."""
    return STREET.read_bytes() if name == "JPEG" else encode(street(), name)


def blank(size_wh: tuple[int, int] = (64, 64)) -> bytes:
    """Return a picture on which there is nothing."""
    return encode(Image.new("RGB", size_wh, (128, 128, 128)), "PNG")


def grey16(picture: Image.Image) -> Image.Image:
    """Return a picture as 16-bit grey, each level the 8-bit one times 257."""
    pixels: NDArray[np.uint16] = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    return Image.fromarray(pixels)
