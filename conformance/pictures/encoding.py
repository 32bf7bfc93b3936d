"""Pictures as the bytes that are posted."""

import io
from typing import Any

import numpy as np
from PIL import Image

MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "BMP": "image/bmp"}
QUALITY = 95


def encode(image: Image.Image, form: str, **options: Any) -> bytes:
    """Return a picture as JPEG, PNG or BMP; `options` are Pillow's."""
    written = io.BytesIO()
    image.save(written, form, **({"quality": QUALITY} if form == "JPEG" else {}) | options)
    return written.getvalue()


def jpeg(image: Image.Image) -> bytes:
    """Return a picture as JPEG of high quality."""
    return encode(image, "JPEG")


def png(image: Image.Image) -> bytes:
    """Return a picture as PNG, quickly: size does not matter here."""
    return encode(image, "PNG", compress_level=1)


def bmp(image: Image.Image) -> bytes:
    """Return a picture as BMP of 24 bits a pixel, rows from the bottom up, as the sample topologies ask for."""
    return encode(image.convert("RGB"), "BMP")


def bmp_from_the_top(image: Image.Image) -> bytes:
    """Return a picture as BMP of 24 bits a pixel whose height is negative: its rows run from the top down."""
    pixels = np.asarray(image.convert("RGB"))[..., ::-1]
    height, width = pixels.shape[:2]
    rows = np.zeros((height, (3 * width + 3) // 4 * 4), np.uint8)
    rows[:, : 3 * width] = pixels.reshape(height, -1)
    head = bytearray(bmp(Image.new("RGB", (1, 1)))[:54])
    for place, value in ((2, 54 + rows.size), (18, width), (22, -height), (34, rows.size)):
        head[place : place + 4] = value.to_bytes(4, "little", signed=True)
    return bytes(head) + rows.tobytes()


def plain(size_wh: tuple[int, int], grey: int = 128) -> Image.Image:
    """Return a picture of one grey: nothing is in it."""
    return Image.new("RGB", size_wh, (grey, grey, grey))
